//! Room for others: a process may have only so many mappings (`vm.max_map_count`, 65,530 unless changed), and one that has
//! them all can start no thread and enlarge no heap.
//!
//! So a region is refused (ENOMEM) well before. Views that outlive their regions do not count: what is left of closed
//! regions lies side by side, and is one mapping to the kernel. Counting means reading /proc/self/maps, so it is done only
//! after as many changes as could have brought the process to the limit.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;

use crate::error::{Error, ErrorKind};
use crate::sys::Sys;

/// What Linux allows unless it was told otherwise.
const USUAL: usize = 65_530;

/// Changes that may each have made one mapping more.
static CHANGES: AtomicUsize = AtomicUsize::new(0);
/// At how many of them the mappings are counted.
static NEXT: AtomicUsize = AtomicUsize::new(USUAL / 4);

/// Whether one mapping more leaves room for others: ENOMEM if it does not.
pub(super) fn for_one_more() -> Sys<()> {
    let changes = CHANGES.fetch_add(1, Ordering::Relaxed) + 1;
    if changes < NEXT.load(Ordering::Relaxed) {
        return Ok(());
    }
    // Without /proc nothing can be said, and mmap(2) itself refuses in the end.
    let Ok(there) = count() else { return Ok(()) };
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    let limit = limit.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(USUAL);
    // An eighth is for others.
    match (limit - limit / 8).checked_sub(there) {
        Some(left @ 1..) => {
            NEXT.store(changes + left.div_ceil(2), Ordering::Relaxed);
            Ok(())
        }
        _ => Err(Errno::ENOMEM),
    }
}

/// The error of a call that makes a region, with the limit that stands in its way: there are two, and regions are what comes to
/// them.
pub(super) fn refused(operation: &'static str, errno: Errno) -> Error {
    let limit = match errno {
        Errno::EMFILE => "a shared region keeps a descriptor, and the process may have no more of them (RLIMIT_NOFILE)",
        Errno::ENOMEM => {
            "no memory, no address space (RLIMIT_AS), or as many mappings as a process should have (vm.max_map_count)"
        }
        _ => return Error::os(operation, errno),
    };
    Error::new(ErrorKind::of(errno), format!("{}: {limit}", errno.desc())).during(operation).with_errno(errno)
}

/// The mappings that this process has.
fn count() -> std::io::Result<usize> {
    let mut lines = BufReader::with_capacity(1 << 16, File::open("/proc/self/maps")?);
    let mut number = 0;
    while lines.skip_until(b'\n')? > 0 {
        number += 1;
    }
    Ok(number)
}
