//! A node that leads the life: opening, steps, and comparing what it shows with what the rules say.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use ferry::{
    BatchLimit, CommitInfo, Durability, Exported, Import, Node, Options, Replacement, Restore, ScanOrder, ScanRange,
    SnapshotOptions, Source, View,
};

use crate::life::{Action, FIRST_HEIGHT, Life, MODULES};
use crate::model::Model;
use crate::survivors::Survivors;
use crate::trace::Goal;

/// Bytes of memtables: small, so that RocksDB flushes in the life.
const MEMTABLE_BYTES: usize = 512 << 10;
/// Bytes of an export's chunks: a few chunks for the life's state.
const CHUNK_BYTES: u32 = 4 << 10;
/// Longer than the background lets blocks be without a sync.
const WAIT: Duration = Duration::from_secs(3);

/// What an undisturbed run has shown of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) app_hash: [u8; 32],
    pub(crate) commit_info: CommitInfo,
    pub(crate) boundary: Option<Bytes>,
    pub(crate) version: Option<Bytes>,
    pub(crate) remaining: Vec<(String, u64)>,
}

impl Shown {
    fn of(view: &View) -> Result<Self> {
        Ok(Self {
            app_hash: view.app_hash(),
            commit_info: view.commit_info().clone(),
            boundary: view.boundary_record()?,
            version: view.version_record()?,
            remaining: view.remaining()?,
        })
    }
}

/// A life with everything that is to be expected of it.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) life: Life,
    /// By state.
    pub(crate) shown: Vec<Shown>,
    /// Where the stores that the life saves stand.
    pub(crate) saved: PathBuf,
}

impl Script {
    /// Runs `life` undisturbed in `dir`, compares every block with the rules, and keeps what it shows.
    pub(crate) fn rehearse(life: Life, dir: &Path) -> Result<Self> {
        let (home, saved) = (dir.join("home"), dir.join("saved"));
        crate::image::clear(&home)?;
        crate::image::clear(&saved)?;
        let mut shown = vec![Shown::default(); life.states.len()];
        let mut actor = Actor::open(&home, &saved, &life)?;
        shown[0] = Shown::of(&actor.node()?.view()?)?;
        for (index, step) in life.steps.iter().enumerate() {
            let context = || format!("the undisturbed run, step {index} ({})", step.phase);
            actor = actor.take(&step.action).with_context(context)?;
            let view = actor.node()?.view()?;
            let state = &life.states[step.after];
            ensure!(view.height() == state.height, "{}: height {} for {}", context(), view.height(), state.height);
            compare(&view, &life, &state.model).with_context(context)?;
            let now = Shown::of(&view)?;
            let before = &mut shown[step.after];
            if *before == Shown::default() {
                *before = now;
            } else {
                ensure!(*before == now, "{}: the state came back otherwise", context());
            }
        }
        actor.close()?;
        Ok(Self { life, shown, saved })
    }

