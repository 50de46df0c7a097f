//! The homes that are run: one is made of each size, each run gets a copy of its own.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::Arguments;

/// Accounts of a home with ten slots each, in a thousand of its keys: how a wanted number of keys is reached.
const ACCOUNTS_IN_1000_KEYS: u64 = 67;

/// How large a home is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// EVM accounts; twice as many balances, and as many entries of wasm contracts.
    pub(crate) accounts: u64,
    /// Storage slots of an account.
    pub(crate) slots_each: u64,
}

impl Size {
    /// Slots of an account, unless said otherwise.
    pub(crate) const SLOTS_EACH: u64 = 10;

    /// A home of about so many keys.
    pub(crate) fn of_keys(keys: u64) -> Self {
        Self { accounts: (keys.saturating_mul(ACCOUNTS_IN_1000_KEYS) / 1000).max(1), slots_each: Self::SLOTS_EACH }
    }

    pub(crate) fn slots(self) -> u64 {
        self.accounts.saturating_mul(self.slots_each)
    }

    pub(crate) fn balances(self) -> u64 {
        self.accounts.saturating_mul(2)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.accounts, self.slots_each)
    }
}

impl FromStr for Size {
    type Err = anyhow::Error;

    /// `100000x10`: accounts, and slots of each.
    fn from_str(text: &str) -> Result<Self> {
        let (accounts, slots_each) = text.split_once('x').context("expected ACCOUNTSxSLOTS, such as 100000x10")?;
        Ok(Self { accounts: accounts.parse()?, slots_each: slots_each.parse()? })
    }
}

/// A made home, and room for copies.
pub(crate) struct Homes {
    pub(crate) size: Size,
    made: PathBuf,
    copy: PathBuf,
}

impl Homes {
    /// Makes the home with the program's own generator, unless it is there from an earlier run.
    pub(crate) fn make(arguments: &Arguments, size: Size) -> Result<Self> {
        let seed = arguments.seed;
        let made = arguments.scratch.join(format!("home-{size}-{seed}"));
        if !made.exists() {
            eprintln!("bench: making a home of {} accounts with {} slots each", size.accounts, size.slots_each);
            // What is not whole never has the name of what is.
            let unfinished = made.with_extension("unfinished");
            remove(&unfinished)?;
            let mut command = Command::new(&arguments.ferry);
            command.arg("gen").arg("--home").arg(&unfinished).args(["--accounts", &size.accounts.to_string()]);
            command.args(["--slots", &size.slots().to_string(), "--bank", &size.balances().to_string()]);
            command.args(["--wasm", &size.accounts.to_string(), "--seed", &seed.to_string()]);
            let status = command.stdout(Stdio::null()).status();
            let status = status.with_context(|| format!("cannot start {}", arguments.ferry.display()))?;
            if !status.success() {
                bail!("the generator failed: {status}");
            }
            fs::rename(&unfinished, &made).with_context(|| format!("cannot rename {}", unfinished.display()))?;
        }
        Ok(Self { size, made, copy: arguments.scratch.join("run") })
    }

    /// A fresh copy, which takes the place of the last one.
    pub(crate) fn copy(&self) -> Result<&Path> {
        remove(&self.copy)?;
        copy(&self.made, &self.copy).context("copying the home")?;
        Ok(&self.copy)
    }

    /// Removes the last copy.
    pub(crate) fn clear(&self) -> Result<()> {
        remove(&self.copy)
    }
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_as_it_is_read() {
        let size: Size = "400000x12".parse().expect("a size");
        assert_eq!((size.accounts, size.slots()), (400_000, 4_800_000));
        assert_eq!(size.to_string(), "400000x12");
        assert_eq!(
            "400000".parse::<Size>().expect_err("no slots").to_string(),
            "expected ACCOUNTSxSLOTS, such as 100000x10"
        );
    }
}
