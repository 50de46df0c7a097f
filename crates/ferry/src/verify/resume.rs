//! Progress of a check, kept in a file outside the home, so that one that was interrupted goes on.
//!
//! ```text
//! a JSON object a line
//! {"begun": …}              what is checked: block, roots, checks, ranges of rows, a hash over all pieces
//! {"opened": n}             a run begins, the first one too
//! {"found": …, "piece": p}  a finding of piece p
//! {"done": p, …}            piece p was read to its end, in this run: its findings of this run count
//! ```
//! A last line without its end was being written when the run was interrupted, and is cut off. What is found behind the first
//! pass is found anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use flatkv::{Lane, RowRange, Tally};
use serde::{Deserialize, Serialize};

use super::finding::{Check, Finding, FindingKind};
use super::subject::Subject;
use super::work::{Heard, Piece};
use crate::error::{Error, Hex};
use crate::home::Home;

const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    format: u32,
    height: u64,
    /// A hash over the roots of both stores.
    state: String,
    checks: Vec<String>,
    /// Lane, and bounds in hex.
    ranges: Vec<(String, Option<String>, Option<String>)>,
    /// A hash over what the pieces are.
    pieces: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Begun(Begun),
    Opened(u64),
    Found { piece: usize, kind: String, module: String, lane: Option<String>, key: Option<String>, detail: String },
    Done { piece: usize, records: u64, tally: String },
}

/// What earlier runs have done.
#[derive(Default)]
pub(super) struct Before {
    pub(super) done: BTreeSet<usize>,
    pub(super) records: u64,
    pub(super) tally: Tally,
}

/// The file of a run.
pub(super) struct Kept {
    path: PathBuf,
    file: BufWriter<File>,
    /// What an earlier run has begun; none in a new file.
    begun: Option<Begun>,
}

impl Kept {
    /// Opens the file at `path`, or makes it. In the home nothing is made.
    pub(super) fn open(path: &Path, home: Option<&Home>) -> Result<Self, Error> {
        if home.is_some_and(|home| is_inside(home.root(), path)) {
            return Err(Error::ProgressFile { path: path.to_owned(), what: "it lies in the home" });
        }
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(io_error("open", path))?;
        let mut first = String::new();
        BufReader::new(&file).read_line(&mut first).map_err(io_error("read", path))?;
        let begun = match serde_json::from_str(&first) {
            Ok(Line::Begun(begun)) if first.ends_with('\n') => Some(begun),
            _ if first.is_empty() => None,
            // Somebody else's: it stays as it is.
            _ => return Err(foreign(path)),
        };
        cut_last_line(&mut file).map_err(io_error("cut", path))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), begun })
    }

    /// The ranges of rows that an earlier run has begun with: the tables may have been merged since.
    pub(super) fn ranges(&self) -> Option<Vec<RowRange>> {
        let bound = |bound: &Option<String>| bound.as_ref().map(|hex| hex::decode(hex).unwrap_or_default());
        let range = |(lane, start, end): &(String, Option<String>, Option<String>)| {
            Some(RowRange { lane: lane_of(lane)?, start: bound(start), end: bound(end) })
        };
        self.begun.as_ref().and_then(|begun| begun.ranges.iter().map(range).collect())
    }

    /// Begins the file, or compares what it is about and says what its runs have done; `found` hears of what they found.
    pub(super) fn go_on(
        &mut self,
        subject: &Subject,
        checks: &[Check],
        ranges: &[RowRange],
        pieces: &[Piece<'_>],
        found: &mut dyn FnMut(Finding) -> Result<(), Error>,
    ) -> Result<Before, Error> {
        let now = Begun::of(subject, checks, ranges, pieces);
        match &self.begun {
            Some(begun) if *begun != now => {
                let said =
                    |begun: &Begun| format!("height {} state {} pieces {}", begun.height, begun.state, begun.pieces);
                let (expected, got) = (said(begun), said(&now));
                return Err(Error::ProgressOfAnother { path: self.path.clone(), expected, got });
            }
            Some(_) => {}
            None => self.write(&Line::Begun(now))?,
        }
        let (before, run) = self.before(found)?;
        self.write(&Line::Opened(run))?;
        self.flush()?;
        Ok(before)
    }

    /// Notes what is heard of a piece.
    pub(super) fn note(&mut self, piece: usize, heard: &Heard) -> Result<(), Error> {
        match heard {
            Heard::Found(finding) => self.write(&Line::Found {
                piece,
                kind: finding.kind.as_str().to_owned(),
                module: finding.module.clone(),
                lane: finding.lane.map(|lane| lane.name().to_owned()),
                key: finding.key.as_deref().map(hex::encode),
                detail: finding.detail.clone(),
            }),
            Heard::Done { records, tally } => {
                self.write(&Line::Done { piece, records: *records, tally: hex::encode(tally.encode()) })?;
                self.flush()
            }
        }
    }

    /// Deletes the file: the check is over.
    pub(super) fn finish(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(io_error("delete", &self.path))
    }

    /// What the runs so far have done, and the number of the next one. A finding counts if its run has done its piece.
    fn before(&self, found: &mut dyn FnMut(Finding) -> Result<(), Error>) -> Result<(Before, u64), Error> {
        let (mut before, mut run, mut done_in) = (Before::default(), 0, BTreeMap::new());
        self.read(&mut |line| {
            match line {
                Line::Opened(_) => run += 1,
                Line::Done { piece, records, tally } if before.done.insert(piece) => {
                    let tally = hex::decode(tally).ok().and_then(|tally| Tally::decode(&tally).ok());
                    before.tally.merge(tally.ok_or_else(|| self.foreign())?);
                    before.records += records;
                    done_in.insert(piece, run);
                }
                _ => {}
            }
            Ok(())
        })?;
        let mut reading = 0;
        self.read(&mut |line| match line {
            Line::Opened(_) => {
                reading += 1;
                Ok(())
            }
            Line::Found { piece, kind, module, lane, key, detail } if done_in.get(&piece) == Some(&reading) => {
                let kind = FindingKind::ALL.into_iter().find(|known| known.as_str() == kind);
                let key = key.map(hex::decode).transpose().map_err(|_| self.foreign())?;
                let lane = lane.as_deref().and_then(lane_of);
                found(Finding { kind: kind.ok_or_else(|| self.foreign())?, module, lane, key, detail })
            }
            _ => Ok(()),
        })?;
        Ok((before, run + 1))
    }

    fn read(&self, heard: &mut dyn FnMut(Line) -> Result<(), Error>) -> Result<(), Error> {
        let file = File::open(&self.path).map_err(io_error("read", &self.path))?;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(io_error("read", &self.path))?;
            heard(serde_json::from_str(&line).map_err(|_| self.foreign())?)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &Line) -> Result<(), Error> {
        let text = serde_json::to_string(line).map_err(io::Error::from);
        text.and_then(|text| writeln!(self.file, "{text}")).map_err(io_error("write", &self.path))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.file.flush().map_err(io_error("write", &self.path))
    }

    fn foreign(&self) -> Error {
        foreign(&self.path)
    }
}

