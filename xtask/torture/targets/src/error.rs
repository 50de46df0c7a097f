//! The errors that the reader of manifests names.

/// What is wrong with a manifest.
#[derive(Debug)]
#[expect(dead_code, reason = "a target only asks whether there is an error")]
pub(crate) enum Error {
    /// Another format.
    ExportFormat { expected: u32, got: u32 },
    /// Damage, or figures that contradict each other.
    Manifest { what: &'static str },
    /// Another app hash than the trusted one.
    AppHashUntrusted { height: u64, expected: changeset::Hash, got: changeset::Hash },
}
