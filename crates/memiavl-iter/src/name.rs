//! Names of trees. A name is a directory's name in a snapshot, so one that leads elsewhere is refused.

use std::path::Path;

use crate::error::{Error, NameProblem};

/// The name in `bytes`, if a tree can have it; `path` is what names it, for the error.
///
/// # Errors
/// A name that is empty, not UTF-8, `.` or `..`, or has a `/` or a zero byte.
pub fn check_tree_name<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    let refuse = |problem| Error::TreeName { path: path.to_owned(), name: bytes.to_vec(), problem };
    let name = str::from_utf8(bytes).map_err(|_| refuse(NameProblem::NotUtf8))?;
    match name {
        "" => Err(refuse(NameProblem::Empty)),
        "." | ".." => Err(refuse(NameProblem::NotAFileName)),
        _ if name.contains(['/', '\0']) => Err(refuse(NameProblem::NotAFileName)),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_snapshot_are_refused() {
        let check = |name: &[u8], expected| match check_tree_name(Path::new("at"), name) {
            Err(Error::TreeName { path, name: got, problem }) => {
                assert_eq!((path.as_path(), got.as_slice(), problem), (Path::new("at"), name, expected));
            }
            other => panic!("{name:?}: {other:?}"),
        };
        check(b"", NameProblem::Empty);
        check(b"\xff", NameProblem::NotUtf8);
        for name in ["a/b", "/", ".", "..", "a\0"] {
            check(name.as_bytes(), NameProblem::NotAFileName);
        }
    }

    #[test]
    fn odd_but_harmless_names_are_names() {
        for name in ["evm", "...", "-tmp", "a b", "\u{e9}"] {
            assert_eq!(check_tree_name(Path::new("at"), name.as_bytes()).expect(name), name);
        }
    }
}
