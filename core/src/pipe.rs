//! The pipe inside splice: the kernel-side buffer that pages move through, and the count of bytes that are in it.
//!
//! Those bytes have left the source and have not reached the sink. Nobody else knows about them, so this type never
//! forgets them: the mechanism that owns it delivers them, keeps them for the next step, or hands them back.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, TryLockError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::fstat;

use crate::error::{Error, not_here};
use crate::sys::apart::tables::table;
use crate::sys::fork::Process;
use crate::sys::{Sys, SyscallCounter, heap};

/// How large the pipe is asked to be, in bytes. A pipe has 64 KiB by default, in 16 slots of a page or a packet each;
/// an unprivileged process may ask for up to /proc/sys/fs/pipe-max-size (1 MiB unless changed).
const WANTED: usize = 1 << 20;

/// How many idle pipes are kept. Making one costs four system calls, as much as moving 16 KiB through it.
const KEPT: usize = 4;

/// Idle pipes, all empty, and whose they are: of the process's own table of descriptors, and of the other one.
static IDLE: [Mutex<Idle>; 2] = [const { Mutex::new(Idle { owner: None, pipes: Vec::new() }) }; 2];

struct Idle {
    owner: Option<Owner>,
    pipes: Vec<Ends>,
}

/// The process and the table of descriptors ([`crate::sys::apart`]).
type Owner = (Process, u32);

fn owner() -> Owner {
    (Process::this(), table())
}

/// A pipe of our own, both ends non-blocking. Comes from the idle ones, and goes back there if it is empty when dropped.
#[derive(Debug)]
pub(crate) struct Pipe {
    ends: Option<Ends>,
    held: usize,
}

#[derive(Debug)]
struct Ends {
    /// Who made it. A child of fork(2) shares its parent's pipes, and must never put one among its own.
    owner: Owner,
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
    /// Device and inode number: what the pipe is known by, whatever becomes of the descriptors' numbers.
    identity: (u64, u64),
}

impl Ends {
    /// pipe2(2), then `F_SETPIPE_SZ`. A refused size is no error: the pipe is only smaller.
    fn new() -> Result<Self, Errno> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let capacity = fcntl(&write, FcntlArg::F_SETPIPE_SZ(WANTED as i32))
            .or_else(|_| fcntl(&write, FcntlArg::F_GETPIPE_SZ))
            .map_or(1 << 16, |size| size as usize);
        let identity = identity(&read)?;
        Ok(Self { owner: owner(), read, write, capacity, identity })
    }

    /// The pipe, if its descriptors still mean it. A program that closes every descriptor it does not know
    /// (`close_range(2)`, as a daemon does) has closed these, too, and may have opened others under their numbers: those
    /// are not ours, neither to use nor to close.
    fn if_still_there(self) -> Option<Self> {
        if [&self.read, &self.write].into_iter().all(|end| identity(end) == Ok(self.identity)) {
            return Some(self);
        }
        std::mem::forget(self);
        None
    }
}

fn identity(end: &OwnedFd) -> Result<(u64, u64), Errno> {
    fstat(end).map(|stat| (stat.st_dev, stat.st_ino))
}

impl Pipe {
    /// An empty pipe. [`ErrorKind::Refused`](crate::ErrorKind::Refused) where there is none to be had: the other ways need none.
    pub fn new() -> Result<Self, Error> {
        let idle = with_idle(|_, pipes| std::iter::from_fn(|| pipes.pop()).find_map(Ends::if_still_there)).flatten();
        let ends = idle.map_or_else(Ends::new, Ok);
        Ok(Self { ends: Some(ends.map_err(|errno| Error::sort("pipe2", errno, no_pipe))?), held: 0 })
    }

