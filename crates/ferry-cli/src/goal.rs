//! The modes that a migration can end in: what `--to` takes.

use ferry::Mode;

/// Where a run or a rehearsal leads. The other modes move keys, or none has moved in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// Of evm nothing is left in memiavl.
    EvmMigrated,
    /// Of all modules but bank nothing is left there.
    AllMigratedButBank,
    /// memiavl holds nothing any more.
    #[value(alias = "all")]
    FlatkvOnly,
}

impl From<Goal> for Mode {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::EvmMigrated => Self::EvmMigrated,
            Goal::AllMigratedButBank => Self::AllMigratedButBank,
            Goal::FlatkvOnly => Self::FlatkvOnly,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn what_is_listed_are_the_modes_that_a_migration_leads_into() {
        let listed = Goal::value_variants().iter().map(|goal| Mode::from(*goal));
        let ends = Mode::ALL.windows(2).filter(|pair| pair[0].migration().is_some()).map(|pair| pair[1]);
        assert!(listed.eq(ends));
        for goal in Goal::value_variants() {
            let name = goal.to_possible_value().expect("a name").get_name().to_owned();
            assert_eq!(name.parse(), Ok(Mode::from(*goal)), "{name} is the mode's own");
        }
    }

    #[test]
    fn all_is_the_last_mode() {
        assert_eq!(Goal::from_str("all", false), Ok(Goal::FlatkvOnly));
        assert!(Goal::from_str("everything", false).is_err());
    }
}
