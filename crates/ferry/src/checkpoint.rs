//! A checkpoint: a home of its own at a node's last block, which shares with the node's what is never written again.
//!
//! ```text
//! make       beside the place that was asked for, under a name of its own: .NAME.unfinished-XXXXXX
//! memiavl    its current snapshot as hard links, the log behind it by bytes
//! FlatKV     RocksDB's checkpoint: tables as hard links, the rest by bytes
//! sync       every file and every directory
//! rename     to its name, durably: from here on there is a checkpoint
//! ```
//! On another file system everything is copied. Dropped half way it goes again; a process that was killed leaves the
//! unfinished directory, which nobody reads.

use std::fs;
use std::path::{Path, PathBuf};

use changeset::{AppHash, History, app_hash};
use tempfile::TempDir;

use crate::disk::tree_bytes;
use crate::error::Error;
use crate::home::{Home, holds_something};
use crate::node::Node;
use crate::options::Options;
use crate::reclaim::sync_parent;
use crate::replace::sync_tree;

/// What a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The block.
    pub height: u64,
    /// Its app hash.
    pub app_hash: AppHash,
    /// Bytes of its files, those that are shared included.
    pub bytes: u64,
}

/// Makes a checkpoint of the stopped node at `root` in `to`, a directory that is new or empty. The home is opened for that, which
/// finishes what a crash has left there.
///
/// # Errors
/// As [`Node::open`] and [`Node::checkpoint`].
pub fn checkpoint(root: &Path, to: &Path, options: &Options) -> Result<Checkpoint, Error> {
    // Before anything is opened, which may take a while.
    Place::find(root, to)?;
    let node = Node::open(root, options.clone())?;
    let made = node.checkpoint(to);
    let closed = node.close();
    let made = made?;
    closed?;
    Ok(made)
}

impl Node {
    /// Makes a home at the last block in `to`, a directory that is new or empty: hard links where it is the same file system,
    /// so that it costs little, and whatever becomes of this node does not reach it. It opens as this one, can be exported,
    /// copied, and rolled back as far as its one snapshot of memiavl allows.
    ///
    /// # Errors
    /// A block in work, no block yet, a directory that will not do, I/O. Nothing is left behind then.
    pub fn checkpoint(&self, to: &Path) -> Result<Checkpoint, Error> {
        let place = Place::find(self.home().root(), to)?;
        let (old, new) = self.stores_between_blocks()?;
        let Some(height) = Some(self.height()).filter(|height| *height > 0) else {
            return Err(Error::ExportNothing);
        };
        let made = place.begin()?;
        let home = Home::locate(made.path());
        let state_commit = home.next().parent().map(Path::to_owned).unwrap_or_default();
        fs::create_dir_all(&state_commit).map_err(at("create", &state_commit))?;
        let new = new.filter(|new| new.span().is_some());
        if let Some(new) = new {
            new.checkpoint(home.flatkv())?;
        }
        if let Some(old) = old {
            let reading =
                |source| migrate_core::Error::New { action: "reading how far the changelog is synced", source };
            let synced = new.map_or(Ok(u64::MAX), History::changelog_synced).map_err(reading)?;
            old.checkpoint(home.memiavl(), synced)?;
        }
        sync_tree(made.path()).map_err(at("sync", made.path()))?;
        let bytes = tree_bytes(made.path()).map_err(at("look at", made.path()))?;
        place.finish(made)?;
        Ok(Checkpoint { height, app_hash: app_hash(&self.last_commit_info().unwrap_or_default()), bytes })
    }
}

/// Where a checkpoint is to stand.
struct Place {
    to: PathBuf,
    parent: PathBuf,
    name: String,
    permissions: fs::Permissions,
}

impl Place {
    /// Looks, and makes nothing.
    fn find(root: &Path, to: &Path) -> Result<Self, Error> {
        if holds_something(to) {
            return Err(Error::NotEmpty { path: to.to_owned() });
        }
        let to = std::path::absolute(to).map_err(at("look at", to))?;
        let name = to.file_name().map(|name| name.to_string_lossy().into_owned());
        let (Some(parent), Some(name)) = (to.parent(), name) else {
            return Err(Error::NotEmpty { path: to });
        };
        let real = parent.canonicalize().map_err(at("look at", parent))?;
        let home = root.canonicalize().map_err(at("look at", root))?;
        if real.starts_with(&home) {
            return Err(Error::CheckpointPlace { path: to, home: root.to_owned() });
        }
        let permissions = fs::metadata(&home).map_err(at("look at", &home))?.permissions();
        Ok(Self { parent: parent.to_owned(), name, to, permissions })
    }

    fn begin(&self) -> Result<TempDir, Error> {
        let prefix = format!(".{}.unfinished-", self.name);
        let made = TempDir::with_prefix_in(prefix, &self.parent).map_err(at("make a directory in", &self.parent))?;
        fs::set_permissions(made.path(), self.permissions.clone()).map_err(at("set permissions of", made.path()))?;
        Ok(made)
    }

    /// Gives what was made its name.
    fn finish(&self, made: TempDir) -> Result<(), Error> {
        // Over an empty directory, too; one that came to hold something meanwhile stays.
        fs::rename(made.path(), &self.to).map_err(at("rename a checkpoint to", &self.to))?;
        // It has another name now, under which it stays.
        let _renamed = made.keep();
        sync_parent(&self.to).map_err(at("sync the directory of", &self.to))
    }
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
