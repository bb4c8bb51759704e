//! What keeps a descriptor what it was when the caller named it, until the operation is over.
//!
//! A stream (a socket, a pipe, a terminal) is duplicated in the process's table. A regular file is not, because closing *any*
//! descriptor of a file drops all of the process's POSIX locks on it (fcntl(2)), and nobody expects that of a transfer: it is
//! sent to another table of descriptors ([`zcio::apart`]), and so are the other ends, and the work is done there. Where
//! there can be no other table it is duplicated, and that is closed when the process has no lock on the file.
//!
//! With the GIL held nothing comes between the look at an object and the hold, because an object gives up its number before it
//! releases the GIL to close it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use pyo3::prelude::*;
use zcio::apart::{Beside, Caller, Held, Resident, duplicate};
use zcio::{Endpoint, ErrorKind, Kind};

use crate::descriptors::End;
use crate::errors;
use crate::interrupt::{Watch, detached, opened};

/// A descriptor that is held.
pub struct Hold {
    here: Here,
    /// In the other table.
    away: Option<Held>,
    /// `None` if the number meant nothing.
    identity: Option<(u64, u64)>,
}

/// What there is of it in the process's table.
enum Here {
    Stream(OwnedFd),
    File(Option<Beside>),
    /// The number meant nothing.
    Nothing,
}

impl Hold {
    /// Of what this number means now. A number that means nothing is told when it is used.
    pub fn of_number(py: Python<'_>, number: RawFd) -> PyResult<Self> {
        Self::new(number).map_err(|error| errors::exception(py, &error, &[], &[]))
    }

    fn new(number: RawFd) -> zcio::error::Result<Self> {
        let fd = borrow(number);
        let facts = match Endpoint::new(fd) {
            Ok(end) => *end.facts(),
            Err(error) if error.kind() == ErrorKind::BadDescriptor => {
                return Ok(Self { here: Here::Nothing, away: None, identity: None });
            }
            Err(error) => return Err(error),
        };
        let identity = Some(facts.identity);
        if !matches!(facts.kind, Kind::File | Kind::BlockDevice | Kind::Directory) {
            return Ok(Self { here: Here::Stream(duplicate(fd)?), away: None, identity });
        }
        match Held::new(fd) {
            Ok(held) => Ok(Self { here: Here::File(None), away: Some(held), identity }),
            Err(_) => Ok(Self { here: Here::File(Some(Beside::new(fd)?)), away: None, identity }),
        }
    }

    /// The descriptor, where the ends are.
    pub fn descriptor(&self) -> zcio::error::Result<BorrowedFd<'_>> {
        match (&self.away, &self.here) {
            (Some(held), _) if zcio::apart::is_here() => held.descriptor(),
            (_, Here::Stream(fd)) if !zcio::apart::is_here() => Ok(fd.as_fd()),
            (_, Here::File(Some(fd))) if !zcio::apart::is_here() => Ok(fd.as_fd()),
            // A number that is never open: no table is as large.
            _ => Ok(borrow(RawFd::MAX)),
        }
    }

    /// The duplicate of a stream.
    pub fn stream(&self) -> Option<BorrowedFd<'_>> {
        if let Here::Stream(fd) = &self.here { Some(fd.as_fd()) } else { None }
    }

    /// What there is in the other table.
    pub fn held(&self) -> Option<&Held> {
        self.away.as_ref()
    }

    /// Takes that over.
    pub fn take_held(&mut self) -> Option<Held> {
        self.away.take()
    }

    /// Sends it to the other table as well, because another end is there.
    fn follow(&mut self) -> zcio::error::Result<()> {
        if self.away.is_none() && !matches!(self.here, Here::Nothing) {
            self.away = Some(Held::new(self.descriptor()?)?);
        }
        Ok(())
    }

    /// What it is of ([`zcio::apart::identity`]).
    pub fn identity(&self) -> Option<(u64, u64)> {
        self.identity
    }

    /// Whether that number means the same.
    pub fn is_of(&self, number: RawFd) -> bool {
        number >= 0 && self.identity.is_some() && zcio::apart::identity(borrow(number)) == self.identity
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.away.iter().for_each(let_go);
    }
}

