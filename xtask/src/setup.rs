//! `cargo xtask setup`: what a bare Debian or Ubuntu with git, curl and Rust lacks to build RocksDB.
//!
//! ```text
//! needed                          why                                     Debian package
//! a C++20 compiler                RocksDB is compiled from source         g++
//! libclang and clang's headers    bindgen reads RocksDB's C header        libclang-dev
//! ```
//! Nothing else is needed: no protoc, no cmake, no make, no system RocksDB.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;

/// Something that the build needs and the machine lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    CppCompiler,
    Libclang,
}

impl Need {
    const fn package(self) -> &'static str {
        match self {
            Self::CppCompiler => "g++",
            Self::Libclang => "libclang-dev",
        }
    }

    /// The environment variable that names it, if it is set: installing something else would change nothing.
    fn misnamed(self) -> Option<(&'static str, String)> {
        let variable = match self {
            Self::CppCompiler => "CXX",
            Self::Libclang => "LIBCLANG_PATH",
        };
        Some((variable, std::env::var_os(variable)?.to_string_lossy().into_owned()))
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CppCompiler => "a C++20 compiler (g++ 11, clang++ 14 or later; CXX names another one)",
            Self::Libclang => "libclang with clang's own headers (LIBCLANG_PATH names its directory)",
        })
    }
}

/// How packages can be installed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installer {
    /// apt-get as root.
    Root,
    /// apt-get through a sudo that asks for no password.
    Sudo,
    /// Only the user can.
    Nobody,
}

