//! What a transaction does to the state.

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::keys::{self, ACC, ACCOUNTS, AUTHORITY, BANK, EVM, PARAMS, STAKING};
use crate::plan::Plan;
use crate::state::{Overlay, Read};
use crate::tx::{Action, Address, Tx};

/// Accounts that one airdrop may make, slots that one transaction may write, bytes of a contract's code.
const AIRDROP_MAX: u32 = 10_000;
const SLOTS_MAX: usize = 1_000;
const CODE_BYTES_MAX: usize = 24_576;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outcome {
    /// It did what it says.
    #[error("done")]
    Done,
    /// Its bytes are no transaction.
    #[error("not a transaction")]
    Unreadable,
    /// It is not the sender's next one.
    #[error("not the sender's next transaction")]
    Nonce,
    /// The sender does not have the tokens.
    #[error("not enough tokens")]
    Tokens,
    /// What it speaks of does not exist.
    #[error("no such contract or delegation")]
    Absent,
    /// Too much at once, or nothing at all.
    #[error("too much for one transaction, or nothing")]
    Size,
    /// It may not decide that.
    #[error("not allowed")]
    NotAllowed,
}

impl Outcome {
    /// As ABCI's codes: 0 is success.
    pub const fn code(self) -> u32 {
        self as u32
    }
}

/// Reads a transaction before it enters the mempool. One whose turn has not come yet may wait there.
///
/// # Errors
/// The store's.
pub fn check(state: &impl Read, bytes: &[u8]) -> Result<Outcome, Error> {
    let Ok(tx) = serde_json::from_slice::<Tx>(bytes) else { return Ok(Outcome::Unreadable) };
    let expected = state.number(EVM, &keys::nonce(tx.sender))?;
    Ok(if tx.nonce < expected { Outcome::Nonce } else { Outcome::Done })
}

/// Runs a transaction of a block. One that fails leaves its sender's nonce behind and nothing else; one that is not the
/// sender's next leaves nothing.
///
/// # Errors
/// The store's alone: whatever a transaction does wrong is an outcome, the same on every node.
pub fn execute<R: Read>(block: &mut Overlay<'_, R>, bytes: &[u8]) -> Result<Outcome, Error> {
    let Ok(tx) = serde_json::from_slice::<Tx>(bytes) else { return Ok(Outcome::Unreadable) };
    let expected = block.number(EVM, &keys::nonce(tx.sender))?;
    let Some(next) = expected.checked_add(1).filter(|_| tx.nonce == expected) else { return Ok(Outcome::Nonce) };
    block.set_number(EVM, keys::nonce(tx.sender), next);
    let mut draft = Overlay::new(&*block);
    let outcome = act(&mut draft, &tx)?;
    let changes = draft.into_changes();
    if outcome == Outcome::Done {
        block.take(changes);
    }
    Ok(outcome)
}

fn act<R: Read>(state: &mut Overlay<'_, R>, tx: &Tx) -> Result<Outcome, Error> {
    match &tx.action {
        Action::Transfer { to, amount } => transfer(state, tx.sender, *to, *amount),
        Action::Airdrop { seed, count } => airdrop(state, tx.sender, *seed, *count),
        Action::Deploy { code } => deploy(state, Address::contract(tx.sender, tx.nonce), code),
        Action::Destroy { contract } => destroy(state, *contract),
        Action::Store { contract, slots } => store(state, *contract, slots),
        Action::Delegate { validator, amount } => delegate(state, tx.sender, *validator, *amount),
        Action::Undelegate { validator } => undelegate(state, tx.sender, *validator),
        Action::Migrate { keys_per_block, goal } => migrate(state, tx.sender, *keys_per_block, goal),
    }
}

fn transfer<R: Read>(state: &mut Overlay<'_, R>, from: Address, to: Address, amount: u64) -> Result<Outcome, Error> {
    if !take(state, from, amount)? {
        return Ok(Outcome::Tokens);
    }
    give(state, to, amount)
}

/// Removes tokens from a balance; not if there are too few.
fn take<R: Read>(state: &mut Overlay<'_, R>, from: Address, amount: u64) -> Result<bool, Error> {
    let Some(rest) = state.number(BANK, &keys::balance(from))?.checked_sub(amount) else { return Ok(false) };
    state.set_number(BANK, keys::balance(from), rest);
    Ok(true)
}

