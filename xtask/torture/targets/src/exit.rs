//! The exit codes that the reader of recordings names.

/// How the program would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A file that is not as it must be.
    Other,
    /// The device's fault.
    Io,
}
