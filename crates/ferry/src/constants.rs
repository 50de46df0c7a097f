//! The constants of every format that a node reads and writes, in one list. Each stands in the file that owns its format; a
//! change of one is a question of compatibility.

use std::fmt::Display;

use boundary::{BOUNDARY_KEY, HEADER_SIZE, MIGRATION_STORE, VERSION_KEY};
use changeset::{ENTRY_SUM_BYTES, LATTICE_STORE};
use flatkv::{CODE_HASH_PREFIX, EVM, FORMAT as FLATKV_FORMAT, Field, Lane, NONCE_PREFIX};
use lthash::{LIMBS, STATE_BYTES};
use memiavl::SEGMENT_BYTES;
use memiavl_iter::{
    EMPTY_ROOT, FILE_KVS, FILE_LEAVES, FILE_METADATA, FILE_NODES, FORMAT, MAGIC, METADATA_BYTES, RECORD_BYTES,
    SNAPSHOT_METADATA, TMP_SUFFIX, snapshot_name,
};
use migrate_core::{DEFAULT_MODULES, LAST_VERSION};

use crate::error::Hex;

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The format that it is of.
    pub format: &'static str,
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// Every constant, format by format.
pub fn constants() -> Vec<Constant> {
    let constant = |format, name, value: &dyn Display| Constant { format, name, value: value.to_string() };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = vec![
        constant("boundary record", "store", &MIGRATION_STORE),
        constant("boundary record", "boundary's key", &text(BOUNDARY_KEY)),
        constant("boundary record", "version's key", &text(VERSION_KEY)),
        constant("boundary record", "header bytes", &HEADER_SIZE),
        constant("migration", "last version", &LAST_VERSION),
        constant("migration", "modules", &DEFAULT_MODULES.join(" ")),
        constant("commit info", "FlatKV's store", &LATTICE_STORE),
        constant("memiavl snapshot", "magic", &MAGIC),
        constant("memiavl snapshot", "format", &FORMAT),
        constant("memiavl snapshot", "metadata bytes", &METADATA_BYTES),
        constant("memiavl snapshot", "bytes of a leaf or branch", &RECORD_BYTES),
        constant("memiavl snapshot", "files of a tree", &[FILE_METADATA, FILE_NODES, FILE_LEAVES, FILE_KVS].join(" ")),
        constant("memiavl snapshot", "file of all trees", &SNAPSHOT_METADATA),
        constant("memiavl snapshot", "directory of version 7", &snapshot_name(7)),
        constant("memiavl snapshot", "suffix of what is being written", &TMP_SUFFIX),
        constant("memiavl tree", "root of no leaves", &Hex(&EMPTY_ROOT)),
        constant("memiavl changelog", "bytes at which a segment ends", &SEGMENT_BYTES),
        constant("FlatKV", "format", &FLATKV_FORMAT),
        constant("FlatKV", "module with lanes of its own", &EVM),
        constant("FlatKV", "first byte of a nonce's key", &format!("{NONCE_PREFIX:02x}")),
        constant("FlatKV", "first byte of a code hash's key", &format!("{CODE_HASH_PREFIX:02x}")),
    ];
    for lane in Lane::ALL {
        all.push(Constant { format: "FlatKV lane", name: lane.name(), value: lane.number().to_string() });
    }
    for field in [Field::Storage, Field::Code, Field::Nonce, Field::CodeHash, Field::Misc] {
        let (name, key) = match field {
            Field::Storage => ("slot: physical key of 03 00…00", [&[3_u8][..], &[0; 52]].concat()),
            Field::Code => ("code: physical key of 07 00…00", [&[7_u8][..], &[0; 20]].concat()),
            Field::Nonce => ("nonce: physical key of 0a 00…00", [&[NONCE_PREFIX][..], &[0; 20]].concat()),
            Field::CodeHash => ("code hash: physical key of 08 00…00", [&[CODE_HASH_PREFIX][..], &[0; 20]].concat()),
            Field::Misc => ("misc: physical key of 08", vec![CODE_HASH_PREFIX]),
        };
        let mut physical = Vec::new();
        // What has no place shows as nothing, and the snapshot of this list would not be met.
        let found = flatkv::locate(EVM, &key, &mut physical);
        let value = found.map_or_else(|_| String::new(), |field| format!("{} {}", field.lane(), Hex(&physical)));
        all.push(Constant { format: "FlatKV key", name, value });
    }
    all.extend([
        constant("lattice hash", "limbs", &LIMBS),
        constant("lattice hash", "bytes of a state", &STATE_BYTES),
        constant("journal", "bytes of a conservation sum", &ENTRY_SUM_BYTES),
    ]);
    all
}
