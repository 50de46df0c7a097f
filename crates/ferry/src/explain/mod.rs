//! Where a key lives, why, which block moved it, and what each store says: now, or after one of the last blocks.
//!
//! Nothing is written, and it works beside a running node. An earlier block is told from what the stores keep for a rollback:
//! memiavl from its log, FlatKV's row from the undo records, mode and boundary from the journal.

mod passing;

use std::path::Path;

use boundary::Boundary;
use bytes::Bytes;
use changeset::{JournalLine, OldStore, Read};
use flatkv::{AccountRow, CodeRow, Field, Lane, LocatedRow, MiscRow, StorageRow};
use migrate_core::{Heights, Metadata, Mode, ModeSetting, Route, derive_mode};

use crate::error::Error;
use crate::home::Home;
use crate::inspect::{found_flatkv, open_memiavl};
use crate::read::check_not_behind;

pub use passing::Passing;

/// Which store a reader's answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// memiavl.
    Memiavl,
    /// FlatKV.
    FlatKv,
}

/// A row's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFields {
    /// Of an account.
    Account {
        /// The balance, which no key of memiavl has.
        balance: [u8; 32],
        /// The nonce.
        nonce: u64,
        /// The code hash; all zero when there is none.
        code_hash: [u8; 32],
    },
    /// Of any other lane: one value.
    Value(Vec<u8>),
}

/// A row, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedRow {
    /// Its lane.
    pub lane: Lane,
    /// The height of the block that wrote it.
    pub height: u64,
    /// Its fields.
    pub fields: RowFields,
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// After which block.
    pub height: u64,
    /// The module.
    pub module: String,
    /// The key, as memiavl has it.
    pub key: Vec<u8>,
    /// The write mode.
    pub mode: Mode,
    /// The migration's version.
    pub version: u64,
    /// Where the module's keys go in that mode.
    pub route: Route,
    /// The cursor; none if no migration is in flight.
    pub boundary: Option<Boundary>,
    /// Whether the cursor has passed the key, or its module has moved altogether: then FlatKV alone is read.
    pub is_migrated: bool,
    /// The key's place in FlatKV, and the row there; none for a key that FlatKV cannot hold.
    pub place: Option<LocatedRow>,
    /// The row, decoded.
    pub row: Option<DecodedRow>,
    /// The key's value in FlatKV's row.
    pub flatkv: Option<Bytes>,
    /// The key's value in memiavl.
    pub memiavl: Option<Bytes>,
    /// The version of memiavl that was read; none where it is retired or there is none.
    pub memiavl_height: Option<u64>,
    /// What a reader finds.
    pub reader: Option<Bytes>,
    /// Where the reader finds it.
    pub reader_side: Option<Side>,
    /// Which block carried the cursor past the key.
    pub passing: Passing,
}

/// Explains `key` of `module` in the home at `root`, after block `height` or the last one.
///
/// # Errors
/// An unknown module, a height that the home cannot tell about, damage, I/O.
pub fn explain(
    root: &Path,
    modules: &[String],
    module: &str,
    key: &[u8],
    height: Option<u64>,
) -> Result<Explanation, Error> {
    let home = Home::locate(root);
    home.check_present()?;
    let flatkv = found_flatkv(&home)?.filter(|view| view.version().is_some());
    let standing = Standing::at(&home, flatkv.as_ref(), height)?;
    let memiavl = &standing.memiavl;
    let has_tree = memiavl.as_ref().is_some_and(|store| store.view().roots().any(|(name, _)| name == module));
    let is_known = modules.iter().any(|known| known == module);
    if !is_known && !has_tree {
        return Err(migrate_core::Error::UnknownModule { module: module.to_owned() }.into());
    }
    let new = flatkv.as_ref().filter(|_| standing.has_flatkv);
    let route = if is_known && new.is_some() { standing.mode.route(module) } else { Route::Old };
    let is_migrated = match route {
        Route::Old => false,
        Route::New => true,
        Route::Moving => standing.boundary.as_ref().is_some_and(|boundary| boundary.is_migrated(module, key)),
    };
    let place = new.map(|view| view.row_of(module, key, height)).transpose()?.flatten();
    let row = place.as_ref().map(decode_place).transpose()?.flatten();
    let flatkv_value = place.as_ref().zip(row.as_ref()).and_then(|(place, row)| row.field(place.field));
    let memiavl_value = match memiavl {
        Some(store) => store.get(module, key).map_err(|source| old_error("reading a key", source))?,
        None => None,
    };
    let in_memiavl = memiavl_value.clone().filter(|_| !is_migrated);
    let reader_side = match (&in_memiavl, &flatkv_value) {
        (Some(_), _) => Some(Side::Memiavl),
        (None, Some(_)) => Some(Side::FlatKv),
        (None, None) => None,
    };
    Ok(Explanation {
        height: standing.height,
        module: module.to_owned(),
        key: key.to_vec(),
        mode: standing.mode,
        version: standing.version,
        route,
        boundary: standing.boundary.clone(),
        is_migrated,
        row,
        reader: in_memiavl.or_else(|| flatkv_value.clone()),
        reader_side,
        flatkv: flatkv_value,
        memiavl: memiavl_value,
        memiavl_height: memiavl.as_ref().map(OldStore::version),
        passing: passing::find(new, module, key, standing.height, is_migrated)?,
        place,
    })
}

