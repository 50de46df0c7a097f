//! What a home must come to: the last block, and the roots and the app hash that it left.
//!
//! ```text
//! the block's record   its commit info, whose app hash is the one beside it: damage cannot make these two fit
//! the journal's line   the app hash alone, where that record is damaged
//! the log's last seal  the app hash alone, before FlatKV exists
//! ```

use changeset::{AppHash, CommitInfo, Hash, History, LATTICE_STORE, StoreErrorKind, app_hash, open_entry};
use memiavl::{Log, LogOptions};

use crate::error::Error;
use crate::home::Home;

/// The last block, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) height: u64,
    pub(crate) app_hash: AppHash,
    /// The block's commit info; none where its record is damaged.
    pub(crate) info: Option<CommitInfo>,
    /// Where memiavl must stand; none where it never was or nothing needs it any more.
    pub(crate) memiavl: Option<u64>,
    /// What vouches for it.
    pub(crate) vouched_by: &'static str,
}

/// A home's stores as far as they can be read, to ask for what they record.
pub(crate) struct Records<'r> {
    pub(crate) home: &'r Home,
    pub(crate) flatkv: Option<&'r flatkv::View>,
    /// memiavl's changelog up to where it reads.
    pub(crate) log: Option<Log>,
}

impl<'r> Records<'r> {
    pub(crate) fn new(home: &'r Home, flatkv: Option<&'r flatkv::View>) -> Result<Self, Error> {
        let dir = home.memiavl().join("changelog");
        let read = |options| Log::read(&dir, options).map_err(memiavl::Error::from);
        let log = match dir.is_dir().then(|| read(LogOptions::default())) {
            None => None,
            // What lies in front of the damage still counts; what lies behind it must come from elsewhere.
            Some(Err(error)) if error.kind() == StoreErrorKind::Corruption => read(LogOptions::synced(0)).ok(),
            Some(log) => Some(log?),
        };
        Ok(Self { home, flatkv: flatkv.filter(|view| view.version().is_some()), log })
    }

    /// The last block; none where nothing vouches for it.
    pub(crate) fn anchor(&self) -> Result<Option<Anchor>, Error> {
        let Some((flatkv, height)) = self.flatkv.and_then(|flatkv| Some((flatkv, flatkv.version()?))) else {
            return self.anchor_of_log();
        };
        let retired = readable(flatkv.retired().map_err(Into::into))?.flatten().is_some();
        let memiavl = |last: Option<u64>| last.filter(|_| !retired);
        if let Some((info, app_hash)) = self.block(height)? {
            let (info, memiavl) = (Some(info), memiavl(flatkv.last_handoff()));
            return Ok(Some(Anchor { height, app_hash, info, memiavl, vouched_by: "the last block's record" }));
        }
        let line = readable(flatkv.journal(height).map_err(Into::into))?.flatten();
        let Some(app_hash) = line.and_then(|line| AppHash::try_from(line.app_hash.as_ref()).ok()) else {
            return Ok(None);
        };
        let last = self.handoff(height)?.map(|_| height).or(self.log.as_ref().and_then(Log::last_version));
        let last = last.filter(|_| self.home.memiavl().exists()).map(|last| last.min(height));
        Ok(Some(Anchor {
            height,
            app_hash,
            info: None,
            memiavl: memiavl(last),
            vouched_by: "the last block's line of the journal",
        }))
    }

    fn anchor_of_log(&self) -> Result<Option<Anchor>, Error> {
        let Some((log, height)) = self.log.as_ref().and_then(|log| Some((log, log.last_version()?))) else {
            return Ok(None);
        };
        let sealed = readable(log.sealed_entry(height).map_err(|error| memiavl::Error::from(error).into()))?;
        let app_hash = sealed.flatten().and_then(|sealed| sealed.app_hash);
        let vouched_by = "the seal of the changelog's last entry";
        Ok(app_hash.map(|app_hash| Anchor { height, app_hash, info: None, memiavl: Some(height), vouched_by }))
    }

    /// A block's commit info and app hash, if its record is there and the two fit.
    pub(crate) fn block(&self, height: u64) -> Result<Option<(CommitInfo, AppHash)>, Error> {
        let Some(flatkv) = self.flatkv else { return Ok(None) };
        let reading = |source| migrate_core::Error::New { action: "reading a block's record", source }.into();
        let block = readable(History::block(flatkv, height).map_err(reading))?.flatten();
        Ok(block.filter(|(info, hash)| app_hash(info) == *hash))
    }

    /// The bytes of the handoff of a block, if it is kept and opens.
    pub(crate) fn handoff(&self, height: u64) -> Result<Option<bytes::Bytes>, Error> {
        let Some(flatkv) = self.flatkv else { return Ok(None) };
        let handoff = readable(flatkv.handoff(height).map_err(Into::into))?.flatten();
        let opens =
            |bytes: &bytes::Bytes| open_entry(bytes).is_ok_and(|sealed| sealed.entry.version.cast_unsigned() == height);
        Ok(handoff.map(|handoff| handoff.entry).filter(opens))
    }

    /// memiavl's roots behind a block, in name order, as the block's record has them; none where it does not tell.
    pub(crate) fn roots_of(&self, height: u64) -> Result<Option<Vec<(String, Hash)>>, Error> {
        let Some((info, _)) = self.block(height)? else { return Ok(None) };
        let imported = self.flatkv.map(|flatkv| readable(flatkv.imported().map_err(Into::into)));
        let imported = imported.transpose()?.flatten().flatten();
        let info = imported.filter(|imported| imported.version == height.cast_signed()).unwrap_or(info);
        let stores = info.store_infos.into_iter().filter(|store| store.name != LATTICE_STORE);
        let roots: Option<Vec<_>> =
            stores.map(|store| Some((store.name, Hash::try_from(store.commit_id.hash.as_ref()).ok()?))).collect();
        // The block that ends the last migration has none, and yet memiavl stands at it.
        Ok(roots.filter(|roots| !roots.is_empty()))
    }
}

/// What was read; none where it is damaged, which is told elsewhere.
pub(crate) fn readable<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error) if error.kind() == migrate_core::ErrorKind::Corruption => Ok(None),
        read => read.map(Some),
    }
}
