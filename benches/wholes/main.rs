//! The whole runs: what a node does in a second, beside what this machine could do at most, both from one run.
//!
//! ```text
//! limits   rows hashed, leaves hashed, a block's bytes written and synced, rows read, without anything around them
//! live     blocks of a migration, with a caller's writes and with readers
//! import   all keys of a stopped node at once, beside the least that any import must do
//! reads    point reads while a migration goes on and behind it, with the slowest one by one
//! parked   readers while the committing thread stands still at each kill point
//! growth   what a key costs in homes of different sizes
//! reopen   opening, by the blocks that are to be replayed
//! rewrite  blocks while a snapshot of memiavl is written
//! ```
//! Figures of different runs are not compared: machines are shared. Ratios of one run are. Several parts run each in a
//! process of its own, so that the memory of one is not that of another.

mod growth;
mod home;
mod import;
mod keys;
mod life;
mod limits;
mod live;
mod machine;
mod measure;
mod memory;
mod parked;
mod progress;
mod readers;
mod reads;
mod reopen;
mod rewrite;
mod sorted;
mod task;

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use serde_json::json;

use crate::home::Size;
use crate::task::{Part, Task};

/// Runs whole nodes and prints what they did beside the limits of this machine.
#[derive(Parser)]
struct Arguments {
    /// The program that makes homes.
    #[arg(long)]
    ferry: PathBuf,
    /// Where homes are made; on the disk that is to be measured.
    #[arg(long)]
    scratch: PathBuf,
    /// EVM accounts of the home; ten storage slots each.
    #[arg(long, default_value_t = 100_000)]
    accounts: u64,
    /// Keys that one block moves (live).
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000")]
    batch: Vec<u64>,
    /// The caller's writes in one block (live).
    #[arg(long, value_delimiter = ',', default_value = "0,500,5000")]
    writes: Vec<usize>,
    /// Threads that read meanwhile (live).
    #[arg(long, value_delimiter = ',', default_value = "0,2")]
    readers: Vec<usize>,
    /// Blocks of one run, if the migration lasts so long (live).
    #[arg(long, default_value_t = 100)]
    blocks: u64,
    /// Homes to import, as ACCOUNTSxSLOTS.
    #[arg(long, value_delimiter = ',', default_value = "100000x10,400000x12")]
    import: Vec<Size>,
    /// Keys of the homes in which a key's cost is measured; 10000000 takes much more time and disk.
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000")]
    growth: Vec<u64>,
    /// How long the committing thread is parked at each point.
    #[arg(long, default_value_t = 2.0)]
    park_seconds: f64,
    /// After how many blocks the node is opened again.
    #[arg(long, value_delimiter = ',', default_value = "0,25,50,125")]
    reopen_blocks: Vec<u64>,
    /// Blocks while snapshots are written, and as many while none is.
    #[arg(long, default_value_t = 400)]
    rewrite_blocks: u64,
    /// What is run.
    #[arg(long, value_delimiter = ',', default_value = "limits,live,import,reads,parked,growth,reopen,rewrite")]
    parts: Vec<Part>,
    /// What every choice follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the figures are written as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// One piece of a run, in a process of its own: its figures go to the file, and nothing else is run.
    #[arg(long, hide = true, requires = "task_json")]
    task: Option<Task>,
    #[arg(long, hide = true)]
    task_json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let (Some(task), Some(path)) = (arguments.task, &arguments.task_json) {
        return write(path, &task.run(&arguments)?);
    }
    let began = Instant::now();
    let machine = machine::Machine::look()?;
    let mut figures = json!({ "schema_version": 2, "threads": threads(), "accounts": arguments.accounts });
    let tasks = Task::of(&arguments);
    for task in &tasks {
        eprintln!("bench: {task}, {:.0} s since the beginning", began.elapsed().as_secs_f64());
        // Alone, a part runs in this process: that is what a profile is taken of.
        let part = if tasks.len() == 1 { task.run(&arguments)? } else { task.run_apart(&arguments)? };
        task.add(&mut figures, part)?;
    }
    figures["machine"] = machine.describe()?;
    figures["seconds"] = began.elapsed().as_secs_f64().into();
    for table in figures::runs::TABLES {
        // Lines of live were printed as they came.
        if let Some(text) = table.text(&figures).filter(|_| table.rows != "/live") {
            println!("\n{text}");
        }
    }
    arguments.json.as_ref().map_or(Ok(()), |path| write(path, &figures))
}

fn write(path: &PathBuf, figures: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(figures)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` on as many threads as there are cores; each is told its number. What they return, or an error of one.
fn on_all_cores<T: Send>(work: impl Fn(u64) -> Result<T> + Sync) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..threads() as u64).map(|number| scope.spawn(move || work(number))).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?).collect()
    })
}
