//! Numbers as people read them.

/// Digits in groups of three.
pub fn grouped(digits: &str) -> String {
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// A number with so many decimals, its thousands apart.
pub fn plain(number: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if number < 0.0 && !is_zero { "-" } else { "" };
    let fraction = fraction.map_or_else(String::new, |digits| format!(".{digits}"));
    format!("{sign}{}{fraction}", grouped(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(["7", "999", "1000", "1234567"].map(grouped), ["7", "999", "1 000", "1 234 567"]);
    }

    #[test]
    fn decimals_are_rounded_and_zero_has_no_sign() {
        let cases = [(1234.567, 1, "1 234.6"), (-0.04, 1, "0.0"), (-1500.0, 0, "-1 500"), (999.96, 1, "1 000.0")];
        for (number, decimals, expected) in cases {
            assert_eq!(plain(number, decimals), expected);
        }
    }
}
