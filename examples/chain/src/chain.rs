//! The chain without a consensus engine: open, the blocks one by one, close.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferry::{AppHash, Committed, Node, Options, Views};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::execute::{self, Outcome, execute};
use crate::keys::{AUTHORITY, MODULES, PARAMS};
use crate::plan::Plan;
use crate::state::{Overlay, Read};
use crate::tx::Address;

/// The chain's state before its first block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Who decides on the migration.
    pub authority: Address,
    /// Who has how many tokens.
    pub accounts: BTreeMap<Address, u64>,
}

/// Called with the name of a point at which a rig may stop the process.
pub type AtPoint = Arc<dyn Fn(&str) + Send + Sync>;

/// How a node of the chain is opened.
#[derive(Clone, Default)]
pub struct Settings {
    /// The store's options. What the whole chain must share, its modules, is set by [`Chain::open`].
    pub store: Options,
    /// For rigs: so many keys less than the chain's plan says are moved by each block. This node parts from the others.
    pub keys_less: u64,
    /// For rigs: called at each [`ferry::KillPoint`] of a commit and each [`ferry::RestorePoint`].
    pub at_point: Option<AtPoint>,
}

impl Settings {
    /// The store's options, with what the whole chain must share.
    pub(crate) fn options(&self) -> Options {
        let modules: Vec<String> = MODULES.map(str::to_owned).to_vec();
        Options { create: true, initial_stores: modules.clone(), modules, ..self.store.clone() }
    }
}

/// A node of the chain. One thread owns it; any number of threads read through [`views`](Self::views).
pub struct Chain {
    node: Node,
    /// Part of block 1. Nothing of it is durable before that block is.
    genesis: Option<Genesis>,
    settings: Settings,
}

/// A block that was worked out and is not durable yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalized {
    /// What the block will have as its app hash.
    pub app_hash: AppHash,
    /// How each transaction ended.
    pub outcomes: Vec<Outcome>,
    /// Keys that the migration moved.
    pub moved_keys: u64,
}

impl Chain {
    /// Opens the node at `home`; an empty home becomes a new node's. What a crash has left is finished first.
    ///
    /// # Errors
    /// The store's.
    pub fn open(home: &Path, settings: Settings) -> Result<Self, Error> {
        let mut node = Node::open(home, settings.options())?;
        if let Some(at_point) = settings.at_point.clone() {
            node.set_kill_hook(Box::new(move |point| at_point(point.as_str())));
        }
        Ok(Self { node, genesis: None, settings })
    }

    /// The last committed height; 0 before the first block.
    pub fn height(&self) -> u64 {
        self.node.height()
    }

    /// The last block's app hash, as it is stored with the block.
    pub fn app_hash(&self) -> Option<AppHash> {
        self.node.last_commit_info().map(|info| ferry::app_hash(&info))
    }

    /// The published blocks, for reader threads.
    pub fn views(&self) -> Views {
        self.node.views()
    }

    /// What the first block begins with. It may be said again: nothing of it lasts before that block is committed.
    pub fn init(&mut self, genesis: Genesis) {
        self.genesis = Some(genesis);
    }

    /// Works a block out. It may be asked for again, also with other transactions, until it is committed.
    ///
    /// # Errors
    /// Another block than the next one; the store's.
    pub fn finalize(&mut self, height: u64, txs: &[impl AsRef<[u8]>]) -> Result<Finalized, Error> {
        if height != self.node.next_height() {
            return Err(Error::Height { expected: self.node.next_height(), got: height.cast_signed() });
        }
        // The consensus engine may have died between this call and the commit, and asks again.
        self.node.discard()?;
        let mut plan = Plan::read(&self.node)?;
        plan.keys_per_block = plan.keys_per_block.saturating_sub(self.settings.keys_less);
        plan.apply(&mut self.node)?;

        let mut block = Overlay::new(&self.node);
        if let Some(genesis) = self.genesis.as_ref().filter(|_| self.node.height() == 0) {
            genesis.write(&mut block)?;
        }
        let outcomes = txs.iter().map(|tx| execute(&mut block, tx.as_ref())).collect::<Result<_, Error>>()?;
        let changes = block.into_changes().into_changesets();
        let moved_keys = self.node.apply(changes)?.moved_keys;
        let app_hash = ferry::app_hash(&self.node.working_commit_info()?);
        Ok(Finalized { app_hash, outcomes, moved_keys })
    }

    /// Makes the block durable and shows it to readers. When this returns it has happened.
    ///
    /// # Errors
    /// The store's. The node must then be opened again, which finds out whether the block has happened.
    pub fn commit(&mut self) -> Result<Committed, Error> {
        Ok(self.node.commit()?)
    }

    /// Where the chain's state is.
    pub fn home(&self) -> &Path {
        self.node.home().root()
    }

    /// Closes the node. A program that just ends loses nothing; closing waits for what is written in the background.
    ///
    /// # Errors
    /// What the background work met.
    pub fn close(self) -> Result<(), Error> {
        Ok(self.node.close()?)
    }

    /// Closes the node for what is to be done with its home.
    pub(crate) fn shut(self) -> Result<(PathBuf, Settings), Error> {
        let home = self.home().to_owned();
        self.node.close()?;
        Ok((home, self.settings))
    }
}

impl Genesis {
    /// Writes the state that the chain begins with.
    ///
    /// # Errors
    /// The store's.
    pub fn write<R: Read>(&self, block: &mut Overlay<'_, R>) -> Result<(), Error> {
        block.set(PARAMS, AUTHORITY.to_vec(), self.authority.0.to_vec());
        for (address, amount) in &self.accounts {
            execute::give(block, *address, *amount)?;
        }
        Ok(())
    }
}
