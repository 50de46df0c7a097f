//! The log: on stderr, filtered by `FERRY_LOG`, never on the stream that carries data.

use std::io;

use tracing_subscriber::EnvFilter;

/// The variable that holds the filter, for example `info` or `ferry=debug,warn`.
pub(crate) const FILTER_VARIABLE: &str = "FERRY_LOG";

/// Sends the log to stderr from here on.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("warn"));
    // A log that cannot be written is not worth a panic, which is what the default would do with a closed stderr.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It has no colours: asked for some, a build without that feature says so to every terminal.
    log.log_internal_errors(false).with_ansi(false).init();
}