/// The stores and the migration's records after one block.
struct Standing {
    height: u64,
    mode: Mode,
    version: u64,
    boundary: Option<Boundary>,
    memiavl: Option<memiavl::MemIavl>,
    has_flatkv: bool,
}

impl Standing {
    fn at(home: &Home, flatkv: Option<&flatkv::View>, height: Option<u64>) -> Result<Self, Error> {
        let span = flatkv.and_then(|view| view.first_version().zip(view.version()));
        let is_earlier = height.is_some_and(|height| span.is_none_or(|(_, last)| height != last));
        let has_flatkv = span.is_some_and(|(first, _)| height.is_none_or(|height| height >= first));
        let (metadata, expected) = match flatkv.filter(|_| has_flatkv) {
            Some(view) if is_earlier => {
                let line = kept_line(view, height.unwrap_or_default())?;
                (metadata_of(&line)?, view.last_handoff().map(|last| last.min(line.height)))
            }
            Some(view) => (Metadata::read(view)?, view.last_handoff()),
            None => (Metadata::default(), height),
        };
        let is_retired = flatkv.map(flatkv::View::retired).transpose()?.flatten().is_some();
        let has_memiavl = home.memiavl().exists() && !is_retired;
        let memiavl = has_memiavl.then(|| open_memiavl(home, expected)).transpose()?;
        if has_flatkv {
            check_not_behind(memiavl.as_ref(), expected)?;
        }
        let old = memiavl.as_ref().map_or(0, OldStore::version);
        let last = span.map(|(_, last)| last).filter(|_| has_flatkv);
        let asked = height.or(last).unwrap_or(old);
        if !has_flatkv && asked != old {
            return Err(Error::HeightGone { height: asked, oldest: old, newest: span.map_or(old, |(_, last)| last) });
        }
        let mode = derive_mode(ModeSetting::Auto, &metadata, Heights { old, new: last })?;
        let version = metadata.version.unwrap_or(0);
        Ok(Self { height: asked, mode, version, boundary: metadata.boundary, memiavl, has_flatkv })
    }
}

/// The journal's line of a block that undo records still lead back to.
fn kept_line(view: &flatkv::View, height: u64) -> Result<JournalLine, Error> {
    let kept = view.kept_heights().map_err(|source| new_error("reading undo records", source))?;
    let (oldest, newest) = kept.unwrap_or_default();
    let gone = Error::HeightGone { height, oldest, newest };
    if !(oldest..=newest).contains(&height) {
        return Err(gone);
    }
    view.journal(height)?.ok_or(gone)
}

/// The migration's records after a line's block.
pub(super) fn metadata_of(line: &JournalLine) -> Result<Metadata, Error> {
    let boundary = Some(&line.boundary).filter(|record| !record.is_empty());
    let boundary = boundary.map(|record| Boundary::decode(record)).transpose().map_err(migrate_core::Error::from)?;
    Ok(Metadata { version: Some(line.version).filter(|version| *version > 0), boundary })
}

fn decode_place(place: &LocatedRow) -> Result<Option<DecodedRow>, Error> {
    place.row.as_deref().map(|row| decode_row(place.lane(), row)).transpose()
}

/// Decodes a row of `lane`.
///
/// # Errors
/// Bytes that are no row of the lane.
pub fn decode_row(lane: Lane, row: &[u8]) -> Result<DecodedRow, Error> {
    let refused = |source| Error::Row { source };
    let (height, fields) = match lane {
        Lane::Account => {
            let AccountRow { height, balance, nonce, code_hash } = AccountRow::decode(row).map_err(refused)?;
            (height, RowFields::Account { balance, nonce, code_hash })
        }
        Lane::Code => {
            CodeRow::decode(row).map(|row| (row.height, RowFields::Value(row.code.to_vec()))).map_err(refused)?
        }
        Lane::Storage => {
            StorageRow::decode(row).map(|row| (row.height, RowFields::Value(row.value.to_vec()))).map_err(refused)?
        }
        Lane::Misc => {
            MiscRow::decode(row).map(|row| (row.height, RowFields::Value(row.value.to_vec()))).map_err(refused)?
        }
    };
    Ok(DecodedRow { lane, height, fields })
}

impl DecodedRow {
    /// What a read of `field` finds in it.
    pub fn field(&self, field: Field) -> Option<Bytes> {
        match (&self.fields, field) {
            (RowFields::Account { nonce, .. }, Field::Nonce) => Some(Bytes::copy_from_slice(&nonce.to_be_bytes())),
            (RowFields::Account { code_hash, .. }, Field::CodeHash) => {
                (*code_hash != [0; 32]).then(|| Bytes::copy_from_slice(code_hash))
            }
            (RowFields::Value(value), _) => Some(Bytes::copy_from_slice(value)),
            (RowFields::Account { .. }, _) => None,
        }
    }
}

fn old_error(action: &'static str, source: changeset::StoreError) -> Error {
    migrate_core::Error::Old { action, source }.into()
}

fn new_error(action: &'static str, source: changeset::StoreError) -> Error {
    migrate_core::Error::New { action, source }.into()
}
