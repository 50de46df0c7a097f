//! The built program from outside: exit codes, streams, and what it leaves on disk.

mod common;

mod completions;
mod digests;
mod every;
mod export_import;
mod full_disk;
mod looking;
mod made_up_state;
mod plan;
mod read_only;
mod reconcile;
mod refusals;
mod replay_agrees;
mod replay_finds_differences;
mod run_live;
mod run_offline;
mod settings;
mod signals;
mod six_faults;
mod streams;
mod top;
mod verify;
mod walk_through;
mod writes_nothing;
