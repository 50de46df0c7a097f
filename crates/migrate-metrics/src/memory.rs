//! The process's anonymous memory: what it really takes, without the pages of mapped snapshots.

/// Bytes of `RssAnon` in `/proc/self/status`; none where the system has no such file.
pub fn anonymous_bytes() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_and_read_in_kibibytes() {
        assert_eq!(parse("Name:\tferry\nVmRSS:\t  9 kB\nRssAnon:\t    1234 kB\nRssFile:\t 5 kB\n"), Some(1234 * 1024));
    }

    #[test]
    fn whatever_else_stands_there_is_no_figure() {
        for status in ["", "RssAnon:", "RssAnon:\tmany kB", "RssAnon:\t12 MB", "RssAnon:\t99999999999999999999 kB"] {
            assert_eq!(parse(status), None, "{status}");
        }
    }
}
