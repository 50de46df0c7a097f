//! The end of a load: tables into the store, and the block's records in one batch.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use changeset::{AppHash, CommitInfo, Hash, JournalLine, LATTICE_STORE, NamedChangeSet};
use prost::Message;
use rocksdb::{IngestExternalFileOptions, WriteBatch};

use crate::block::Block;
use crate::bulk::load::{BulkLoad, io_error};
use crate::bulk::run::Loaded;
use crate::commit::put_rows;
use crate::error::Result;
use crate::lane::PerLane;
use crate::meta::{self, StoredBlock};
use crate::options::{self, Durability, Family};
use crate::source::Source;
use crate::store::FlatKv;
use crate::verify::VerifyProgress;
use crate::view::View;

/// What a load leaves beside its rows.
pub struct BulkBlock<'a> {
    /// The commit info of the block, as it was recorded.
    pub commit_info: CommitInfo,
    /// The app hash over it.
    pub app_hash: AppHash,
    /// The roots of the other stores as the load leaves them.
    pub standing: Vec<(String, Hash)>,
    /// Changes that belong to the load and were in no run.
    pub changes: &'a [NamedChangeSet],
    /// The journal's line; its root is filled in.
    pub journal: JournalLine,
    /// Whether nothing needs the old store any more. Otherwise it stands at this block.
    pub retires_old: bool,
}

impl BulkLoad {
    /// Ingests what the runs left and writes the block's records. The store then begins with this block: what led to earlier
    /// ones is dropped. Returns its root; all of it is on disk, but for names in directories.
    ///
    /// # Errors
    /// Rows in two runs, changes that are refused, I/O.
    pub fn finish(mut self, loaded: Vec<Loaded>, block: &BulkBlock<'_>) -> Result<Hash> {
        let mut tables = PerLane::<Vec<PathBuf>>::default();
        for loaded in loaded.iter().flat_map(|run| &run.lanes) {
            tables[loaded.part.0].extend_from_slice(&loaded.tables);
        }
        self.ingest(&tables)?;
        let Self { store, height, .. } = &mut self;
        let deltas = loaded.iter().flat_map(|run| &run.lanes).map(|lane| (&lane.part, lane.delta.clone()));
        store.block.add(deltas)?;
        store.block.apply(&store.database, block.changes, &[], None, *height, 1)?;
        self.write_records(block)
    }

    /// Ingests the tables of a restore into a store that has nothing yet; adds up what is in it then, and writes the block's
    /// records. Returns its root; none if `progress` broke.
    ///
    /// # Errors
    /// Rows that are damaged, I/O.
    pub(super) fn finish_restored(
        mut self,
        tables: &PerLane<Vec<PathBuf>>,
        block: &BulkBlock<'_>,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Option<Hash>> {
        self.ingest(tables)?;
        let ingested = View::load(Source::snapshot(self.store.database.clone()), 0)?;
        let Some(lattices) = ingested.add_up(progress)? else { return Ok(None) };
        self.store.block = Block::new(lattices);
        self.write_records(block).map(Some)
    }

    fn write_records(&self, block: &BulkBlock<'_>) -> Result<Hash> {
        let Self { store, height, .. } = self;
        let root = store.block.lattices().root();
        let batch = records(store, *height, root, block);
        let write = options::write(Durability::Sync);
        store.database.db.write_opt(batch, &write).map_err(|error| store.database.error("finish load", error))?;
        Ok(root)
    }

    /// Takes the tables of a lane in at once: RocksDB then compares them with each other too.
    fn ingest(&self, tables: &PerLane<Vec<PathBuf>>) -> Result<()> {
        let database = &self.store.database;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        for (lane, tables) in tables.iter().filter(|(_, tables)| !tables.is_empty()) {
            let family = database.family(Family::Rows(lane));
            let ingested = database.db.ingest_external_file_cf_opts(family, &options, tables.iter().collect());
            ingested.map_err(|error| database.error("ingest tables", error))?;
        }
        fs::remove_dir(&self.staging).map_err(|source| io_error("remove directory", &self.staging, source))
    }
}

fn records(store: &FlatKv, height: u64, root: Hash, block: &BulkBlock<'_>) -> WriteBatch {
    let mut batch = WriteBatch::default();
    put_rows(&mut batch, store);
    let (database, key) = (&store.database, height.to_be_bytes());
    let (none, all) = (0_u64.to_be_bytes(), u64::MAX.to_be_bytes());
    for family in [Family::Undo, Family::Handoff, Family::Journal] {
        batch.delete_range_cf(database.family(family), none, all);
    }
    let family = database.family(Family::Meta);
    batch.delete_range_cf(family, meta::block_key(0), meta::block_key(height));
    for (part, entry, _) in store.block.lattices().changed(store.view.lattices()) {
        batch.put_cf(family, meta::lattice_key(part), entry.encode());
    }
    for (name, value) in [(meta::FIRST, key), (meta::VERSION, key), (meta::CHANGELOG_SYNCED, key)] {
        batch.put_cf(family, name, value);
    }
    if block.retires_old {
        batch.put_cf(family, meta::RETIRED, key);
    }
    let stored = StoredBlock {
        app_hash: block.app_hash,
        root,
        last_handoff: Some(height),
        commit_info: block.commit_info.clone(),
    };
    batch.put_cf(family, meta::block_key(height), stored.encode());
    let standing = block.standing.iter().map(|(name, hash)| (name.as_str(), *hash));
    let imported = CommitInfo::new(height, standing.chain([(LATTICE_STORE, root)]));
    batch.put_cf(family, meta::IMPORTED, imported.encode_to_vec());
    let journal = JournalLine { root: root.to_vec().into(), ..block.journal.clone() };
    batch.put_cf(database.family(Family::Journal), key, journal.encode_to_vec());
    batch
}
