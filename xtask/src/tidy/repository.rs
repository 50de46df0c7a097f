//! The files that the rules look at: all text of the checkout, held in memory.

use std::path::Path;

use anyhow::{Context, Result};

/// Directories that are not ours to judge.
const SKIPPED: &[&str] = &[".git", "target", "fixtures"];
/// Files above this size are data, whatever their name.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A text file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The file's name without its directories.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The directory of the crate that the file belongs to: `crates/x`, `xtask`, `benches`.
    pub(crate) fn crate_directory(&self) -> Option<&str> {
        let mut slashes = self.path.match_indices('/').map(|(index, _)| index);
        let end = if self.path.starts_with("crates/") { slashes.nth(1) } else { slashes.next() };
        self.path.get(..end?)
    }

    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The checkout.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repository {
    /// Text files in the order of their paths.
    pub(crate) files: Vec<File>,
    /// Paths of all files and directories, also of those that hold no text.
    pub(crate) paths: Vec<String>,
}

impl Repository {
    /// Reads the checkout at `root`.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut repository = Self::default();
        repository.walk(root, "")?;
        repository.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(repository)
    }

    fn walk(&mut self, directory: &Path, prefix: &str) -> Result<()> {
        let context = || format!("cannot read {}", directory.display());
        for entry in std::fs::read_dir(directory).with_context(context)? {
            let entry = entry.with_context(context)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().with_context(context)?;
            self.paths.push(path.clone());
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() {
                self.walk(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() && entry.metadata().with_context(context)?.len() <= TEXT_BYTES_MAX {
                let bytes = std::fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
                if let Ok(text) = String::from_utf8(bytes) {
                    self.files.push(File { path, text });
                }
            }
        }
        Ok(())
    }

    /// The text file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a file or directory stands at `path`.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.paths.iter().any(|known| known == path)
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The directories of our packages with their manifests: `crates/x`, `xtask`, `benches`.
    pub(crate) fn packages(&self) -> impl Iterator<Item = (&str, &File)> {
        // What stands below another package is a check of its own workspace, and no part of the program.
        let in_workspace = |path: &&str| !path.starts_with("xtask/checks/") && *path != "xtask/fuzz";
        let package = move |path: &'_ str| path.strip_suffix("/Cargo.toml").filter(in_workspace).map(str::len);
        self.files.iter().filter_map(move |file| Some((&file.path[..package(&file.path)?], file)))
    }

    /// A repository of the given files, to plant violations in.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut repository = Self::default();
        for (path, text) in files {
            for (index, _) in path.match_indices('/') {
                repository.paths.push(path[..index].to_owned());
            }
            repository.paths.push((*path).to_owned());
            repository.files.push(File { path: (*path).to_owned(), text: (*text).to_owned() });
        }
        repository
    }
}
