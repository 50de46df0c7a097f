//! A file is one stage of life of one thing, and a function fits a screen.

use super::Finding;
use super::repository::{File, Repository};
use super::source::Code;

/// Lines of a file, its tests apart. Most files are 100 to 300.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// What may be longer: path, function (empty for the file), reason. One that is not needed any more is a finding.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    check_with(repository, EXCEPTIONS)
}

fn check_with(repository: &Repository, exceptions: &[(&str, &str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = vec![false; exceptions.len()];
    for file in repository.rust() {
        let code = Code::new(&file.text);
        let mut too_long = Vec::new();
        let lines = lines_of_code(file, &code);
        if lines > FILE_LINES_MAX {
            too_long.push((
                "",
                1,
                format!("the file has {lines} lines without its tests: expected at most {FILE_LINES_MAX}"),
            ));
        }
        for function in code.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
            let message =
                format!("fn {} has {} lines: expected at most {FUNCTION_LINES_MAX}", function.name, function.lines);
            too_long.push((function.name, function.line, message));
        }
        for (name, line, message) in too_long {
            match exceptions.iter().position(|(path, function, _)| *path == file.path && *function == name) {
                Some(index) => used[index] = true,
                None => findings.push(Finding::new(&file.path, line, message)),
            }
        }
    }
    for ((path, function, reason), used) in exceptions.iter().zip(used) {
        if !used || reason.is_empty() {
            let message = format!("an exception from the sizes is not needed, or has no reason: {function}");
            findings.push(Finding::new(path, 1, message));
        }
    }
    findings
}

fn lines_of_code(file: &File, code: &Code) -> usize {
    let is_test = file.name() == "tests.rs" || file.path.split('/').any(|part| part == "tests");
    if is_test {
        return 0;
    }
    let tests: usize = code.test_modules().into_iter().map(|range| range.len()).sum();
    file.text.lines().count() - tests
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/x/src/a.rs";

    fn file_of(lines: usize) -> String {
        format!("//! A file.\n{}", "const A: u8 = 1;\n".repeat(lines - 1))
    }

    fn function_of(lines: usize) -> String {
        format!("//! A file.\nfn long() {{\n{}}}\n", "    f(\"}\");\n".repeat(lines - 2))
    }

    #[test]
    fn a_file_one_line_too_long_is_found_and_its_tests_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// \n".repeat(1000));
        assert_eq!(check(&Repository::of(&[(PATH, &(file_of(FILE_LINES_MAX) + &tests))])), []);
        assert_eq!(check(&Repository::of(&[(PATH, &file_of(FILE_LINES_MAX + 1))])).len(), 1);
        assert_eq!(check(&Repository::of(&[("crates/x/tests/a.rs", &file_of(900))])), []);
        assert_eq!(check(&Repository::of(&[("crates/x/src/a/tests.rs", &file_of(900))])), []);
    }

    #[test]
    fn a_function_one_line_too_long_is_found() {
        assert_eq!(check(&Repository::of(&[(PATH, &function_of(FUNCTION_LINES_MAX))])), []);
        let findings = check(&Repository::of(&[(PATH, &function_of(FUNCTION_LINES_MAX + 1))]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }

    #[test]
    fn an_exception_counts_only_while_it_is_needed_and_has_a_reason() {
        let long = Repository::of(&[(PATH, &function_of(FUNCTION_LINES_MAX + 1))]);
        let short = Repository::of(&[(PATH, &function_of(10))]);
        assert_eq!(check_with(&long, &[(PATH, "long", "a table")]), []);
        assert_eq!(check_with(&long, &[(PATH, "long", "")]).len(), 1);
        assert_eq!(check_with(&short, &[(PATH, "long", "a table")]).len(), 1);
    }
}
