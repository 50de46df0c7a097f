//! The program's exit codes, and which error leads to which.

use std::io;

use crate::blocks::BlocksError;
use crate::failure::Failure;

/// How the program ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Other = 1,
    Usage = 2,
    Divergence = 3,
    Corruption = 4,
    Locked = 5,
    Io = 6,
    Unfinished = 7,
    Refused = 8,
    Incompatible = 9,
    Interrupted = 130,
    Terminated = 143,
}

impl Exit {
    /// The exit code of an error: the outermost cause that has one decides.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        error.chain().find_map(Self::of_cause).unwrap_or(Self::Other)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return Some(failure.exit());
        }
        if let Some(error) = cause.downcast_ref::<ferry::Error>() {
            return Some(Self::of_kind(error.kind()));
        }
        if let Some(error) = cause.downcast_ref::<BlocksError>() {
            return Some(error.exit());
        }
        cause.downcast_ref::<io::Error>().map(|_| Self::Io)
    }

    fn of_kind(kind: ferry::ErrorKind) -> Self {
        use ferry::ErrorKind as Kind;
        match kind {
            Kind::Input | Kind::Configuration => Self::Usage,
            Kind::Corruption => Self::Corruption,
            Kind::Locked => Self::Locked,
            // A poisoned node has seen a failed write; what to look at is the device.
            Kind::Io | Kind::Poisoned => Self::Io,
            Kind::Retry | Kind::Unfinished => Self::Unfinished,
            Kind::Refused => Self::Refused,
            Kind::Incompatible => Self::Incompatible,
            Kind::Cancelled => Self::Interrupted,
            _ => Self::Other,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::Context;

    use super::*;

    #[test]
    fn the_cause_decides_whatever_context_stands_around_it() {
        let check = |error: anyhow::Error, expected| assert_eq!(Exit::of_error(&error), expected, "{error:#}");
        check(anyhow::anyhow!("no more than a sentence"), Exit::Other);
        check(io::Error::from(io::ErrorKind::StorageFull).into(), Exit::Io);
        let refused = Failure::HomeNotEmpty { home: PathBuf::from("here") };
        check(Err::<(), _>(refused).context("generating").expect_err("an error"), Exit::Refused);
    }
}
