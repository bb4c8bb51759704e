//! Descriptors that were sent to another table: what they mean is theirs for as long as they are held, whatever becomes of the
//! numbers they came from.
//!
//! sendmsg(2) takes its reference at once (`SCM_RIGHTS`, unix(7)), in the sender's thread. They are taken out of the socket,
//! in the order they were sent, by whoever needs one at the other side.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::fstat;

use super::pool::{Caller, Pool};
use crate::error::{Error, Result};
use crate::sys::{Sys, rights};

/// A way for descriptors from the process's table into another one.
#[derive(Debug)]
pub(super) struct Channel {
    near: OwnedFd,
    /// Device and inode number of `near`, which others might close.
    identity: (u64, u64),
    /// How many have been sent.
    sent: Mutex<u64>,
    arrived: Mutex<Arrived>,
}

#[derive(Debug)]
struct Arrived {
    /// In the other table.
    far: RawFd,
    /// How many were taken out.
    count: u64,
    /// By their place in the order.
    held: HashMap<u64, Away>,
}

/// A descriptor in the other table, where it is closed.
#[derive(Debug)]
struct Away(RawFd);

impl Arrived {
    /// At the other side only.
    fn far(&self) -> BorrowedFd<'static> {
        // SAFETY: this thread's table is the one where it is open, until the end.
        unsafe { BorrowedFd::borrow_raw(self.far) }
    }
}

impl Channel {
    pub fn new(near: OwnedFd, far: RawFd) -> Sys<Self> {
        let identity = identity(near.as_fd())?;
        let arrived = Mutex::new(Arrived { far, count: 0, held: HashMap::new() });
        Ok(Self { near, identity, sent: Mutex::new(0), arrived })
    }

    /// Whether the near end still is what it was.
    pub fn is_there(&self) -> bool {
        identity(self.near.as_fd()) == Ok(self.identity)
    }

    /// Whether nothing comes any more: every copy of the near end is closed. At the other side only.
    pub fn has_ended(&self) -> bool {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let mut far = [PollFd::new(arrived.far(), PollFlags::empty())];
        poll(&mut far, PollTimeout::ZERO) == Ok(1)
            && far[0].revents().is_some_and(|now| now.contains(PollFlags::POLLHUP))
    }

    /// Gives back the descriptor's place in the order.
    fn send(&self, fd: BorrowedFd<'_>) -> Sys<u64> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let (one, flags) = ([std::io::IoSlice::new(&[0])], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
        let number = [fd.as_raw_fd()];
        sendmsg::<()>(self.near.as_raw_fd(), &one, &[ControlMessage::ScmRights(&number)], flags, None)?;
        *sent += 1;
        Ok(*sent)
    }

