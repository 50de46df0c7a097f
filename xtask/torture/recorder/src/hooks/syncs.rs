//! What makes bytes and names durable. `sync_file_range` promises nothing of the kind and is left alone.

use std::ffi::c_int;

use crate::fault::Asks;
use crate::hooks::{Turn, on_fd};
use crate::log::{Kind, Record};
use crate::real::next;
use crate::scope;

macro_rules! sync {
    ($name:ident, $data_only:expr) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(fd: c_int) -> c_int {
            match on_fd(stringify!($name), fd, Asks::Space) {
                Turn::Aside => next!($name(fd => c_int) -> c_int),
                Turn::Failed => -1,
                Turn::Ours(state, _) => {
                    let done = next!($name(fd => c_int) -> c_int);
                    if let (0, Some(found)) = (done, scope::at_fd(fd)) {
                        let record = Record::of(Kind::Sync, found.ino);
                        state.record(&Record { a: u64::from(found.is_dir), b: $data_only, ..record });
                    }
                    done
                }
            }
        }
    };
}
sync!(fsync, 0);
sync!(fdatasync, 1);