    /// As it is for whoever opens what `survivors` are left. A home whose blocks were left to the operating system is opened
    /// now with that setting and now with the other one, if it says so itself: FlatKV does.
    pub(crate) fn opened_as(&self, survivors: Survivors, goals: &[Goal]) -> Cow<'_, Self> {
        let says_so = || goals.iter().all(|goal| self.life.states[goal.state].model.exists());
        match survivors {
            Survivors::Random { seed } if self.life.durability == Durability::Os && seed % 2 == 1 && says_so() => {
                let life = Life { durability: Durability::Sync, ..self.life.clone() };
                Cow::Owned(Self { life, ..self.clone() })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Which of `allowed` a freshly opened node stands at: everything that it shows is compared.
    pub(crate) fn recognise(&self, node: &Node, allowed: &[usize]) -> Result<usize> {
        let view = node.view().context("no view")?;
        let app_hash = view.app_hash();
        // An import leaves the block as it is, and moves the records on.
        let (boundary, version) = (view.boundary_record()?, view.version_record()?);
        let is_shown = |state: &usize| {
            let shown = &self.shown[*state];
            self.life.states[*state].height == view.height()
                && (shown.app_hash, &shown.boundary, &shown.version) == (app_hash, &boundary, &version)
        };
        let found = allowed.iter().copied().find(is_shown);
        let Some(state) = found else {
            let expected: Vec<u64> = allowed.iter().map(|state| self.life.states[*state].height).collect();
            let known = self.shown.iter().position(|shown| shown.app_hash == app_hash);
            bail!(
                "a block that must not be the last one: expected height {expected:?}, got {} (state {known:?})",
                view.height()
            );
        };
        self.agree(&view, state)?;
        Ok(state)
    }

    fn agree(&self, view: &View, state: usize) -> Result<()> {
        let (expected, got) = (&self.shown[state], Shown::of(view).context("reading what a block shows")?);
        ensure!(
            *expected == got,
            "the block shows something else: height={} expected={expected:?} got={got:?}",
            view.height()
        );
        let mut model = self.life.states[state].model.clone();
        model.reopen();
        compare(view, &self.life, &model)
    }

    /// Goes on behind `step` steps to the end of the life, and compares its last state.
    pub(crate) fn finish(&self, mut actor: Actor, step: usize) -> Result<()> {
        for (index, step) in self.life.steps.iter().enumerate().skip(step) {
            actor = actor.take(&step.action).with_context(|| format!("going on, step {index} ({})", step.phase))?;
            let view = actor.node()?.view()?;
            ensure!(
                view.app_hash() == self.shown[step.after].app_hash,
                "going on, step {index} ({}): another app hash at height {}",
                step.phase,
                view.height()
            );
        }
        self.agree(&actor.node()?.view()?, self.life.last()).context("at the end of the life")?;
        actor.close()
    }
}

/// A node in a life.
pub(crate) struct Actor {
    node: Option<Node>,
    home: PathBuf,
    saved: PathBuf,
    snapshot_blocks: u64,
    rollback_blocks: u64,
    durability: Durability,
    /// Whether the background gets its time.
    pub(crate) waits: bool,
}

impl Actor {
    /// Opens the home, or founds the node.
    pub(crate) fn open(home: &Path, saved: &Path, life: &Life) -> Result<Self> {
        let (home_owned, saved) = (home.to_owned(), saved.to_owned());
        let Life { snapshot_blocks, rollback_blocks, durability, .. } = *life;
        let waits = false;
        let mut actor =
            Self { node: None, home: home_owned, saved, snapshot_blocks, rollback_blocks, durability, waits };
        actor.node = Some(Node::open(home, actor.options())?);
        Ok(actor)
    }

    pub(crate) fn node(&self) -> Result<&Node> {
        self.node.as_ref().context("the node is closed")
    }

    fn options(&self) -> Options {
        Options {
            create: true,
            batch: BatchLimit::keys(0),
            modules: MODULES.map(str::to_owned).to_vec(),
            initial_stores: MODULES.map(str::to_owned).to_vec(),
            initial_version: FIRST_HEIGHT,
            snapshot: SnapshotOptions {
                interval_blocks: self.snapshot_blocks,
                keep_recent: 0,
                write_bytes_per_second: None,
                ..SnapshotOptions::default()
            },
            rollback_blocks: self.rollback_blocks,
            durability: self.durability,
            block_cache_bytes: 1 << 20,
            row_cache_bytes: 1 << 20,
            memtable_bytes: MEMTABLE_BYTES,
            ..Options::default()
        }
    }

    /// Does what a step asks for. An error leaves the node as it is, for whoever wants to look at it.
    pub(crate) fn act(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::Block(block) => {
                let node = self.node.as_mut().context("the node is closed")?;
                node.set_batch_size(block.batch)?;
                while node.mode() < block.mode {
                    let next = node.mode().next().context("no next mode")?;
                    node.set_mode(next)?;
                }
                for flush in &block.flushes {
                    node.apply(flush.clone())?;
                    node.working_commit_info()?;
                }
                node.commit()?;
            }
            Action::Snapshot => {
                self.node.as_mut().context("the node is closed")?.snapshot_now()?;
            }
            Action::Reopen => {
                self.node.take().context("the node is closed")?.close()?;
                self.reopen()?;
            }
            Action::Save => {
                self.node.take().context("the node is closed")?.close()?;
                self.save()?;
                self.reopen()?;
            }
            Action::Restore => {
                self.node.take().context("the node is closed")?.close()?;
                let replacement = Replacement::begin(&self.home)?;
                copy(&self.saved.join("flatkv"), &replacement.flatkv())?;
                copy(&self.saved.join("memiavl"), &replacement.memiavl())?;
                replacement.put_in_place()?;
                self.reopen()?;
            }
            Action::Export(slot) => {
                let source = Source::of_view(&self.node()?.view()?)?;
                // The undisturbed run has made one for all.
                let dir = self.saved.join(format!("export-{}", *slot as usize));
                if !dir.join("manifest").exists() {
                    ferry::export(&source, &dir, CHUNK_BYTES, &mut |_| ControlFlow::Continue(()))?;
                }
            }
            Action::Receive(slot) => {
                self.node.take().context("the node is closed")?.close()?;
                self.receive(&self.saved.join(format!("export-{}", *slot as usize)))?;
                self.reopen()?;
            }
            Action::Import { at_height, to } => {
                self.node.take().context("the node is closed")?.close()?;
                let import = Import { at_height: *at_height, to: *to, threads: 1 };
                ferry::import(&self.home, import, &self.options(), &mut |_| ControlFlow::Continue(()))?;
                self.reopen()?;
            }
            Action::Wait if self.waits => std::thread::sleep(WAIT),
            Action::Wait => {}
            Action::RollBack(to) => {
                let options = self.options();
                let node = self.node.take().context("the node is closed")?;
                self.node = Some(node.rollback(*to, options)?);
            }
        }
        Ok(())
    }

    /// Restores the export in `dir` over whatever the home has.
    fn receive(&self, dir: &Path) -> Result<()> {
        let exported = Exported::open(dir)?;
        let manifest = exported.manifest();
        let mut restore = Restore::begin(&self.home, manifest, Some(manifest.app_hash), &self.options())?;
        for index in restore.next_chunk()..manifest.chunk_count() {
            restore.apply(index, &exported.chunk(index)?)?;
        }
        restore.finish(&mut |_| ControlFlow::Continue(()))?;
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        self.node = Some(Node::open(&self.home, self.options())?);
        Ok(())
    }

    /// Keeps a copy of the stores, unless the undisturbed run has kept one for all.
    fn save(&self) -> Result<()> {
        let home = ferry::Home::locate(&self.home);
        for (store, name) in [(home.flatkv(), "flatkv"), (home.memiavl(), "memiavl")] {
            let to = self.saved.join(name);
            if !to.exists() {
                copy(store, &to)?;
            }
        }
        Ok(())
    }

    fn take(mut self, action: &Action) -> Result<Self> {
        self.act(action)?;
        Ok(self)
    }

    /// The node, to be asked about its failure.
    pub(crate) fn node_mut(&mut self) -> Option<&mut Node> {
        self.node.as_mut()
    }

    pub(crate) fn close(mut self) -> Result<()> {
        match self.node.take() {
            Some(node) => Ok(node.close()?),
            None => Ok(()),
        }
    }
}

/// Copies a store, which nobody has open.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, to)?;
        } else {
            std::fs::write(to, std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Compares every key alone, all of a store at once, and scans of the whole store in both directions and of a part.
fn compare(view: &View, life: &Life, model: &Model) -> Result<()> {
    let height = view.height();
    for (store, key) in &life.keys {
        let (got, expected) = (view.get(store, key)?, model.read(store, key));
        ensure!(
            got.as_deref() == expected.as_deref(),
            "reading {store} {} at height {height}: expected={expected:?} got={got:?}",
            hex::encode(key)
        );
    }
    for store in MODULES {
        let keys: Vec<Bytes> =
            life.keys.iter().filter(|(name, _)| name == store).map(|(_, key)| Bytes::copy_from_slice(key)).collect();
        let got = view.get_many(store, &keys)?;
        let expected: Vec<_> = keys.iter().map(|key| model.read(store, key).map(Bytes::from)).collect();
        ensure!(got == expected, "reading many keys of {store} at height {height}");
        let middle = keys.get(keys.len() / 2).cloned();
        for (start, order) in
            [(None, ScanOrder::Ascending), (None, ScanOrder::Descending), (middle, ScanOrder::Ascending)]
        {
            let expected = model.scan(store, start.as_deref(), None, order);
            let mut got = Vec::new();
            for pair in view.scan(store, &ScanRange { start, end: None }, order)? {
                let (key, value) = pair?;
                got.push((key.to_vec(), value.to_vec()));
            }
            ensure!(got == expected, "scanning {store} at height {height}: expected={expected:?} got={got:?}");
        }
    }
    Ok(())
}
