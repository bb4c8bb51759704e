//! Threads that share a table of descriptors which is not the process's, and what they are given to do.
//!
//! The first one leaves the process's table; it starts the others, which therefore share its own, and it never ends, so that
//! the table stays. One more than is at work waits for the next job, because only a thread of the table can start another.
//! A pool belongs to one process: a child of fork(2) has none of the threads, makes a pool of its own, and takes no lock of
//! its parent's. A pool whose way in has been closed everywhere ends its threads, and the table with them, as soon as nothing
//! is there any more. What is left of it, some hundred bytes, is never freed: nobody has to ask whether it is there.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::channel::Channel;
use super::meeting::{Caller, Meeting};
use super::tables::{is_of, leave_all_but, table};
use crate::error::Error;
use crate::sys::Sys;
use crate::sys::fork::Process;
use crate::sys::resident;
use crate::sys::threads::without_signals;

/// How many threads without work are kept.
const IDLE: usize = 4;

/// The threads of one table.
#[derive(Debug)]
pub(crate) struct Pool {
    process: Process,
    table: u32,
    /// The way in for descriptors.
    pub(super) channel: Channel,
    work: Mutex<Work>,
    there_is_work: Condvar,
    /// How much is there that is somebody's: what was sent, and values that live there.
    used: AtomicUsize,
    /// Nothing can be sent there any more.
    ended: AtomicBool,
    /// The one that was made before.
    previous: AtomicPtr<Self>,
}

#[derive(Default)]
struct Work {
    jobs: VecDeque<Job>,
    waiting: usize,
    /// No thread could be started for the next job.
    starved: bool,
    /// The threads have ended, or are about to.
    over: bool,
}

/// Told whether it is to be done, or refused because there is no thread for it. Not everything can be refused.
struct Job {
    work: Box<dyn FnOnce(bool) + Send>,
    refusable: bool,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

static NEWEST: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());