    /// Takes out all up to that one. At the other side only.
    fn arrived(&self, place: u64) -> MutexGuard<'_, Arrived> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        while arrived.count < place {
            match rights::receive(arrived.far(), &mut [0]) {
                Ok(received) => {
                    arrived.count += 1;
                    let place = arrived.count;
                    // None, if there was no room in the table.
                    if let Some(fd) = received.descriptors.into_iter().next() {
                        arrived.held.insert(place, Away(std::os::fd::IntoRawFd::into_raw_fd(fd)));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        arrived
    }
}

/// What a descriptor refers to, as in [`crate::endpoint::Facts`].
pub fn identity(fd: BorrowedFd<'_>) -> Sys<(u64, u64)> {
    fstat(fd).map(|stat| crate::sys::files::identity(&stat))
}

/// A descriptor in another table, until this is released or dropped.
#[derive(Debug)]
pub struct Held {
    pool: &'static Pool,
    place: u64,
    released: AtomicBool,
}

impl Held {
    /// Sends a copy of this descriptor there. Does not wait for anybody but the table's own threads.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadDescriptor`]; [`ErrorKind::Os`] and others where there can be no such table, or no descriptors be sent.
    pub fn new(fd: BorrowedFd<'_>) -> Result<Self> {
        let current = || Pool::current().map_err(|errno| Error::os("close_range", errno));
        let mut pool = current()?;
        let mut sent = pool.channel.send(fd);
        if sent.is_err() && !pool.channel.is_there() {
            // Closed by somebody since it was looked at.
            pool = current()?;
            sent = pool.channel.send(fd);
        }
        pool.enter();
        let sent = match sent {
            // Nobody has taken out what is on its way, of which there can be only so much.
            Err(Errno::EAGAIN | Errno::ETOOMANYREFS) => {
                let sent = *pool.channel.sent.lock().unwrap_or_else(PoisonError::into_inner);
                pool.run(|_| drop(pool.channel.arrived(sent))).and_then(|()| pool.channel.send(fd))
            }
            sent => sent,
        };
        match sent {
            Ok(place) => Ok(Self { pool, place, released: AtomicBool::new(false) }),
            Err(errno) => {
                pool.leave();
                Err(Error::os("sendmsg", errno))
            }
        }
    }

    /// The descriptor, in the other table: for [`Self::run`]'s work.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`] (EMFILE) if there was no room for it; [`ErrorKind::BadDescriptor`] outside of that table.
    pub fn descriptor(&self) -> Result<BorrowedFd<'_>> {
        if !self.pool.is_here() || self.released.load(Ordering::Relaxed) {
            return Err(Error::os("recvmsg", Errno::EBADF));
        }
        let arrived = self.pool.channel.arrived(self.place);
        let number = arrived.held.get(&self.place).ok_or_else(|| Error::os("recvmsg", Errno::EMFILE))?.0;
        // SAFETY: open in this thread's table until this is released there.
        Ok(unsafe { BorrowedFd::borrow_raw(number) })
    }

    /// Takes it over, in the other table.
    ///
    /// # Errors
    ///
    /// As [`Self::descriptor`].
    pub(crate) fn take(&self) -> Result<OwnedFd> {
        self.descriptor()?;
        self.released.store(true, Ordering::Relaxed);
        taken(self.pool, self.place).ok_or_else(|| Error::os("recvmsg", Errno::EBADF))
    }

    /// Has `work` done by a thread of that table, and waits for it; what it asks for through [`Caller::call`] is done here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`]: EAGAIN if there is no thread for it; [`ErrorKind::Inherited`] in a child of fork(2).
    pub fn run<T: Send>(&self, work: impl FnOnce(&Caller<'_>) -> T + Send) -> Result<T> {
        self.pool.run(work).map_err(|errno| refused(self.pool, errno))
    }

    /// Closes it, from inside [`Self::run`]'s work.
    pub fn release(&self) {
        if self.pool.is_here() && !self.released.swap(true, Ordering::Relaxed) {
            close(self.pool, self.place);
        }
    }

    /// Whether it is open there still.
    pub fn is_open(&self) -> bool {
        !self.released.load(Ordering::Relaxed) && self.pool.is_ours()
    }

    /// Closes it, from the table that it comes from, and waits for that; dropped, it is closed some time soon.
    pub fn close(&self) {
        // Without a thread that is what remains.
        let _ = self.pool.run(|_| self.release());
    }

    /// Keeps a value whose descriptors are of that table.
    pub fn resident<T: Send + 'static>(&self, value: T) -> Resident<T> {
        self.pool.enter();
        Resident { pool: self.pool, value: Some(Box::new(value)) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (pool, place, released) = (self.pool, self.place, *self.released.get_mut());
        let last = move || {
            if !released {
                close(pool, place);
            }
            pool.leave();
        };
        if !pool.is_ours() {
        } else if released || pool.is_here() {
            last();
        } else {
            pool.leave_to(last);
        }
    }
}

/// At the other side.
fn close(pool: &Pool, place: u64) {
    drop(taken(pool, place));
}

/// At the other side.
fn taken(pool: &Pool, place: u64) -> Option<OwnedFd> {
    let Away(number) = pool.channel.arrived(place).held.remove(&place)?;
    // SAFETY: it was owned by the table of arrivals, which has forgotten it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// ECHILD is for a child of fork(2).
fn refused(pool: &Pool, errno: Errno) -> Error {
    pool.process.check().err().unwrap_or_else(|| Error::os("clone", errno))
}

/// A value whose descriptors are of another table: it is used and dropped by that table's threads. A child of fork(2), who
/// has no such table, leaves it alone.
#[derive(Debug)]
pub struct Resident<T: Send + 'static> {
    pool: &'static Pool,
    value: Option<Box<T>>,
}

impl<T: Send + 'static> Resident<T> {
    /// Has something done to it.
    ///
    /// # Errors
    ///
    /// As [`Held::run`].
    pub fn run<R: Send>(&mut self, work: impl FnOnce(&mut T, &Caller<'_>) -> R + Send) -> Result<R> {
        let value = self.value.as_deref_mut().expect("it is there until it is dropped");
        self.pool.run(|caller| work(value, caller)).map_err(|errno| refused(self.pool, errno))
    }

    /// The value, for what it knows without its descriptors.
    pub fn value(&mut self) -> &mut T {
        self.value.as_deref_mut().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for Resident<T> {
    fn drop(&mut self) {
        let (Some(value), pool) = (self.value.take(), self.pool) else { return };
        if !pool.is_ours() {
            std::mem::forget(value);
            return;
        }
        let last = move || {
            drop(value);
            pool.leave();
        };
        if pool.is_here() {
            last();
        } else {
            pool.leave_to(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::FileExt;

    use nix::fcntl::{FcntlArg, fcntl};

    use super::super::beside::{duplicate, may_have_locks};
    use super::*;
    use crate::Endpoint;

    fn file_of(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn it_is_what_it_was_when_the_number_is_anothers() {
        let (mine, other) = (file_of(b"mine"), file_of(b"other"));
        let held = Held::new(mine.as_fd()).unwrap();
        // SAFETY: dup2(2) over a descriptor that is this test's own.
        assert!(unsafe { libc::dup2(other.as_raw_fd(), mine.as_raw_fd()) } >= 0);
        let read = held.run(|_| {
            let mut bytes = [0; 4];
            let found = nix::sys::uio::pread(held.descriptor().unwrap(), &mut bytes, 0).unwrap();
            held.release();
            assert!(held.descriptor().is_err());
            (found, bytes)
        });
        assert_eq!(read.unwrap(), (4, *b"mine"));
        assert!(held.descriptor().is_err(), "its number means nothing here");
    }

    #[test]
    fn a_lock_survives_all_that_is_done() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let file = std::fs::File::options().read(true).write(true).open(file.path()).unwrap();
        // SAFETY: all-zero is a valid flock.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        fcntl(&file, FcntlArg::F_SETLK(&lock)).unwrap();
        for _ in 0..3 {
            let held = Held::new(file.as_fd()).unwrap();
            held.run(|_| drop(duplicate(held.descriptor().unwrap()).unwrap())).unwrap();
            drop(Held::new(file.as_fd()).unwrap());
        }
        // Those that were dropped have been closed by then.
        let last = Held::new(file.as_fd()).unwrap();
        last.run(|_| last.release()).unwrap();
        assert!(may_have_locks(file.as_fd()));
    }

    #[test]
    fn the_calling_thread_is_asked_and_a_panic_comes_back() {
        let file = file_of(b"");
        let held = Held::new(file.as_fd()).unwrap();
        let here = std::thread::current().id();
        let (asked, there) =
            held.run(|caller| (caller.call(|| std::thread::current().id()), std::thread::current().id())).unwrap();
        assert_eq!(asked, here);
        assert_ne!(there, here);
        for _ in 0..3 {
            let panicked =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| held.run(|_| panic!("on purpose"))));
            assert!(panicked.is_err());
        }
        assert_eq!(held.run(|_| 7).unwrap(), 7);
    }

    #[test]
    fn many_wait_for_each_other_and_each_has_a_thread() {
        let file = file_of(b"");
        let helds: Vec<_> = (0..32).map(|_| Held::new(file.as_fd()).unwrap()).collect();
        let all = std::sync::Barrier::new(helds.len());
        std::thread::scope(|scope| {
            for held in &helds {
                scope.spawn(|| held.run(|_| all.wait()).unwrap());
            }
        });
    }

    #[test]
    fn more_are_sent_than_fit_on_the_way() {
        let file = file_of(b"mine");
        let helds: Vec<_> = (0..600).map(|_| Held::new(file.as_fd()).unwrap()).collect();
        for held in helds.iter().rev() {
            held.run(|_| held.descriptor().map(drop)).unwrap().unwrap();
        }
    }

    #[test]
    fn a_value_is_dropped_where_it_lives_and_a_stream_ends_then() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let held = Held::new(writer.as_fd()).unwrap();
        let end = held.run(|_| Endpoint::owning(duplicate(held.descriptor().unwrap()).unwrap()).unwrap()).unwrap();
        let mut resident = held.resident(end);
        drop((writer, held));
        let written = resident.run(|end, _| nix::unistd::write(end.descriptor().unwrap(), b"all").unwrap());
        assert_eq!(written.unwrap(), 3);
        drop(resident);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"all");
    }

    #[test]
    fn a_channel_that_was_closed_is_made_again() {
        let file = file_of(b"mine");
        let first = Pool::current().unwrap();
        let other = file_of(b"not a socket");
        // SAFETY: dup2(2) over a descriptor of this process, as a program does that takes all numbers for its own.
        assert!(unsafe { libc::dup2(other.as_raw_fd(), first.channel.near.as_raw_fd()) } >= 0);
        let held = Held::new(file.as_fd()).unwrap();
        assert!(!std::ptr::eq(held.pool, first));
        let mut bytes = [0; 4];
        held.run(|_| nix::sys::uio::pread(held.descriptor().unwrap(), &mut bytes, 0).unwrap()).unwrap();
        assert_eq!((&bytes, other.read_at(&mut [0; 16], 0).unwrap()), (b"mine", 12));
        // What others hold there keeps it until they let go, and a child that is about to be another program keeps the way in.
        while !first.is_over() {
            first.end_if_closed();
            std::thread::yield_now();
        }
    }

    #[test]
    fn tables_take_turns_and_each_keeps_its_pool() {
        let file = file_of(b"");
        let pool = || Held::new(file.as_fd()).unwrap().pool;
        let (ours, theirs) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ours.wait();
                // SAFETY: this thread's own table from then on, in which nobody else misses what is closed.
                unsafe {
                    assert_eq!(libc::unshare(libc::CLONE_FILES), 0);
                    Pool::all().for_each(|pool| assert!(libc::close(pool.channel.near.as_raw_fd()) <= 0));
                }
                let first = pool();
                theirs.wait();
                ours.wait();
                assert!(std::ptr::eq(first, pool()));
            });
            pool();
            ours.wait();
            theirs.wait();
            // In ours the newest one is of another table.
            pool();
            ours.wait();
        });
    }
}
