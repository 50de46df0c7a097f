//! Rust source as far as the rules must understand it: code apart from comments and literals, functions, test modules.

use std::ops::Range;

/// Source text whose comments and literals are blanked out; every byte keeps its place.
#[derive(Debug)]
pub(crate) struct Code {
    text: String,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// Offset of the `fn`.
    pub(crate) offset: usize,
    /// Line of the `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from the `fn` to the closing brace.
    pub(crate) lines: usize,
}

impl Code {
    pub(crate) fn new(source: &str) -> Self {
        Self { text: blank(source) }
    }

    /// The code; same length as the source.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The line that byte `offset` stands in, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
    }

    /// Offsets at which `word` stands alone, not as a part of a longer name.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let bytes = self.text.as_bytes();
        self.text.match_indices(word).map(|(offset, _)| offset).filter(move |offset| {
            let before = offset.checked_sub(1).and_then(|index| bytes.get(index));
            !before.is_some_and(|byte| is_name(*byte))
                && !bytes.get(offset + word.len()).is_some_and(|byte| is_name(*byte))
        })
    }

    /// All functions that have a body.
    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        self.words("fn").filter_map(|offset| self.function(offset)).collect()
    }

    fn function(&self, offset: usize) -> Option<Function<'_>> {
        let rest = self.text.get(offset + 2..)?;
        let start = offset + 2 + (rest.len() - rest.trim_start().len());
        let length = self.text[start..].bytes().take_while(|byte| is_name(*byte)).count();
        if length == 0 {
            return None; // `fn(…)`, a type
        }
        let open = self.body(start + length)?;
        let end = self.closing(open)?;
        let line = self.line(offset);
        Some(Function { name: &self.text[start..start + length], offset, line, lines: self.line(end) - line + 1 })
    }

    /// Where the body of the function whose signature goes on at `from` opens; none if it has no body.
    fn body(&self, from: usize) -> Option<usize> {
        let mut depth = 0i32;
        for (index, byte) in self.text.bytes().enumerate().skip(from) {
            match byte {
                b'(' | b'[' => depth += 1,
                b')' | b']' => depth -= 1,
                b';' if depth == 0 => return None,
                b'{' if depth == 0 => return Some(index),
                _ => {}
            }
        }
        None
    }

    /// The offset of what closes the bracket at `open`.
    pub(crate) fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0i32;
        for (index, byte) in self.text.bytes().enumerate().skip(open) {
            match byte {
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The lines of modules that only tests compile, from 1.
    pub(crate) fn test_modules(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        for (offset, attribute) in self.text.match_indices("#[cfg(test)]") {
            let after = &self.text[offset + attribute.len()..];
            let Some(open) = after.find(['{', ';']) else { continue };
            let head = &after[..open];
            if !head.split_whitespace().any(|word| word == "mod") || after.as_bytes()[open] == b';' {
                continue;
            }
            if let Some(end) = self.closing(offset + attribute.len() + open) {
                ranges.push(self.line(offset)..self.line(end) + 1);
            }
        }
        ranges
    }
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Replaces comments and the insides of literals by spaces; newlines stay.
fn blank(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(source, at);
        if end > at {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    // UNWRAP: whole characters were replaced, by ASCII.
    String::from_utf8(out).expect("blanked text is UTF-8")
}

/// The end of the comment or literal that begins at `at`; `at` itself if none does.
fn skip(source: &str, at: usize) -> usize {
    let rest = &source.as_bytes()[at..];
    let before = at.checked_sub(1).and_then(|index| source.as_bytes().get(index));
    let length = if rest.starts_with(b"//") {
        rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
    } else if rest.starts_with(b"/*") {
        block_comment(rest)
    } else if rest[0] == b'"' {
        quoted(rest, b'"')
    } else if rest[0] == b'\'' {
        character(rest)
    } else if rest[0] == b'r' && !before.is_some_and(|byte| is_name(*byte) && !matches!(byte, b'b' | b'c')) {
        raw_string(rest)
    } else {
        0
    };
    at + length
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a literal in `quote`s, escapes respected.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal, or nothing if it is a lifetime.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return quoted(rest, b'\'');
    }
    let width = match rest.get(1) {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
}

/// `r"…"`, `r#"…"#` and so on; nothing if it is a raw identifier or another name.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = 2 + hashes;
    let found = rest[body..].windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |index| body + index + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_nothing_moves() {
        let check = |source: &str, expected: &str| {
            let code = Code::new(source);
            assert_eq!(code.text(), expected);
            assert_eq!(code.text().len(), source.len());
        };
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("x\"y", 1)"#, "f(      , 1)");
        check(r##"f(r#"a"b"#, br"c")"##, "f(        , b    )");
        check("m('{', '\\'', b'x')", "m(   ,     , b   )");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("m('é', '€')", "m(    ,      )");
        check("r#type + for_r\"x\"", "r#type + for_r   ");
    }

    #[test]
    fn functions_are_measured_from_their_fn_to_their_brace() {
        let source = "trait T { fn none(&self) -> [u8; 4]; }\nfn one() {}\nconst fn three(f: fn(u8) -> u8)\n{\n}\n";
        let code = Code::new(source);
        let functions = code.functions();
        assert_eq!(
            functions,
            [
                Function { name: "one", offset: 39, line: 2, lines: 1 },
                Function { name: "three", offset: 57, line: 3, lines: 3 },
            ]
        );
    }

    #[test]
    fn a_test_module_ends_at_its_brace() {
        let source =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    const X: char = '}';\n}\nfn b() {}\n#[cfg(test)]\nmod more;\n";
        assert_eq!(Code::new(source).test_modules().first(), Some(&(2..6)));
    }
}
