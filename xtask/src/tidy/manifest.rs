//! The parts of a `Cargo.toml` that the rules judge: dependencies with their features, and features.

use super::repository::File;

/// The table that a dependency stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// `[dependencies]` and `[build-dependencies]`: what ships needs it.
    Shipped,
    /// `[dev-dependencies]`: tests, examples and benches need it.
    Development,
    /// `[workspace.dependencies]`: nobody's yet.
    Workspace,
}

/// A dependency.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's own name, whatever the manifest calls it.
    pub(crate) package: String,
    pub(crate) table: Table,
    pub(crate) features: Vec<String>,
    pub(crate) line: usize,
}

/// `key = value` in its section.
struct Entry {
    section: String,
    key: String,
    value: String,
    line: usize,
}

/// All dependencies of a manifest.
pub(crate) fn dependencies(file: &File) -> Vec<Dependency> {
    let mut found: Vec<(String, Dependency)> = Vec::new();
    for entry in entries(file) {
        let Some((table, name, detail)) = place(&entry) else { continue };
        let id = format!("{}/{name}", entry.section);
        let known = found.iter().position(|(known, _)| *known == id);
        let at = known.unwrap_or(found.len());
        if known.is_none() {
            let dependency = Dependency { package: name.clone(), table, features: Vec::new(), line: entry.line };
            found.push((id, dependency));
        }
        let dependency = &mut found[at].1;
        let inline = |key: &str| entry.value.find(&format!("{key} =")).map(|index| &entry.value[index..]);
        if let Some(value) = if detail == "package" { Some(entry.value.as_str()) } else { inline("package") } {
            dependency.package = strings(value).into_iter().next().unwrap_or_else(|| name.clone());
        }
        if let Some(value) = if detail == "features" { Some(entry.value.as_str()) } else { inline("features") } {
            let list = value.split_once(']').map_or(value, |(list, _)| list);
            dependency.features.extend(strings(list));
        }
    }
    found.into_iter().map(|(_, dependency)| dependency).collect()
}

/// The `[features]` of a manifest: name, what it turns on, line.
pub(crate) fn features(file: &File) -> Vec<(String, Vec<String>, usize)> {
    let entries = entries(file).into_iter().filter(|entry| entry.section == "features");
    entries.map(|entry| (entry.key, strings(&entry.value), entry.line)).collect()
}

/// Whether the package takes the workspace's lints.
pub(crate) fn has_workspace_lints(file: &File) -> bool {
    entries(file).iter().any(|entry| entry.section == "lints" && entry.key == "workspace" && entry.value == "true")
}

/// The table, the dependency's name in the manifest, and which detail of it an entry gives.
fn place(entry: &Entry) -> Option<(Table, String, String)> {
    const TABLES: &[(&str, Table)] = &[
        ("dev-dependencies", Table::Development),
        ("build-dependencies", Table::Shipped),
        ("workspace.dependencies", Table::Workspace),
        ("dependencies", Table::Shipped),
    ];
    for (name, table) in TABLES {
        // `[dependencies]`, `[target.'cfg(unix)'.dependencies]`
        if entry.section == *name || entry.section.ends_with(&format!(".{name}")) {
            let (name, detail) = entry.key.split_once('.').unwrap_or((&entry.key, ""));
            return Some((*table, name.to_owned(), detail.to_owned()));
        }
        // `[dependencies.x]`
        let prefix = format!("{name}.");
        let tail = entry.section.find(&prefix).filter(|at| *at == 0 || entry.section.as_bytes()[at - 1] == b'.');
        if let Some(at) = tail {
            return Some((*table, entry.section[at + prefix.len()..].to_owned(), entry.key.clone()));
        }
    }
    None
}

/// All entries; a value that spans lines is joined.
fn entries(file: &File) -> Vec<Entry> {
    let (mut entries, mut section) = (Vec::<Entry>::new(), String::new());
    let mut open = false;
    for (number, line) in file.lines() {
        let line = line.split('#').next().unwrap_or(line).trim();
        if open {
            if let Some(entry) = entries.last_mut() {
                entry.value.push_str(line);
                open = is_open(&entry.value);
            }
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']).trim().to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim().to_owned();
            open = is_open(&value);
            let key = key.trim().trim_matches('"').to_owned();
            entries.push(Entry { section: section.clone(), key, value, line: number });
        }
    }
    entries
}

fn is_open(value: &str) -> bool {
    let count = |wanted: char| value.chars().filter(|c| *c == wanted).count();
    count('[') > count(']') || count('{') > count('}')
}

/// The strings in double quotes.
fn strings(value: &str) -> Vec<String> {
    value.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Table, Vec<String>, usize)> {
        let file = File { path: "Cargo.toml".to_owned(), text: text.to_owned() };
        dependencies(&file).into_iter().map(|d| (d.package, d.table, d.features, d.line)).collect()
    }

    #[test]
    fn every_way_to_write_a_dependency_is_read() {
        let text = "[dependencies]\na.workspace = true\nb = \"1\" # why\nc = { version = \"1\", features = [\n  \"x\",\n  \"y\",\n] }\n\
                    [dev-dependencies]\nd = { path = \"../d\" }\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n\
                    [dependencies.f]\nversion = \"1\"\nfeatures = [\"z\"]\n[build-dependencies]\ng = \"1\"\n";
        let found = read(text);
        let names: Vec<_> = found.iter().map(|(name, table, ..)| (name.as_str(), *table)).collect();
        let (shipped, development) = (Table::Shipped, Table::Development);
        let expected = [
            ("a", shipped),
            ("b", shipped),
            ("c", shipped),
            ("d", development),
            ("e", shipped),
            ("f", shipped),
            ("g", shipped),
        ];
        assert_eq!(names, expected);
        assert_eq!(found[2].2, ["x", "y"]);
        assert_eq!(found[5].2, ["z"]);
        assert_eq!(found[1].3, 3, "line of b");
    }

    #[test]
    fn a_renamed_package_keeps_its_own_name() {
        assert_eq!(read("[dependencies]\nstore = { package = \"memiavl\", path = \"../memiavl\" }\n")[0].0, "memiavl");
        assert_eq!(read("[dependencies.store]\npath = \"../memiavl\"\npackage = \"memiavl\"\n")[0].0, "memiavl");
    }

    #[test]
    fn a_detail_on_a_line_of_its_own_belongs_to_its_dependency() {
        let found = read("[dependencies]\na.workspace = true\na.features = [\"x\"]\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].2, ["x"]);
    }
}
