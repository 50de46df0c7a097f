//! Whether readers keep their pace while the thread that commits is parked between two steps of a commit.
//!
//! A thread that is parked leaves its core to the readers, so what they do then is compared with what they do while it
//! sleeps between two blocks: a reader that waited for anything of the commit would show as fewer reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ferry::{KillPoint, Views};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::Arguments;
use crate::home::Homes;
use crate::keys::KeyList;
use crate::life::{Life, Plan};
use crate::measure::Times;
use crate::readers::Readers;

const READERS: usize = 2;
/// Every so many keys of evm one is read.
const STEP: usize = 8;
/// The states of the thread that makes blocks, by number: none that counts, asleep between blocks, making blocks, and parked
/// at each point.
const UNCOUNTED: usize = 0;
const ASLEEP: usize = 1;
const MAKING: usize = 2;
const PARKED: usize = 3;
const STATES: usize = PARKED + KillPoint::ALL.len();

/// What the committing thread is doing, for readers to see, and how long it did so.
struct Stage {
    state: AtomicUsize,
    /// The state in which the next block is to park.
    wanted: AtomicUsize,
    lasted: Mutex<[Duration; STATES]>,
}

impl Stage {
    /// Does `work` in a state.
    fn during<T>(&self, state: usize, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        self.state.store(state, Ordering::SeqCst);
        let done = work();
        self.state.store(UNCOUNTED, Ordering::SeqCst);
        self.lasted.lock()[state] += began.elapsed();
        done
    }
}

/// Parks at every point, one after the other.
pub(crate) fn run(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let park = Duration::from_secs_f64(arguments.park_seconds);
    let mut life = Life::open(homes.copy()?, homes.size, Plan::usual(arguments.seed))?;
    let keys = Arc::new(KeyList::read(&life.node, "evm", &[], STEP)?);
    let stage = Arc::new(Stage { state: UNCOUNTED.into(), wanted: UNCOUNTED.into(), lasted: Mutex::default() });
    let hook = Arc::clone(&stage);
    life.node.set_kill_hook(Box::new(move |point| {
        let state = PARKED + KillPoint::ALL.iter().position(|known| *known == point).unwrap_or(STATES);
        if hook.wanted.compare_exchange(state, UNCOUNTED, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            hook.during(state, || thread::sleep(park));
        }
    }));
    life.block()?;
    let readers = Readers::start(READERS, |number| {
        let (views, keys, stage) = (life.node.views(), Arc::clone(&keys), Arc::clone(&stage));
        let random = ChaCha8Rng::seed_from_u64(arguments.seed + 1 + number);
        move |stop: &_| read_until(stop, &views, &keys, &stage, random)
    });
    for (at, point) in KillPoint::ALL.into_iter().enumerate() {
        eprintln!("bench: parked: asleep, making blocks, then parked at {point}, {park:?} each");
        stage.during(ASLEEP, || thread::sleep(park));
        stage.during(MAKING, || blocks_for(&mut life, park))?;
        stage.wanted.store(PARKED + at, Ordering::SeqCst);
        life.block()?;
        ensure!(stage.wanted.load(Ordering::SeqCst) == UNCOUNTED, "no block came by {point}");
    }
    let times = together(&readers.stop()?)?;
    life.node.close()?;
    rows(&times, stage.lasted.lock().as_slice())
}

fn blocks_for(life: &mut Life, time: Duration) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time {
        life.block()?;
    }
    Ok(())
}

fn read_until(
    stop: &AtomicBool,
    views: &Views,
    keys: &KeyList,
    stage: &Stage,
    mut random: ChaCha8Rng,
) -> Result<Vec<Times>> {
    let mut times = vec![Times::default(); STATES];
    while !stop.load(Ordering::Relaxed) {
        let (key, _) = keys.at(random.random_range(0..keys.len()));
        let state = stage.state.load(Ordering::Relaxed);
        let began = Instant::now();
        views.latest()?.get("evm", key)?.context("a key is gone")?;
        times[state].add(began.elapsed());
    }
    Ok(times)
}

fn together(seen: &[Vec<Times>]) -> Result<Vec<Times>> {
    let mut all = vec![Times::default(); STATES];
    for times in seen {
        all.iter_mut().zip(times).try_for_each(|(all, times)| all.append(times))?;
    }
    Ok(all)
}

fn rows(times: &[Times], lasted: &[Duration]) -> Result<Value> {
    let per_second = |state: usize| times[state].len() as f64 / lasted[state].as_secs_f64();
    let asleep = per_second(ASLEEP);
    ensure!(asleep > 0.0, "nothing was read while the committing thread slept");
    let row = |state: usize| {
        let name = match state {
            ASLEEP => "asleep between blocks",
            MAKING => "making blocks",
            parked => KillPoint::ALL[parked - PARKED].as_str(),
        };
        json!({
            "thread": name, "seconds": lasted[state].as_secs_f64(), "reads_per_second": per_second(state),
            "share_of_asleep": per_second(state) / asleep, "read": times[state].report(),
        })
    };
    Ok((ASLEEP..STATES).map(row).collect())
}
