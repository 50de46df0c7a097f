//! Which block carried the cursor past a key, as far as the journal reaches back.

use boundary::Boundary;
use changeset::JournalLine;
use migrate_core::{Metadata, Mode, Route};

use super::metadata_of;
use crate::error::Error;

/// Which block carried the cursor past a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Passing {
    /// None so far.
    NotYet,
    /// This one.
    Block(Box<JournalLine>),
    /// One of before the journal's first line.
    BeforeJournal {
        /// The height of that line.
        oldest: u64,
    },
}

/// Finds the line up to `height` whose block carried the cursor past `key`.
pub(super) fn find(
    view: Option<&flatkv::View>,
    module: &str,
    key: &[u8],
    height: u64,
    is_migrated: bool,
) -> Result<Passing, Error> {
    let Some(view) = view.filter(|_| is_migrated) else { return Ok(Passing::NotYet) };
    // An import's line says what it moved and not what it found: all that was left of its migrations.
    let imported = view.imported()?.map(|info| info.version.unsigned_abs());
    let mut before: Option<JournalLine> = None;
    let mut oldest = height;
    for line in view.journal_from(0) {
        let line = line?;
        if line.height > height {
            break;
        }
        if before.is_none() {
            oldest = line.height;
        }
        let had_passed = match &before {
            Some(before) => has_passed(&metadata_of(before)?, module, key),
            None if imported == Some(line.height) => false,
            None => has_passed(&found_by(&line)?, module, key),
        };
        if !had_passed && has_passed(&metadata_of(&line)?, module, key) {
            return Ok(Passing::Block(Box::new(line)));
        }
        before = Some(line);
    }
    Ok(Passing::BeforeJournal { oldest })
}

/// The records as the journal's first line's block found them. Where the line does not tell, it is taken to have found what
/// it left.
fn found_by(line: &JournalLine) -> Result<Metadata, Error> {
    let after = metadata_of(line)?;
    if line.left.is_empty() {
        return Ok(after);
    }
    let from = Some(&line.boundary_from).filter(|record| !record.is_empty());
    let from = from.map(|record| Boundary::decode(record)).transpose().map_err(migrate_core::Error::from)?;
    // A block that moves keys and leaves no boundary has raised the version.
    let ended = after.boundary.is_none() && (from.is_some() || line.keys > 0);
    let version = if ended { line.version.saturating_sub(1) } else { line.version };
    Ok(Metadata { version: Some(version).filter(|version| *version > 0), boundary: from })
}

/// Whether the records say that FlatKV alone has the key.
fn has_passed(metadata: &Metadata, module: &str, key: &[u8]) -> bool {
    let version = metadata.version.unwrap_or(0);
    let mode = match metadata.boundary {
        Some(_) => Mode::migrating_from(version),
        None => Mode::resting_at(version),
    };
    match mode.map(|mode| mode.route(module)) {
        None | Some(Route::Old) => false,
        Some(Route::New) => true,
        Some(Route::Moving) => metadata.boundary.as_ref().is_some_and(|boundary| boundary.is_migrated(module, key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(height: u64, version: u64, from: Option<Boundary>, to: Option<Boundary>) -> JournalLine {
        let record = |boundary: Option<Boundary>| boundary.map(|boundary| boundary.encode().into()).unwrap_or_default();
        JournalLine {
            height,
            version,
            boundary: record(to),
            boundary_from: record(from),
            keys: 3,
            left: vec![0; 32].into(),
            ..JournalLine::default()
        }
    }

    #[test]
    fn a_first_line_tells_what_its_block_found() {
        let at = |key: &str| Boundary::in_progress("evm", key);
        let check = |line: JournalLine, version: Option<u64>, boundary: Option<Boundary>| {
            assert_eq!(found_by(&line).expect("decodes"), Metadata { version, boundary });
        };
        check(line(7, 0, None, Some(at("b"))), None, None);
        check(line(7, 0, Some(at("a")), Some(at("b"))), None, Some(at("a")));
        check(line(7, 1, Some(at("b")), None), None, Some(at("b")));
        check(line(7, 2, None, None), Some(1), None);
        let older = JournalLine { left: Default::default(), ..line(7, 0, None, Some(at("b"))) };
        check(older, None, Some(at("b")));
    }

    #[test]
    fn a_module_passes_as_a_whole_or_key_by_key() {
        let passed = |version, boundary, module| {
            has_passed(&Metadata { version: Some(version).filter(|version| *version > 0), boundary }, module, b"m")
        };
        assert!(!passed(0, None, "evm"));
        assert!(!passed(0, Some(Boundary::in_progress("evm", "a")), "evm"));
        assert!(passed(0, Some(Boundary::in_progress("evm", "m")), "evm"));
        assert!(passed(1, None, "evm"));
        assert!(!passed(1, None, "bank"));
        assert!(passed(1, Some(Boundary::in_progress("gov", "a")), "acc"));
        assert!(passed(3, None, "bank"));
    }
}
