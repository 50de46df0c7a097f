//! Replacing stores whole: what is built beside the present ones takes their places at one moment, or not at all.
//!
//! ```text
//! data/state_commit/next/flatkv      built, as is
//! data/state_commit/next/memiavl     either or both
//! data/state_commit/SWITCH           ferry-switch 1 \n a store's name, or "no " and its name \n ... crc32c of the lines before it, 8 hex digits \n
//!
//! build      in next/, with no reader and no crash in mind
//! prove      every file on disk, the stores agree with each other
//! SWITCH     written under another name, synced, renamed, its directory synced:     the stores are replaced
//! put        the present store is renamed away, the built one to its place          (a crash from SWITCH on: put goes on)
//!            a store that the whole state does not have ("no") is renamed away
//! clear      restore/ is deleted, what it held is in its place; then SWITCH, then what was replaced
//! ```
//! Opening a home without `SWITCH` deletes `next/`; with it, the rest is done before anything else.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use flatkv::FlatKv;
use memiavl::{Lock, Site};

use crate::error::Error;
use crate::home::Home;
use crate::{reclaim, registry};

const HEADER: &str = "ferry-switch 1\n";
const FLATKV: &str = "flatkv";
const MEMIAVL: &str = "memiavl";
/// Before the name of a store that goes and that nothing takes the place of.
const NO: &str = "no ";

/// Stores being built to replace a home's present ones. The home is locked as long as it lives; dropped without
/// [`put_in_place`](Self::put_in_place), it leaves the home as it was.
pub struct Replacement {
    home: Home,
    /// Whether what is built is the whole state: a store that is not built goes.
    is_whole: bool,
    _lock: Lock,
}

impl Replacement {
    /// Begins a replacement in the home at `root`, which may be empty. What an earlier one has left is finished or deleted.
    ///
    /// # Errors
    /// A home that somebody has open, I/O.
    pub fn begin(root: &Path) -> Result<Self, Error> {
        registry::check(root)?;
        let home = Home::locate(root);
        let lock = home.lock()?;
        Self::under(home, lock)
    }

    /// Begins a replacement in a home that is locked.
    pub(crate) fn under(home: Home, lock: Lock) -> Result<Self, Error> {
        finish(&home)?;
        let next = home.next();
        fs::create_dir(&next).map_err(at("create", &next))?;
        Ok(Self { home, is_whole: false, _lock: lock })
    }

    /// Begins to replace the whole state of a home that is locked: a store that is not built will be gone.
    pub(crate) fn whole_under(home: Home, lock: Lock) -> Result<Self, Error> {
        Ok(Self { is_whole: true, ..Self::under(home, lock)? })
    }

    /// Gives the replacement up and deletes what was built. Dropping it does the first alone; the next opening deletes.
    ///
    /// # Errors
    /// I/O. The home is as it was in any case.
    pub fn abandon(self) -> Result<(), Error> {
        let next = self.home.next();
        reclaim::delete_now(&next).map_err(at("delete", &next))
    }

    /// Where to build FlatKV. There is nothing yet.
    pub fn flatkv(&self) -> PathBuf {
        self.home.next().join(FLATKV)
    }

    /// Where to build memiavl. There is nothing yet.
    pub fn memiavl(&self) -> PathBuf {
        self.home.next().join(MEMIAVL)
    }

    /// Puts what was built in the places of the present stores; a store that was not built stays. It has happened when the
    /// call returns; from a certain point on, a crash is finished by the next opening.
    ///
    /// # Errors
    /// Nothing built, stores that do not agree with each other, damage, I/O.
    pub fn put_in_place(self) -> Result<(), Error> {
        self.put_in_place_with(&mut || {})
    }

    /// As [`put_in_place`](Self::put_in_place); calls `switched` right behind the commit point.
    pub(crate) fn put_in_place_with(self, switched: &mut dyn FnMut()) -> Result<(), Error> {
        let built: Vec<_> = [FLATKV, MEMIAVL].into_iter().filter(|name| self.home.next().join(name).exists()).collect();
        self.prove(&built)?;
        let next = self.home.next();
        sync_tree(&next).map_err(at("sync", &next))?;
        write_switch(&self.home, &self.lines(&built)).map_err(at("write", &self.home.switch()))?;
        switched();
        finish(&self.home)
    }