/// Adds tokens to a balance. Whoever gets the first ones gets an account.
pub(crate) fn give<R: Read>(state: &mut Overlay<'_, R>, to: Address, amount: u64) -> Result<Outcome, Error> {
    let Some(sum) = state.number(BANK, &keys::balance(to))?.checked_add(amount) else { return Ok(Outcome::Size) };
    state.set_number(BANK, keys::balance(to), sum);
    if state.get(ACC, &keys::account(to))?.is_none() {
        let number = state.number(ACC, ACCOUNTS)?.saturating_add(1);
        state.set_number(ACC, ACCOUNTS.to_vec(), number);
        state.set_number(ACC, keys::account(to), number);
    }
    Ok(Outcome::Done)
}

fn airdrop<R: Read>(state: &mut Overlay<'_, R>, from: Address, seed: u64, count: u32) -> Result<Outcome, Error> {
    if count == 0 || count > AIRDROP_MAX {
        return Ok(Outcome::Size);
    }
    if !take(state, from, u64::from(count))? {
        return Ok(Outcome::Tokens);
    }
    for index in 0..count {
        let address = Address::dropped(seed, index);
        let outcome = give(state, address, 1)?;
        if outcome != Outcome::Done {
            return Ok(outcome);
        }
        let nonce = state.number(EVM, &keys::nonce(address))?;
        state.set_number(EVM, keys::nonce(address), nonce.max(1));
    }
    Ok(Outcome::Done)
}

fn deploy<R: Read>(state: &mut Overlay<'_, R>, contract: Address, code: &[u8]) -> Result<Outcome, Error> {
    if code.is_empty() || code.len() > CODE_BYTES_MAX {
        return Ok(Outcome::Size);
    }
    state.set_number(EVM, keys::nonce(contract), 1);
    state.set(EVM, keys::code_hash(contract), Sha256::digest(code).to_vec());
    state.set(EVM, keys::code(contract), code.to_vec());
    state.set_number(EVM, keys::code_length(contract), code.len() as u64);
    Ok(Outcome::Done)
}

fn destroy<R: Read>(state: &mut Overlay<'_, R>, contract: Address) -> Result<Outcome, Error> {
    if state.get(EVM, &keys::code_hash(contract))?.is_none() {
        return Ok(Outcome::Absent);
    }
    for key in [keys::nonce, keys::code_hash, keys::code, keys::code_length] {
        state.delete(EVM, key(contract));
    }
    Ok(Outcome::Done)
}

fn store<R: Read>(state: &mut Overlay<'_, R>, contract: Address, slots: &[(u64, u64)]) -> Result<Outcome, Error> {
    if slots.is_empty() || slots.len() > SLOTS_MAX {
        return Ok(Outcome::Size);
    }
    if state.get(EVM, &keys::code_hash(contract))?.is_none() {
        return Ok(Outcome::Absent);
    }
    for (slot, value) in slots {
        match value {
            0 => state.delete(EVM, keys::slot(contract, *slot)),
            _ => state.set(EVM, keys::slot(contract, *slot), keys::word(*value).to_vec()),
        }
    }
    Ok(Outcome::Done)
}

fn delegate<R: Read>(state: &mut Overlay<'_, R>, from: Address, to: Address, amount: u64) -> Result<Outcome, Error> {
    if amount == 0 {
        return Ok(Outcome::Size);
    }
    if !take(state, from, amount)? {
        return Ok(Outcome::Tokens);
    }
    let key = keys::delegation(from, to);
    let Some(sum) = state.number(STAKING, &key)?.checked_add(amount) else { return Ok(Outcome::Size) };
    state.set_number(STAKING, key, sum);
    Ok(Outcome::Done)
}

fn undelegate<R: Read>(state: &mut Overlay<'_, R>, from: Address, validator: Address) -> Result<Outcome, Error> {
    let key = keys::delegation(from, validator);
    let amount = state.number(STAKING, &key)?;
    if amount == 0 {
        return Ok(Outcome::Absent);
    }
    state.delete(STAKING, key);
    give(state, from, amount)
}

fn migrate<R: Read>(
    state: &mut Overlay<'_, R>,
    from: Address,
    keys_per_block: u64,
    goal: &str,
) -> Result<Outcome, Error> {
    let is_authority = state.get(PARAMS, AUTHORITY)?.is_some_and(|authority| authority == from.0.as_slice());
    let present = Plan::read(state)?;
    let Ok(plan) = Plan::new(keys_per_block, goal) else { return Ok(Outcome::Unreadable) };
    if !is_authority || !plan.may_follow(&present) {
        return Ok(Outcome::NotAllowed);
    }
    plan.write(state);
    Ok(Outcome::Done)
}
