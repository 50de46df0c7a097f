//! A thread that reads keys of the newest view, a view for each read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use ferry::Views;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::record::{Choice, Kind, Record};
use super::scheduler::{INTERVAL_READS, Scheduler};
use super::zipf::Zipf;
use crate::keys::KeyList;

/// Zipf's exponent, as benchmarks of stores have it.
const EXPONENT: f64 = 0.99;
/// One read of so many is of a key that is not there.
const ABSENT_EVERY: u32 = 8;
/// Turns a key's last byte into one that no key of a home has there: neighbours differ in it by less, the rest is random.
const ABSENT: u8 = 0x55;

/// What a reader chooses from.
pub(super) struct Reader {
    views: Views,
    keys: Arc<KeyList>,
    zipf: Zipf,
    random: ChaCha8Rng,
}

impl Reader {
    /// Of `keys` of the module evm, whose order says their ranks.
    pub(super) fn new(views: Views, keys: Arc<KeyList>, seed: u64) -> Self {
        let (zipf, random) = (Zipf::new(keys.len(), EXPONENT), ChaCha8Rng::seed_from_u64(seed));
        Self { views, keys, zipf, random }
    }

    /// Reads until it is told to stop, by turns of [`INTERVAL_READS`] uniformly and by Zipf's distribution.
    pub(super) fn read_until(mut self, stop: &AtomicBool) -> Result<Record> {
        let (mut record, mut scheduler) = (Record::default(), Scheduler::of_this_thread()?);
        let mut choice = Choice::Uniform;
        while !stop.load(Ordering::Relaxed) {
            self.turn(choice, &mut record, &mut scheduler)?;
            choice = if choice == Choice::Uniform { Choice::Zipf } else { Choice::Uniform };
        }
        Ok(record)
    }

    /// So many reads of one choice.
    pub(super) fn read(mut self, reads: u64, choice: Choice) -> Result<Record> {
        let (mut record, mut scheduler) = (Record::default(), Scheduler::of_this_thread()?);
        for _ in 0..reads.div_ceil(INTERVAL_READS) {
            self.turn(choice, &mut record, &mut scheduler)?;
        }
        Ok(record)
    }

    fn turn(&mut self, choice: Choice, record: &mut Record, scheduler: &mut Scheduler) -> Result<()> {
        scheduler.ask()?;
        let mut absent = Vec::new();
        for _ in 0..INTERVAL_READS {
            let rank = match choice {
                Choice::Uniform => self.random.random_range(0..self.keys.len()),
                Choice::Zipf => self.zipf.sample(&mut self.random),
            };
            let (present, _) = self.keys.at(rank);
            let is_absent = self.random.random_ratio(1, ABSENT_EVERY);
            let key = if is_absent { changed(present, &mut absent) } else { present };
            let began = Instant::now();
            let view = self.views.latest()?;
            let value = view.get("evm", key)?;
            let read = began.elapsed();
            ensure!(value.is_some() != is_absent, "a read went wrong: key={key:02x?} is_absent={is_absent}");
            let kind = match is_absent {
                true => Kind::Absent,
                false if view.cursor_of("evm")?.is_migrated("evm", key) => Kind::Migrated,
                false => Kind::UnMigrated,
            };
            // Letting a view go is the reader's work too.
            let going = Instant::now();
            drop(view);
            let time = read + going.elapsed();
            record.add(kind, choice, time);
            if record.is_slow(time) {
                record.add_slow(kind, choice, time, scheduler.ask()?);
            }
        }
        Ok(())
    }
}

/// A key that is not there, beside one that is.
fn changed<'b>(key: &[u8], buffer: &'b mut Vec<u8>) -> &'b [u8] {
    buffer.clear();
    buffer.extend_from_slice(key);
    if let Some(last) = buffer.last_mut() {
        *last ^= ABSENT;
    }
    buffer
}

/// Every thread's record in one.
pub(super) fn together(records: Vec<Record>) -> Result<Record> {
    let mut all = Record::default();
    records.iter().try_for_each(|record| all.append(record))?;
    Ok(all)
}