    /// What `SWITCH` says: the stores that were built, and those that go.
    fn lines(&self, built: &[&str]) -> Vec<String> {
        let gone = [FLATKV, MEMIAVL].into_iter().filter(|name| self.is_whole && !built.contains(name));
        built.iter().map(|name| (*name).to_owned()).chain(gone.map(|name| format!("{NO}{name}"))).collect()
    }

    /// Compares the stores as they will stand: the roots stored with FlatKV's last block are those of memiavl's trees.
    fn prove(&self, built: &[&str]) -> Result<(), Error> {
        let is_new = |name| self.is_whole || built.contains(&name);
        let place = |name, own: PathBuf, present: &Path| if is_new(name) { own } else { present.to_owned() };
        let flatkv = place(FLATKV, self.flatkv(), self.home.flatkv());
        let memiavl = place(MEMIAVL, self.memiavl(), self.home.memiavl());
        let found = FlatKv::find(&flatkv, &flatkv::Options::default())?;
        let is_retired = found.as_ref().map(flatkv::View::retired).transpose()?.flatten().is_some();
        let site = (memiavl.exists() && !is_retired).then(|| Site::new(&memiavl));
        let last = match (&found, &site) {
            (Some(found), _) => found.version(),
            (None, Some(site)) => Some(changeset::OldSite::last_version(site).map_err(unreadable)?),
            (None, None) => None,
        };
        let no_node = || Error::NoNode { home: self.home.next(), expected: self.flatkv() };
        migrate_core::plan_rollback(site.as_ref(), found.as_ref(), last.ok_or_else(no_node)?)?;
        Ok(())
    }
}

fn unreadable(source: changeset::StoreError) -> Error {
    migrate_core::Error::Old { action: "reading the store that was built", source }.into()
}

/// Finishes a replacement that has happened, or deletes what is left of one that has not.
pub(crate) fn finish(home: &Home) -> Result<(), Error> {
    let next = home.next();
    if let Some(stores) = read_switch(home)? {
        tracing::info!(?stores, "putting stores in place that were built");
        for (store, place) in [(FLATKV, home.flatkv()), (MEMIAVL, home.memiavl())] {
            if stores.iter().any(|named| named == store) {
                put(&next.join(store), place).map_err(at("put in place", place))?;
            }
        }
        for (store, place) in [(FLATKV, home.flatkv()), (MEMIAVL, home.memiavl())] {
            if stores.iter().any(|named| named.strip_prefix(NO) == Some(store)) {
                reclaim::rename_away(place).map_err(at("rename", place))?;
            }
        }
        let received = home.restore();
        reclaim::delete_now(&received).map_err(at("delete", &received))?;
        let switch = home.switch();
        fs::remove_file(&switch).and_then(|()| reclaim::sync_parent(&switch)).map_err(at("delete", &switch))?;
    }
    reclaim::delete_now(&next).map_err(at("delete", &next))?;
    // memiavl's is deleted in the background of the next opening, as when it is retired: it may be large.
    let away = reclaim::removed(home.flatkv());
    reclaim::delete_now(&away).map_err(at("delete", &away))
}

/// Puts `built` at `place`, unless that is done already.
fn put(built: &Path, place: &Path) -> io::Result<()> {
    if !built.exists() {
        return Ok(());
    }
    reclaim::rename_away(place)?;
    fs::rename(built, place)?;
    reclaim::sync_parent(place)?;
    reclaim::sync_parent(built)
}

/// Puts every file and directory below `dir` on disk.
pub(crate) fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}

fn write_switch(home: &Home, stores: &[impl std::fmt::Display]) -> io::Result<()> {
    let (switch, temporary) = (home.switch(), home.switch().with_extension("tmp"));
    let lines: String = stores.iter().map(|store| format!("{store}\n")).collect();
    let body = format!("{HEADER}{lines}");
    let mut file = File::create(&temporary)?;
    writeln!(file, "{body}{:08x}", crc32c::crc32c(body.as_bytes()))?;
    file.sync_all()?;
    fs::rename(&temporary, &switch)?;
    reclaim::sync_parent(&switch)
}

