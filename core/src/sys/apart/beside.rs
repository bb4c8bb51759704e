//! What holds a file where there can be no other table of descriptors, as under a filter that denies unshare(2)
//! and `close_range(2)`.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

use nix::fcntl::{FcntlArg, fcntl};

use crate::error::{Error, Result};
use crate::sys::process::same_description;

/// A duplicate in the process's own table, for where there can be no other. It is not closed while this process has a POSIX
/// lock on the file, which would go with it, but when it has none any more (as far as that can be said: a lock that is taken
/// in that very moment is lost). Until then it serves whoever wants a duplicate of the same, so that there is one of each.
#[derive(Debug)]
pub struct Beside(Option<OwnedFd>);

/// Those whose time has not come.
static PARKED: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

impl Beside {
    /// Of this descriptor.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadDescriptor`], [`ErrorKind::Os`] if there is no room for it.
    pub fn new(fd: BorrowedFd<'_>) -> Result<Self> {
        let same = |parked: &OwnedFd| same_description(parked.as_raw_fd(), fd.as_raw_fd()) == Some(true);
        if let Ok(mut parked) = PARKED.try_lock()
            && let Some(place) = parked.iter().position(same)
        {
            return Ok(Self(Some(parked.swap_remove(place))));
        }
        duplicate(fd).map(|fd| Self(Some(fd)))
    }
}

/// A duplicate that is closed on exec.
///
/// # Errors
///
/// As [`Beside::new`].
pub fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: the kernel has made it for the caller.
    let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(0)).map(own).map_err(|errno| Error::os("fcntl", errno))
}

impl AsFd for Beside {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_ref().expect("it is there until it is dropped").as_fd()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let fd = self.0.take();
        // Held by another thread it may be for ever, in a child of fork(2).
        let Ok(mut parked) = PARKED.try_lock() else {
            std::mem::forget(fd);
            return;
        };
        parked.extend(fd);
        parked.retain(|fd| may_have_locks(fd.as_fd()));
    }
}

/// Whether this process may have a POSIX lock on the file. Where the first lock in the way is not its own, only the whole list
/// of locks tells, and says too little of which file each is on: one on any file is enough.
pub(super) fn may_have_locks(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: all-zero is a valid flock: the whole file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    // An open file description finds those of its own process, too.
    let asked = fcntl(fd, FcntlArg::F_OFD_GETLK(&mut lock));
    let found = asked.is_ok() && lock.l_type != libc::F_UNLCK as libc::c_short;
    found && (lock.l_pid.cast_unsigned() == std::process::id() || has_locks() != Some(false))
}

/// Whether this process has a POSIX lock on any file, or waits for one; `None` if that cannot be said.
fn has_locks() -> Option<bool> {
    // The kernel writes a page of the list at once, or less: a lock and who waits for it are not torn apart. Between two reads
    // locks of others go, and as many are passed over; so only a list that one read has given whole is believed.
    let mut list = [0; 4096];
    let mut locks = std::fs::File::open("/proc/locks").ok()?;
    let count = locks.read(&mut list).ok()?;
    if locks.read(&mut [0]).ok()? > 0 {
        return None;
    }
    let process = std::fs::read_link("/proc/self").ok()?;
    let process = process.to_str()?;
    let is_its = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|&word| word != "POSIX");
        // Then come ADVISORY, and READ or WRITE.
        words.nth(3) == Some(process)
    };
    Some(std::str::from_utf8(&list[..count]).ok()?.lines().any(is_its))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn open(path: &std::path::Path) -> std::fs::File {
        std::fs::File::options().read(true).write(true).open(path).unwrap()
    }

    fn lock(file: &std::fs::File, set: impl FnOnce(&libc::flock) -> FcntlArg<'_>) {
        // SAFETY: all-zero is a valid flock: the whole file.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        fcntl(file, set(&lock)).unwrap();
    }

    /// There, if this process may be there.
    fn on_processor(number: usize, work: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: all-zero is an empty set, and the kernel reads a local of the size that it is told.
                unsafe {
                    let mut set: libc::cpu_set_t = std::mem::zeroed();
                    libc::CPU_SET(number, &mut set);
                    libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
                }
                work();
            });
        });
    }

    fn is_open(number: i32) -> bool {
        // SAFETY: only asks.
        unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
    }

    #[test]
    fn it_is_kept_while_there_is_a_lock_and_serves_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let file = open(file.path());
        lock(&file, |lock| FcntlArg::F_SETLK(lock));
        let number = |beside: &Beside| beside.as_fd().as_raw_fd();
        let first = Beside::new(file.as_fd()).unwrap();
        let kept = number(&first);
        drop(first);
        assert!(may_have_locks(file.as_fd()) && is_open(kept), "not closed while there is one");
        for _ in 0..3 {
            assert_eq!(number(&Beside::new(file.as_fd()).unwrap()), kept);
        }
        let (one, other) = (Beside::new(file.as_fd()).unwrap(), Beside::new(file.as_fd()).unwrap());
        assert_ne!(number(&one), number(&other), "a duplicate has one user");
    }

    #[test]
    fn none_is_passed_over_while_others_come_and_go() {
        let file = tempfile::tempfile().unwrap();
        lock(&file, |lock| FcntlArg::F_SETLK(lock));
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let files: Vec<_> = (0..8).map(|_| tempfile::tempfile().unwrap()).collect();
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        for file in &files {
                            file.lock().unwrap();
                        }
                        for file in &files {
                            file.unlock().unwrap();
                        }
                    }
                });
            }
            let missed = (0..20_000).filter(|_| has_locks() == Some(false)).count();
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(missed, 0);
        });
    }

    /// The kernel keeps a lock and who waits for it together: what does not fit a page is left for the next read.
    #[test]
    fn none_is_passed_over_behind_many_who_wait() {
        let (ours, contended) = (tempfile::tempfile().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let held = open(contended.path());
        // The list goes by the processors on which the locks were taken.
        on_processor(0, || held.lock().unwrap());
        // Something small that comes first, so that the large one is not alone on the page.
        let small = tempfile::tempfile().unwrap();
        on_processor(0, || small.lock().unwrap());
        let last = std::thread::available_parallelism().unwrap().get() - 1;
        on_processor(last, || lock(&ours, |lock| FcntlArg::F_SETLK(lock)));
        std::thread::scope(|scope| {
            for _ in 0..90 {
                scope.spawn(|| open(contended.path()).lock().unwrap());
            }
            while std::fs::read_to_string("/proc/locks").unwrap().matches("->").count() < 90 {
                std::thread::yield_now();
            }
            let said = has_locks();
            drop(held);
            assert_ne!(said, Some(false));
        });
    }

    #[test]
    fn the_lock_of_somebody_else_keeps_nothing() {
        // As the only test of a process, which therefore has no lock of another test's.
        const ALONE: &str = "ZCIO_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = "sys::apart::beside::tests::the_lock_of_somebody_else_keeps_nothing";
            let program = std::env::current_exe().unwrap();
            let done = Command::new(program).args([name, "--exact"]).env(ALONE, "").output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let named = tempfile::NamedTempFile::new().unwrap();
        let (file, other) = (open(named.path()), open(named.path()));
        lock(&other, |lock| FcntlArg::F_OFD_SETLK(lock));
        // It may be kept for a while: as long as the machine's list of locks is too long to be read at once.
        let is_closed = || {
            let beside = Beside::new(file.as_fd()).unwrap();
            let number = beside.as_fd().as_raw_fd();
            drop(beside);
            !is_open(number)
        };
        for _ in 0..1000 {
            if is_closed() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("it is kept although the lock is not of this process");
    }
}