impl Begun {
    fn of(subject: &Subject, checks: &[Check], ranges: &[RowRange], pieces: &[Piece<'_>]) -> Self {
        let hex = |bound: &Option<Vec<u8>>| bound.as_deref().map(hex::encode);
        let mut state = blake3::Hasher::new();
        state.update(&subject.flatkv.as_ref().map_or([0; 32], flatkv::View::root));
        for (name, root) in subject.memiavl.iter().flat_map(memiavl::View::roots) {
            state.update(name.as_bytes());
            state.update(&root);
        }
        let mut all = blake3::Hasher::new();
        for piece in pieces {
            let (kind, name, range) = match piece {
                Piece::Rows(range) => ("rows", range.lane.name(), format!("{:?} {:?}", range.start, range.end)),
                Piece::Leaves(name, tree, range) => ("leaves", name.as_str(), format!("{} {range:?}", tree.version())),
                Piece::Branches(name, tree, range) => {
                    ("branches", name.as_str(), format!("{} {range:?}", tree.version()))
                }
                Piece::Across(module, ranks) => ("across", module.as_str(), format!("{ranks:?}")),
                Piece::Search(..) => ("search", "", String::new()),
            };
            all.update(format!("{kind} {name} {range}\n").as_bytes());
        }
        let short = |hash: blake3::Hasher| Hex(&hash.finalize().as_bytes()[..16]).to_string();
        Self {
            format: FORMAT,
            height: subject.height,
            state: short(state),
            checks: checks.iter().map(|check| check.as_str().to_owned()).collect(),
            ranges: ranges.iter().map(|r| (r.lane.name().to_owned(), hex(&r.start), hex(&r.end))).collect(),
            pieces: short(all),
        }
    }
}

fn foreign(path: &Path) -> Error {
    Error::ProgressFile { path: path.to_owned(), what: "it holds something else" }
}

fn lane_of(name: &str) -> Option<Lane> {
    Lane::ALL.into_iter().find(|lane| lane.name() == name)
}

/// Cuts off a last line that has no end, and stands behind the others.
fn cut_last_line(file: &mut File) -> io::Result<()> {
    file.rewind()?;
    let mut whole = 0;
    let mut reader = BufReader::new(&*file);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line)? {
            0 => break,
            read if line.ends_with(b"\n") => whole += read as u64,
            _ => break,
        }
    }
    file.set_len(whole)?;
    file.seek(io::SeekFrom::End(0)).map(|_| ())
}

/// Whether `path` lies in `home`, whatever they are called.
fn is_inside(home: &Path, path: &Path) -> bool {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (home.canonicalize(), parent.canonicalize()) {
        (Ok(home), Ok(parent)) => parent.starts_with(home),
        _ => path.starts_with(home),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
