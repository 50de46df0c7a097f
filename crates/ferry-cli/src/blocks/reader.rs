//! The stream of blocks in a recording.
//!
//! INVARIANT: the stream ends without an error only at a whole line, and in a gzip stream behind its checksum. An error
//! is the last item and is never taken for the end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::error::BlocksError;
use super::line::{self, Block, Chain, Place};

/// The longest line taken into memory: four times what a block of 64 MiB becomes in hex.
const LINE_BYTES_MAX: usize = 512 << 20;
const BUFFER_BYTES: usize = 256 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a recording block by block.
pub(crate) struct BlockReader {
    path: PathBuf,
    source: Box<dyn BufRead>,
    gzipped: bool,
    consumed: Arc<AtomicU64>,
    length: u64,
    line_bytes_max: usize,
    line: u64,
    text: Vec<u8>,
    last: Option<(u64, Chain)>,
    failed: bool,
}

impl BlockReader {
    /// Opens a recording, plain or gzipped: the first bytes tell.
    ///
    /// # Errors
    /// A file that cannot be opened or read.
    pub(crate) fn open(path: &Path) -> Result<Self, BlocksError> {
        let io_error = |source| BlocksError::Io { path: path.to_owned(), line: 0, source };
        let file = File::open(path).map_err(io_error)?;
        let length = file.metadata().map_err(io_error)?.len();
        let mut reader = Self::from_source(path, file).map_err(io_error)?;
        reader.length = length;
        Ok(reader)
    }

    /// A recording from any source; `path` is for its errors.
    pub(super) fn from_source(path: &Path, source: impl Read + 'static) -> io::Result<Self> {
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: source, consumed: Arc::clone(&consumed) };
        let (source, gzipped) = sniffed(counted)?;
        Ok(Self {
            path: path.to_owned(),
            source,
            gzipped,
            consumed,
            length: 0,
            line_bytes_max: LINE_BYTES_MAX,
            line: 0,
            text: Vec::new(),
            last: None,
            failed: false,
        })
    }

    #[cfg(test)]
    pub(super) fn with_line_bytes_max(mut self, limit: usize) -> Self {
        self.line_bytes_max = limit;
        self
    }

    /// Bytes of the file read so far, and its length.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.consumed.load(Ordering::Relaxed), self.length)
    }

    fn next_block(&mut self) -> Result<Option<Block>, BlocksError> {
        loop {
            self.line += 1;
            let whole_line = self.read_line()?;
            if self.text.is_empty() && !whole_line {
                return if self.last.is_some() {
                    Ok(None)
                } else {
                    Err(BlocksError::Empty { path: self.path.clone() })
                };
            }
            if !self.text.trim_ascii().is_empty() {
                return self.parse(whole_line).map(Some);
            }
        }
    }

    /// Reads a line into `text`, without its end; whether it had one.
    fn read_line(&mut self) -> Result<bool, BlocksError> {
        self.text.clear();
        let limit = self.line_bytes_max as u64 + 1;
        let read = (&mut self.source).take(limit).read_until(b'\n', &mut self.text);
        read.map_err(|source| self.read_error(source))?;
        let whole_line = self.text.last() == Some(&b'\n');
        if whole_line {
            self.text.pop();
        }
        if self.text.len() > self.line_bytes_max {
            return Err(BlocksError::LineTooLong {
                path: self.path.clone(),
                line: self.line,
                limit: self.line_bytes_max,
            });
        }
        Ok(whole_line)
    }

    fn parse(&mut self, whole_line: bool) -> Result<Block, BlocksError> {
        let line = self.line;
        let block = match line::parse(&self.text, Place { path: &self.path, line }) {
            Err(BlocksError::Json { source, .. }) if source.is_eof() && !whole_line => return Err(self.cut()),
            parsed => parsed?,
        };
        if let Some((height, chain)) = self.last {
            if !chain.same_kind(block.chain) {
                return Err(BlocksError::Kind { path: self.path.clone(), line });
            }
            let expected = height.saturating_add(1);
            if block.height != expected {
                return Err(BlocksError::Height { path: self.path.clone(), line, expected, got: block.height });
            }
        }
        self.last = Some((block.height, block.chain));
        Ok(block)
    }

    fn read_error(&self, source: io::Error) -> BlocksError {
        let (path, line) = (self.path.clone(), self.line);
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.cut(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if self.gzipped => {
                BlocksError::Gzip { path, line, source }
            }
            _ => BlocksError::Io { path, line, source },
        }
    }

    fn cut(&self) -> BlocksError {
        let whole = self.last.map_or(0, |(height, _)| height);
        BlocksError::Cut { path: self.path.clone(), line: self.line, whole }
    }
}

impl Iterator for BlockReader {
    type Item = Result<Block, BlocksError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_block().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Opens a text file that may be gzipped.
///
/// # Errors
/// A file that cannot be opened or read.
pub(crate) fn open_maybe_gzipped(path: &Path) -> io::Result<Box<dyn BufRead>> {
    sniffed(File::open(path)?).map(|(source, _)| source)
}

/// Unpacks the source if its first bytes are gzip's.
fn sniffed(source: impl Read + 'static) -> io::Result<(Box<dyn BufRead>, bool)> {
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    let gzipped = source.fill_buf()?.starts_with(&GZIP_MAGIC);
    if gzipped {
        Ok((Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(source))), true))
    } else {
        Ok((Box::new(source), false))
    }
}

/// Counts the bytes that pass, for the progress line.
struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
