//! Habits that a lint does not know, or that a lint lets pass with an attribute.

use super::Finding;
use super::repository::{File, Repository};
use super::source::Code;

/// Packages whose code may use anyhow: programs.
const PROGRAMS: &[&str] = &["crates/ferry-cli", "xtask", "benches", "examples"];
/// Calls whose error nobody may drop.
const DURABLE: &[&str] = &[".write(", ".write_all(", "fs::write(", "sync", "rename(", ".flush("];
/// Marks of unfinished work. Written in two parts, so that this file passes.
const UNFINISHED: &[(&str, &str)] = &[("TO", "DO"), ("FIX", "ME"), ("X", "XX")];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in repository.rust() {
        let code = Code::new(&file.text);
        for found in [anyhow(file, &code), allow(&code), dropped(&code), bare_matches(&code), test_prefix(&code)] {
            findings.extend(found.into_iter().map(|(line, message)| Finding::new(&file.path, line, message)));
        }
    }
    for file in &repository.files {
        if file.is_rust() || file.path.ends_with(".toml") || file.path.starts_with(".ci/") {
            findings.extend(unfinished(file));
        }
    }
    findings
}

/// A line and what is wrong with it.
type Found = Vec<(usize, &'static str)>;

fn anyhow(file: &File, code: &Code) -> Found {
    if file.crate_directory().is_some_and(|directory| PROGRAMS.contains(&directory)) {
        return Vec::new();
    }
    code.words("anyhow").map(|at| (code.line(at), "anyhow outside a program: a library has typed errors")).collect()
}

/// `#[allow]`, also inside `cfg_attr`.
fn allow(code: &Code) -> Found {
    let is_attribute = |at: &usize| {
        let line_start = code.text()[..*at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = &code.text()[line_start..*at];
        before.ends_with('[') || before.contains("cfg_attr(")
    };
    let allows = code.words("allow").filter(|at| code.text()[at + "allow".len()..].starts_with('('));
    allows.filter(is_attribute).map(|at| (code.line(at), "`allow`: write `expect` with a reason")).collect()
}

/// `let _ =` and `.ok();` on something that must not fail in silence.
fn dropped(code: &Code) -> Found {
    const MESSAGE: &str = "the error of a write, a sync or a rename is dropped";
    let text = code.text();
    let lets = text.match_indices("let _ =").map(|(at, _)| {
        let end = text[at..].find(';').map_or(text.len(), |length| at + length);
        (at, &text[at..end])
    });
    let oks = text.match_indices(".ok();").map(|(at, _)| {
        let start = text[..at].rfind([';', '{', '}']).map_or(0, |index| index + 1);
        (at, &text[start..at])
    });
    let oks = oks.filter(|(_, statement)| !statement.contains('=') && !statement.contains("return"));
    lets.chain(oks)
        .filter(|(_, statement)| DURABLE.iter().any(|call| statement.contains(call)))
        .map(|(at, _)| (code.line(at), MESSAGE))
        .collect()
}

/// `matches!(…);` as a statement checks nothing.
fn bare_matches(code: &Code) -> Found {
    let text = code.text();
    let is_bare = |at: &usize| {
        let opens = at + "matches!".len();
        let Some(end) = code.closing(opens) else { return false };
        let ends_statement = text[end + 1..].trim_start().starts_with(';');
        let begins_statement = text[..*at].trim_end().ends_with([';', '{', '}']);
        ends_statement && begins_statement
    };
    let offsets = text.match_indices("matches!(").map(|(at, _)| at);
    offsets.filter(is_bare).map(|at| (code.line(at), "a bare `matches!` checks nothing: assert it")).collect()
}

fn test_prefix(code: &Code) -> Found {
    let is_test = |offset: usize| {
        let before = &code.text()[..offset];
        before[before.rfind([';', '{', '}']).map_or(0, |index| index + 1)..].contains("#[test]")
    };
    let functions = code.functions().into_iter();
    let functions = functions.filter(|function| function.name.starts_with("test_") && is_test(function.offset));
    functions.map(|function| (function.line, "a test is named for the behaviour, without `test_`")).collect()
}

fn unfinished(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for mark in UNFINISHED.iter().map(|(first, second)| format!("{first}{second}")) {
            let has_no_place = |(at, _): (usize, &str)| {
                let is_name = |c: char| c.is_alphanumeric() || c == '_';
                let after = &line[at + mark.len()..];
                let alone = !line[..at].ends_with(is_name) && !after.starts_with(is_name);
                alone && !has_place(after)
            };
            if line.match_indices(&mark).any(has_no_place) {
                findings.push(Finding::new(&file.path, number, format!("{mark} without a place to go: {mark}(#12)")));
            }
        }
    }
    findings
}

/// Whether the mark is followed by the number of an issue: `(#12)`.
fn has_place(after: &str) -> bool {
    let number = after.strip_prefix("(#").and_then(|rest| rest.split_once(')')).map(|(number, _)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No line at all.
    const NONE: [usize; 0] = [];

    /// The lines of findings in a library's file.
    fn lines(source: &str) -> Vec<usize> {
        check(&Repository::of(&[("crates/x/src/a.rs", source)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn anyhow_in_a_library_is_found() {
        let source = "//! No anyhow in comments.\nuse anyhow::Result;\n";
        assert_eq!(lines(source), [2]);
        assert_eq!(check(&Repository::of(&[("crates/ferry-cli/src/a.rs", source)])), []);
    }

    #[test]
    fn an_allowed_lint_is_found() {
        assert_eq!(lines("#[allow(dead_code)]\nfn f() {}\n#![allow(x)]\n"), [1, 3]);
        assert_eq!(lines("#[cfg_attr(test, allow(dead_code))]\nfn f() {}\n"), [1]);
        assert_eq!(lines("#[expect(dead_code, reason = \"why\")]\nfn f() { allow(1) }\n"), NONE);
    }

    #[test]
    fn a_dropped_error_of_a_write_is_found() {
        assert_eq!(lines("fn f() {\n    let _ = file.sync_all();\n}\n"), [2]);
        assert_eq!(lines("fn f() {\n    let _ = fs::rename(a,\n        b);\n}\n"), [2]);
        assert_eq!(lines("fn f() {\n    file.write_all(b).ok();\n}\n"), [2]);
        assert_eq!(lines("fn f() {\n    let _ = sender.send(1);\n    let x = file.sync_all().ok();\n}\n"), NONE);
    }

    #[test]
    fn a_bare_matches_is_found() {
        assert_eq!(lines("fn f() {\n    matches!(x, Some(_));\n}\n"), [2]);
        assert_eq!(
            lines("fn f() {\n    assert!(matches!(x, Some(_)));\n    let y = matches!(x, 1);\n    matches!(x, 2)\n}\n"),
            NONE
        );
    }

    #[test]
    fn a_test_prefix_is_found() {
        assert_eq!(lines("#[test]\nfn test_it() {}\nfn test_words() {}\n#[test]\nfn tested() {}\n"), [2]);
    }

    #[test]
    fn unfinished_work_without_a_place_is_found() {
        for (first, second) in UNFINISHED {
            let mark = format!("{first}{second}");
            assert_eq!(lines(&format!("// {mark}: later\n// {mark}(#): x\n// {mark}(me)\n")), [1, 2, 3], "{mark}");
            assert_eq!(lines(&format!("// {mark}(#12): later\n// A{mark}\n")), NONE, "{mark}");
        }
    }
}