/// Installs what is missing; says nothing when all is there.
pub(crate) fn run() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(Need::to_string).collect::<Vec<_>>().join("; ");
    eprintln!("setup: missing: {list}");
    if let Some((variable, value)) = missing.iter().find_map(|need| need.misnamed()) {
        bail!("{variable}={value} names something that cannot be used; correct it, or unset it and run this again");
    }
    let installer = installer();
    let commands = install_commands(installer, &missing);
    if installer == Installer::Nobody {
        bail!("{}", remedy(&missing));
    }
    for words in commands {
        let (program, arguments) = words.split_first().context("an empty install command")?;
        eprintln!("setup: {}", words.join(" "));
        run::check(Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    let still = self::missing();
    if let Some(need) = still.first() {
        bail!("the packages were installed and this is still missing: {need}");
    }
    eprintln!("setup: done");
    Ok(())
}

fn missing() -> Vec<Need> {
    let mut missing = Vec::new();
    if !cpp_compiler_works() {
        missing.push(Need::CppCompiler);
    }
    if !has_libclang(&libclang_directories()) {
        missing.push(Need::Libclang);
    }
    missing
}

/// Whether the compiler that the build will use takes C++20, headers included.
fn cpp_compiler_works() -> bool {
    const PROBE: &str = "#include <compare>\n#include <span>\n#include <string>\n\
                         #if __cplusplus < 202002L\n#error not C++20\n#endif\nint main() { return 0; }\n";
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let mut words = compiler.split_whitespace();
    let Some(program) = words.next() else { return false };
    let child = Command::new(program)
        .args(words)
        .args(["-std=c++20", "-fsyntax-only", "-x", "c++", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    // A compiler that closes its input early says by its exit code what it thinks of it.
    let written = child.stdin.take().is_none_or(|mut input| input.write_all(PROBE.as_bytes()).is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}

/// Where bindgen looks for libclang: the variable, then the places where distributions put it.
fn libclang_directories() -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os("LIBCLANG_PATH") {
        return vec![path.into()];
    }
    let mut directories = Vec::new();
    for base in ["/usr/local/lib", "/usr/lib", "/usr/lib64"] {
        directories.push(PathBuf::from(base));
        for entry in subdirectories(Path::new(base)) {
            directories.push(entry.join("lib"));
            directories.push(entry);
        }
    }
    directories
}

/// Whether one of `directories` holds a libclang, and a directory of clang's own headers stands where it looks for them.
fn has_libclang(directories: &[PathBuf]) -> bool {
    let libraries = directories.iter().filter_map(|directory| libclang_in(directory));
    libraries.into_iter().any(|library| {
        let real = library.canonicalize().unwrap_or_else(|_| library.clone());
        let near = [library.parent(), real.parent()].into_iter().flatten();
        let candidates = near.chain(directories.iter().map(PathBuf::as_path));
        candidates.into_iter().any(|directory| has_headers(&directory.join("clang")))
    })
}

/// A shared libclang in `directory`, if there is one. `libclang-cpp.so` is another library.
fn libclang_in(directory: &Path) -> Option<PathBuf> {
    let is_libclang = |name: &str| {
        let versioned =
            name.strip_prefix("libclang-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        (name.starts_with("libclang.so") || versioned) && name.contains(".so")
    };
    if directory.file_name().is_some_and(|name| name.to_str().is_some_and(is_libclang)) && directory.is_file() {
        return Some(directory.to_path_buf());
    }
    let entries = std::fs::read_dir(directory).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.is_file() && path.file_name().and_then(|name| name.to_str()).is_some_and(is_libclang))
}

/// Whether `<clang>/<version>/include/stddef.h` exists.
fn has_headers(clang: &Path) -> bool {
    subdirectories(clang).iter().any(|version| version.join("include/stddef.h").is_file())
}

fn subdirectories(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths
}

fn installer() -> Installer {
    let quiet = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if quiet("apt-get", &["--version"]).is_none() {
        Installer::Nobody
    } else if quiet("id", &["-u"]).as_deref() == Some("0") {
        Installer::Root
    } else if quiet("sudo", &["-n", "true"]).is_some() {
        Installer::Sudo
    } else {
        Installer::Nobody
    }
}

fn install_commands(installer: Installer, missing: &[Need]) -> Vec<Vec<&'static str>> {
    let install = ["apt-get", "install", "--yes", "--no-install-recommends"];
    let packages = missing.iter().map(|need| need.package());
    let commands = vec![vec!["apt-get", "update"], install.into_iter().chain(packages).collect()];
    match installer {
        Installer::Root => commands,
        Installer::Sudo | Installer::Nobody => {
            commands.into_iter().map(|words| [vec!["sudo"], words].concat()).collect()
        }
    }
}

fn remedy(missing: &[Need]) -> String {
    let commands = install_commands(Installer::Nobody, missing);
    let debian = commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join(" && ");
    format!(
        "this user cannot install packages; on Debian or Ubuntu run\n    {debian}\nelsewhere install what is named above"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A directory that goes when it is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ferry-xtask-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a scratch directory");
            Self(path)
        }

        fn file(&self, path: &str) -> PathBuf {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(&path, "").expect("a file");
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("the scratch directory goes");
        }
    }

    #[test]
    fn libclang_without_its_headers_is_not_enough() {
        let scratch = Scratch::new("headers");
        let directories = [scratch.0.join("llvm-14/lib")];
        assert!(!has_libclang(&directories), "nothing there");
        scratch.file("llvm-14/lib/libclang-14.so.1");
        assert!(!has_libclang(&directories), "a library alone");
        scratch.file("llvm-14/lib/clang/14.0.6/include/stddef.h");
        assert!(has_libclang(&directories));
    }

    #[test]
    fn the_cpp_interface_of_clang_is_not_libclang() {
        let scratch = Scratch::new("cpp");
        scratch.file("lib/libclang-cpp.so.14");
        scratch.file("lib/libclang.a");
        scratch.file("lib/clang/14/include/stddef.h");
        assert!(!has_libclang(&[scratch.0.join("lib")]));
        scratch.file("lib/libclang.so");
        assert!(has_libclang(&[scratch.0.join("lib")]));
    }

    #[test]
    fn one_who_cannot_install_is_told_the_command() {
        let text = remedy(&[Need::CppCompiler, Need::Libclang]);
        let command = "sudo apt-get update && sudo apt-get install --yes --no-install-recommends g++ libclang-dev";
        assert!(text.contains(command), "{text}");
    }

    #[test]
    fn root_installs_without_sudo() {
        let commands = install_commands(Installer::Root, &[Need::Libclang]);
        assert_eq!(commands[0], ["apt-get", "update"]);
        assert_eq!(commands[1], ["apt-get", "install", "--yes", "--no-install-recommends", "libclang-dev"]);
    }
}
