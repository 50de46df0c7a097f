//! What makes bytes and names durable. `sync_file_range` promises nothing of the kind and is left alone.

use std::ffi::c_int;

use crate::fault::Asks;
use crate::hooks::{Turn, on_fd};
use crate::log::{Kind, Record};
use crate::real::next;
use crate::scope;
use crate::state::State;

fn record(state: &State, kind: Kind, fd: c_int, data_only: u64) {
    if let Some(found) = scope::at_fd(fd) {
        state.record(&Record { a: u64::from(found.is_dir), b: data_only, ..Record::of(kind, found.ino) });
    }
}

macro_rules! sync {
    ($name:ident, $data_only:expr) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int) -> c_int {
            match on_fd(stringify!($name), fd, Asks::Sync) {
                Turn::Aside => next!($name(fd => c_int) -> c_int),
                Turn::Failed(state) => {
                    record(&state, Kind::FailedSync, fd, $data_only);
                    -1
                }
                Turn::Ours(state, _) => {
                    let done = next!($name(fd => c_int) -> c_int);
                    if done == 0 {
                        record(&state, Kind::Sync, fd, $data_only);
                    }
                    done
                }
            }
        }
    };
}
sync!(fsync, 0);
sync!(fdatasync, 1);