impl Pool {
    /// The pool that the calling thread's table has the way into. It is made if there is none: at first, or if a program that
    /// closes every descriptor it does not know (`close_range(2)`, as a daemon does) has closed it.
    pub fn current() -> Sys<&'static Self> {
        if let Some(pool) = Self::all().find(|pool| !pool.ended.load(Ordering::SeqCst) && pool.channel.is_there()) {
            return Ok(pool);
        }
        let new = Self::start()?;
        let mut previous = NEWEST.load(Ordering::Acquire);
        loop {
            new.previous.store(previous, Ordering::Relaxed);
            let made = ptr::from_ref(new).cast_mut();
            match NEWEST.compare_exchange(previous, made, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                // Somebody was quicker, perhaps with one for the same table: that stays, without work.
                Err(other) => previous = other,
            }
        }
        Self::all().for_each(Self::end_if_closed);
        Ok(new)
    }

    /// Has it looked whether the way in is closed in every table that had it.
    pub fn end_if_closed(&'static self) {
        if !self.ended.load(Ordering::SeqCst) {
            self.leave_to(|| {
                if self.channel.has_ended() {
                    self.ended.store(true, Ordering::SeqCst);
                }
            });
        }
    }

    /// Those of this process, the newest first: all that come after its parent's.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        // SAFETY: null, or a pool that is never freed.
        let of = |pool: *mut Self| unsafe { pool.as_ref() };
        std::iter::successors(of(NEWEST.load(Ordering::Acquire)), move |pool| of(pool.previous.load(Ordering::Relaxed)))
            .take_while(|pool| pool.is_ours())
    }

    /// Whether its threads have ended.
    #[cfg(test)]
    pub fn is_over(&self) -> bool {
        self.work().over
    }

    /// Keeps the threads for one thing more.
    pub fn enter(&self) {
        self.used.fetch_add(1, Ordering::SeqCst);
    }

    /// For one thing less.
    pub fn leave(&self) {
        if self.used.fetch_sub(1, Ordering::SeqCst) == 1 && self.ended.load(Ordering::SeqCst) {
            // Whoever has found something to stay for waits by then.
            drop(self.work());
            self.there_is_work.notify_all();
        }
    }

    /// Whether its threads are of this process, and not of one that has forked this one.
    pub fn is_ours(&self) -> bool {
        self.process.is_this()
    }

    /// Whether the calling thread is one of its own.
    pub fn is_here(&self) -> bool {
        self.is_ours() && self.table == table()
    }

    fn start() -> Sys<&'static Self> {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        let number = TABLES.fetch_add(1, Ordering::Relaxed) + 1;
        let (near, far) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
        let (left, has_left) = channel();
        let (begin, made) = channel::<&'static Self>();
        let inherited = far.as_raw_fd();
        let root = move || {
            is_of(number);
            left.send(leave_all_but(inherited)).ok();
            // Nobody sends if leaving has failed.
            if let Ok(pool) = made.recv() {
                pool.serve(true);
            }
        };
        spawn(root)?;
        // Its own copy of `far` is in the new table by then.
        let taken = has_left.recv().unwrap_or(Err(Errno::EIO));
        drop(far);
        let pool = Self {
            process: Process::this(),
            table: number,
            channel: Channel::new(near, taken?)?,
            work: Mutex::default(),
            there_is_work: Condvar::new(),
            used: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            previous: AtomicPtr::default(),
        };
        let pool: &'static Self = Box::leak(Box::new(pool));
        begin.send(pool).map_err(|_| Errno::EIO)?;
        Ok(pool)
    }

    /// Does what there is to do.
    fn serve(&'static self, root: bool) {
        is_of(self.table);
        let mut work = self.work();
        loop {
            let Some(job) = work.jobs.pop_front() else {
                if work.over || (self.ended.load(Ordering::SeqCst) && self.used.load(Ordering::SeqCst) == 0) {
                    work.over = true;
                    self.there_is_work.notify_all();
                    return;
                }
                if !root && work.waiting >= IDLE {
                    return;
                }
                work.waiting += 1;
                work.starved = false;
                work = self.there_is_work.wait(work).unwrap_or_else(PoisonError::into_inner);
                work.waiting -= 1;
                continue;
            };
            let last = work.waiting == 0;
            drop(work);
            if last && spawn(move || self.serve(false)).is_err() {
                self.starve();
            }
            (job.work)(true);
            work = self.work();
        }
    }

    /// Refuses what nobody will do soon: it might be what the others wait for.
    fn starve(&self) {
        let mut work = self.work();
        work.starved = true;
        let (refused, kept) = std::mem::take(&mut work.jobs).into_iter().partition::<Vec<_>, _>(|job| job.refusable);
        work.jobs = kept.into();
        drop(work);
        for job in refused {
            (job.work)(false);
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a job to the threads.
    fn submit(&self, job: Job) -> Sys<()> {
        let mut work = self.work();
        if work.over {
            return Err(Errno::EPIPE);
        }
        if job.refusable && work.starved && work.waiting == 0 {
            return Err(Errno::EAGAIN);
        }
        work.jobs.push_back(job);
        drop(work);
        self.there_is_work.notify_one();
        Ok(())
    }

    /// Why [`Self::run`] has done nothing. ECHILD is for a child of fork(2).
    pub fn refused(&self, errno: Errno) -> Error {
        self.process.check().err().unwrap_or_else(|| Error::os("clone", errno))
    }

    /// Has something done by one of the threads some time soon. For what only tidies up.
    pub fn leave_to(&self, work: impl FnOnce() + Send + 'static) {
        let work = Box::new(move |_| work());
        // Refused only where there is nothing to tidy up.
        let _ = self.submit(Job { work, refusable: false });
    }

    /// Has `work` done by one of the threads, and waits for it. What it asks for through [`Caller::call`] is done here.
    ///
    /// EAGAIN if there is no thread; ECHILD in a child of fork(2) that was made in such a call: the threads are its parent's.
    pub fn run<T: Send>(&self, work: impl FnOnce(&Caller<'_>) -> T + Send) -> Sys<T> {
        if !self.is_ours() {
            return Err(Errno::ECHILD);
        }
        let meeting = Meeting::new();
        let (result, shared) = (Mutex::new(None), &meeting);
        let job = |wanted| {
            if wanted {
                let outcome = shared.work(work);
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            }
            shared.end();
        };
        let job: Box<dyn FnOnce(bool) + Send + '_> = Box::new(job);
        // SAFETY: only the lifetime changes. What the job refers to outlives it: the wait below is over when it has said
        // that it has ended, after which it touches nothing, or in a child of fork(2), where nobody runs it.
        let job: Box<dyn FnOnce(bool) + Send + 'static> = unsafe { std::mem::transmute(job) };
        self.submit(Job { work: job, refusable: true })?;
        if !meeting.wait(|| self.is_ours()) {
            return Err(Errno::ECHILD);
        }
        match result.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Ok(value)) => Ok(value),
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(Errno::EAGAIN),
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Sys<()> {
    resident::stay()?;
    match without_signals(|| std::thread::Builder::new().name("zcio-apart".into()).spawn(work)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw)),
    }
}