/// Closes what was sent and not used, so that a call that is refused leaves nothing open; without the GIL, as Python closes a file.
pub fn let_go(held: &Held) {
    if held.is_open() {
        Python::try_attach(|py| py.detach(|| held.close()));
    }
}

/// Brings all ends to where one of them is, if one of them is a file that was open.
pub fn gather(ends: &mut [End]) -> zcio::error::Result<()> {
    let mut holds: Vec<_> = ends.iter_mut().filter_map(End::hold_mut).collect();
    if holds.iter().any(|hold| hold.away.is_some()) {
        holds.iter_mut().try_for_each(|hold| hold.follow())?;
    }
    Ok(())
}

/// Opens the paths, in the calling thread, if one of the other ends is in another table. False if that might have to wait and
/// is not to.
pub fn send(ends: &mut [End], wait: bool, watch: &mut Watch) -> zcio::error::Result<bool> {
    if ends.iter().all(|end| end.held().is_none()) {
        return Ok(true);
    }
    // Destinations come last: they may have to be created.
    for end in ends {
        if !opened(watch, &Caller::HERE, || end.send(wait))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Does `work` without the GIL, where the ends are, and lets go of them.
pub fn run<T: Send>(
    py: Python<'_>,
    ends: &mut [End],
    watch: &mut Watch,
    work: impl FnOnce(&[End], &mut Watch, &Caller<'_>) -> T + Send,
) -> PyResult<zcio::error::Result<T>> {
    detached(py, || {
        gather(ends)?;
        send(ends, true, watch)?;
        run_gathered(ends, watch, work)
    })
}

/// [`run`] for who opens paths later, without the GIL and with the ends gathered.
pub fn run_gathered<T: Send>(
    ends: &[End],
    watch: &mut Watch,
    work: impl FnOnce(&[End], &mut Watch, &Caller<'_>) -> T + Send,
) -> zcio::error::Result<T> {
    zcio::apart::run(ends.iter().find_map(End::held), |caller| {
        let outcome = work(ends, watch, caller);
        ends.iter().filter_map(End::held).for_each(Held::release);
        outcome
    })
}

/// A value that lives where its ends are.
pub enum Lodging<T: Send + 'static> {
    Here(T),
    Away(Resident<T>),
}

impl<T: Send + 'static> Lodging<T> {
    /// In the table that this is in.
    pub fn new(held: Option<&Held>, value: T) -> Self {
        match held {
            Some(held) => Self::Away(held.resident(value)),
            None => Self::Here(value),
        }
    }

    /// Without the GIL.
    pub fn run<R: Send>(&mut self, work: impl FnOnce(&mut T, &Caller<'_>) -> R + Send) -> zcio::error::Result<R> {
        match self {
            Self::Here(value) => Ok(work(value, &Caller::HERE)),
            Self::Away(resident) => resident.run(work),
        }
    }

    /// For what it knows without its descriptors.
    pub fn value(&mut self) -> &mut T {
        match self {
            Self::Here(value) => value,
            Self::Away(resident) => resident.value(),
        }
    }
}

/// For an endpoint that its user drops before the hold.
pub fn unbound<'fd>(fd: BorrowedFd<'_>) -> BorrowedFd<'fd> {
    borrow(fd.as_raw_fd())
}

/// The number as the standard library's I/O functions want it.
pub fn borrow<'fd>(number: RawFd) -> BorrowedFd<'fd> {
    debug_assert!(number >= 0);
    // SAFETY: the number is not -1 (checked by the callers). It is only handed to system calls, which answer EBADF if it is
    // not open; that it stays what it is is what a `Hold` is for.
    unsafe { BorrowedFd::borrow_raw(number) }
}