/// The stores that `SWITCH` names; none if there is no such file.
fn read_switch(home: &Home) -> Result<Option<Vec<String>>, Error> {
    let switch = home.switch();
    let bytes = match fs::read(&switch) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(at("read", &switch))?,
    };
    let damaged = || Error::Switch { path: switch.clone(), next: home.next() };
    parse_switch(&bytes).map(Some).ok_or_else(damaged)
}

fn parse_switch(bytes: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (body, crc) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = format!("{body}\n");
    if crc != format!("{:08x}", crc32c::crc32c(body.as_bytes())) {
        return None;
    }
    let stores: Vec<_> = body.strip_prefix(HEADER)?.lines().map(str::to_owned).collect();
    let is_known = |line: &String| [FLATKV, MEMIAVL].contains(&line.strip_prefix(NO).unwrap_or(line));
    stores.iter().all(is_known).then_some(stores)
}

fn at(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A home whose stores are files that say which they are.
    fn home(root: &Path) -> Home {
        for (path, text) in [("memiavl", "old memiavl"), ("flatkv", "old flatkv"), ("next/flatkv", "new flatkv")] {
            let dir = root.join("data/state_commit").join(path);
            fs::create_dir_all(&dir).expect("a directory");
            fs::write(dir.join("file"), text).expect("writes");
        }
        Home::locate(root)
    }

    fn stands(home: &Home) -> (String, String) {
        let read = |dir: &Path| fs::read_to_string(dir.join("file")).expect("a store");
        (read(home.flatkv()), read(home.memiavl()))
    }

    fn check_finished(home: &Home) {
        finish(home).expect("finishes");
        assert_eq!(stands(home), ("new flatkv".to_owned(), "old memiavl".to_owned()));
        let left: Vec<_> = fs::read_dir(home.next().parent().expect("a parent")).expect("lists").collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn without_the_switch_the_present_stores_stay() {
        let root = tempfile::tempdir().expect("a directory");
        let home = home(root.path());
        finish(&home).expect("finishes");
        assert_eq!(stands(&home), ("old flatkv".to_owned(), "old memiavl".to_owned()));
        assert!(!home.next().exists());
    }

    #[test]
    fn with_the_switch_every_step_goes_on_from_every_other() {
        let steps: [fn(&Home); 4] = [
            |_| {},
            |home| reclaim::rename_away(home.flatkv()).expect("renames"),
            |home| put(&home.next().join(FLATKV), home.flatkv()).expect("puts"),
            |home| {
                put(&home.next().join(FLATKV), home.flatkv()).expect("puts");
                reclaim::delete_now(&home.next()).expect("deletes");
            },
        ];
        for done in steps {
            let root = tempfile::tempdir().expect("a directory");
            let home = home(root.path());
            write_switch(&home, &[FLATKV]).expect("writes");
            done(&home);
            check_finished(&home);
            check_finished(&home);
        }
    }

    #[test]
    fn a_damaged_switch_is_refused_and_nothing_is_touched() {
        let root = tempfile::tempdir().expect("a directory");
        let home = home(root.path());
        write_switch(&home, &[FLATKV]).expect("writes");
        let whole = fs::read(home.switch()).expect("reads");
        assert_eq!(parse_switch(&whole).expect("whole"), [FLATKV]);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(parse_switch(&damaged), None, "byte {at}");
            assert_eq!(parse_switch(&whole[..at]), None, "{at} bytes");
        }
        fs::write(home.switch(), &whole[..5]).expect("writes");
        let error = finish(&home).expect_err("damaged");
        assert!(matches!(&error, Error::Switch { path, next } if *path == home.switch() && *next == home.next()));
        assert_eq!(stands(&home), ("old flatkv".to_owned(), "old memiavl".to_owned()));
        assert!(home.next().exists());
    }
}
