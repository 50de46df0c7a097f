//! FlatKV's behaviour, seen from outside.

mod commits;
mod common;
mod made;
mod model;
mod opening;
mod processes;
mod recorded_rows;
mod rollback;
mod semantics;
mod upkeep;
mod verify;
mod views;