    /// The pipe in its place, made when it is first asked for.
    pub fn get(place: &mut Option<Self>) -> Result<&mut Self, Error> {
        match place {
            Some(pipe) => Ok(pipe),
            none => Ok(none.insert(Self::new()?)),
        }
    }

    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("a pipe has its ends until it is dropped")
    }

    /// The end that bytes come out of.
    pub fn read_end(&self) -> BorrowedFd<'_> {
        self.ends().read.as_fd()
    }

    /// The end that bytes go into.
    pub fn write_end(&self) -> BorrowedFd<'_> {
        self.ends().write.as_fd()
    }

    /// Capacity in bytes. Small packets can fill it long before (each takes a slot).
    pub fn capacity(&self) -> usize {
        self.ends().capacity
    }

    /// Bytes inside.
    pub fn held(&self) -> usize {
        self.held
    }

    /// splice(2) from a descriptor, as many bytes as the pipe may hold and `limit` at most.
    pub fn fill_from(
        &mut self,
        source: BorrowedFd<'_>,
        at: Option<u64>,
        limit: u64,
        calls: &mut SyscallCounter,
    ) -> Sys<usize> {
        let length = limit.min(self.capacity() as u64) as usize;
        let count = calls.splice(source, at, self.write_end(), None, length)?;
        self.held += count;
        Ok(count)
    }

    /// splice(2) of what is inside to a descriptor.
    pub fn drain_into(&mut self, sink: BorrowedFd<'_>, at: Option<u64>, calls: &mut SyscallCounter) -> Sys<usize> {
        let count = calls.splice(self.read_end(), None, sink, at, self.held)?;
        self.held -= count;
        Ok(count)
    }

    /// Takes at most `limit` bytes out again, by read(2).
    pub fn take_out(&mut self, limit: usize, calls: &mut SyscallCounter) -> Result<Vec<u8>, Error> {
        let mut bytes = heap::zeroes(self.held.min(limit)).map_err(|errno| Error::os("malloc", errno))?;
        let mut start = 0;
        while start < bytes.len() {
            match calls.read(self.read_end(), None, &mut bytes[start..]) {
                Ok(count) => {
                    self.drained(count);
                    start += count;
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::os("read", errno)),
            }
        }
        Ok(bytes)
    }

    /// `count` bytes were put in.
    pub fn filled(&mut self, count: usize) {
        self.held += count;
    }

    /// `count` bytes were taken out.
    pub fn drained(&mut self, count: usize) {
        self.held -= count;
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // With bytes inside it is of no use to anybody else.
        if self.held == 0
            && let Some(ends) = self.ends.take()
        {
            with_idle(|owner, pipes| {
                if pipes.len() < KEPT && ends.owner == owner {
                    pipes.push(ends);
                }
            });
        }
    }
}

/// Why there is no pipe, if that is what the errno means.
fn no_pipe(errno: Errno) -> Option<&'static str> {
    match errno {
        // The limits on descriptors (pipe(7)): the other ways need none.
        Errno::EMFILE | Errno::ENFILE => Some("no descriptor left for a pipe"),
        _ => not_here(errno),
    }
}

/// Why the kernel said no to splice(2), if that is what the errno means.
pub(crate) fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        // splice(2): an end that cannot be spliced, or a sink opened to append.
        Errno::EINVAL => Some("one of these ends does not support it"),
        Errno::EOPNOTSUPP | Errno::ENODEV => Some("the file system does not support it"),
        _ => not_here(errno),
    }
}

/// The idle pipes of this process and this thread's table; those a child of fork(2) has inherited are closed there. `None` while somebody else is
/// at them, who in such a child may be a thread that does not exist any more.
fn with_idle<T>(work: impl FnOnce(Owner, &mut Vec<Ends>) -> T) -> Option<T> {
    let owner = owner();
    let mut idle = match IDLE[usize::from(owner.1 != 0)].try_lock() {
        Ok(idle) => idle,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    if idle.owner != Some(owner) {
        idle.owner = Some(owner);
        idle.pipes.drain(..).for_each(|ends| drop(ends.if_still_there()));
    }
    Some(work(owner, &mut idle.pipes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_with_bytes_inside_is_never_used_again() {
        let mut pipe = Pipe::new().unwrap();
        nix::unistd::write(pipe.write_end(), b"left over").unwrap();
        pipe.filled(9);
        drop(pipe);
        for _ in 0..=KEPT {
            let pipe = Pipe::new().unwrap();
            assert_eq!(nix::unistd::read(pipe.read_end(), &mut [0; 16]), Err(Errno::EAGAIN));
            std::mem::forget(pipe);
        }
    }
}
