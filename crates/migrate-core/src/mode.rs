//! The chain of migrations: which modules live where, in which mode, and which step may follow.
//!
//! ```text
//! version  mode while it lasts      mode that leads on       it moves
//! 0        memiavl_only             migrate_evm              evm
//! 1        evm_migrated             migrate_all_but_bank     all but evm and bank
//! 2        all_migrated_but_bank    migrate_bank             bank
//! 3        flatkv_only              -
//! ```

use std::fmt;
use std::str::FromStr;

/// The module that moves first.
pub const EVM_MODULE: &str = "evm";
/// The module that moves last.
pub const BANK_MODULE: &str = "bank";
/// The modules of the chain that this was made for; the set is configuration.
pub const DEFAULT_MODULES: [&str; 20] = [
    "acc",
    "authz",
    "bank",
    "capability",
    "distribution",
    "epoch",
    "evidence",
    "evm",
    "feegrant",
    "gov",
    "ibc",
    "mint",
    "oracle",
    "params",
    "slashing",
    "staking",
    "tokenfactory",
    "transfer",
    "upgrade",
    "wasm",
];
/// The version at which everything has moved.
pub const LAST_VERSION: u64 = 3;

/// A write mode, in the order in which a chain goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// All in memiavl; FlatKV does not exist.
    MemiavlOnly,
    /// Moves `evm`.
    MigrateEvm,
    /// `evm` in FlatKV.
    EvmMigrated,
    /// Moves all but `evm` and `bank`.
    MigrateAllButBank,
    /// All but `bank` in FlatKV.
    AllMigratedButBank,
    /// Moves `bank`.
    MigrateBank,
    /// All in FlatKV; memiavl rests.
    FlatkvOnly,
}

/// Where the pairs of a module go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Straight to memiavl.
    Old,
    /// To the side of the boundary that each key stands on.
    Moving,
    /// Straight to FlatKV.
    New,
}

/// A name that is no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown write mode: expected one of auto, {} got={got}", Mode::ALL.map(Mode::as_str).join(", "))]
pub struct UnknownMode {
    /// The name found.
    pub got: String,
}

impl Mode {
    /// All modes in the order of the chain.
    pub const ALL: [Self; 7] = [
        Self::MemiavlOnly,
        Self::MigrateEvm,
        Self::EvmMigrated,
        Self::MigrateAllButBank,
        Self::AllMigratedButBank,
        Self::MigrateBank,
        Self::FlatkvOnly,
    ];

    /// The mode's name, as recorded and configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemiavlOnly => "memiavl_only",
            Self::MigrateEvm => "migrate_evm",
            Self::EvmMigrated => "evm_migrated",
            Self::MigrateAllButBank => "migrate_all_but_bank",
            Self::AllMigratedButBank => "all_migrated_but_bank",
            Self::MigrateBank => "migrate_bank",
            Self::FlatkvOnly => "flatkv_only",
        }
    }

    /// The mode in which a chain at `version` stands while nothing is in flight; none for a version that does not exist.
    pub const fn resting_at(version: u64) -> Option<Self> {
        match version {
            0 => Some(Self::MemiavlOnly),
            1 => Some(Self::EvmMigrated),
            2 => Some(Self::AllMigratedButBank),
            3 => Some(Self::FlatkvOnly),
            _ => None,
        }
    }

    /// The mode that moves a chain on from `version`; none from the last version.
    pub const fn migrating_from(version: u64) -> Option<Self> {
        match version {
            0 => Some(Self::MigrateEvm),
            1 => Some(Self::MigrateAllButBank),
            2 => Some(Self::MigrateBank),
            _ => None,
        }
    }

    /// The versions that the mode's migration leads from and to; none for a mode that moves nothing.
    pub const fn migration(self) -> Option<(u64, u64)> {
        match self {
            Self::MigrateEvm => Some((0, 1)),
            Self::MigrateAllButBank => Some((1, 2)),
            Self::MigrateBank => Some((2, 3)),
            _ => None,
        }
    }

    /// The version at which the mode rests, or from which it leads.
    pub const fn base_version(self) -> u64 {
        match self {
            Self::MemiavlOnly | Self::MigrateEvm => 0,
            Self::EvmMigrated | Self::MigrateAllButBank => 1,
            Self::AllMigratedButBank | Self::MigrateBank => 2,
            Self::FlatkvOnly => 3,
        }
    }

    /// The next mode in the chain.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| *mode > self)
    }

    /// Where the pairs of `module` go.
    pub fn route(self, module: &str) -> Route {
        let (moves, rest) = match module {
            EVM_MODULE => (Self::MigrateEvm, Self::EvmMigrated),
            BANK_MODULE => (Self::MigrateBank, Self::FlatkvOnly),
            _ => (Self::MigrateAllButBank, Self::AllMigratedButBank),
        };
        match self {
            mode if mode < moves => Route::Old,
            mode if mode < rest => Route::Moving,
            _ => Route::New,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name).ok_or_else(|| UnknownMode { got: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for mode in Mode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert_eq!("flatkv".parse::<Mode>(), Err(UnknownMode { got: "flatkv".to_owned() }));
    }

    #[test]
    fn each_module_moves_once_along_the_chain() {
        for module in DEFAULT_MODULES {
            let routes = Mode::ALL.map(|mode| mode.route(module));
            assert!(routes.is_sorted_by_key(|route| *route as u8), "{module}: {routes:?}");
            assert_eq!(routes.iter().filter(|route| **route == Route::Moving).count(), 1);
        }
        assert_eq!(Mode::MigrateEvm.route("evm"), Route::Moving);
        assert_eq!(Mode::MigrateAllButBank.route("acc"), Route::Moving);
        assert_eq!(Mode::MigrateBank.route("bank"), Route::Moving);
    }
}
