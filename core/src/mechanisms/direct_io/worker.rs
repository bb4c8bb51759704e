//! The thread at the disk: takes buffers one at a time, reads into them or writes them out, gives them back in order.
//! Nothing is written behind a gap: what comes after a piece that the disk refused is given back untried.
//!
//! It opens its descriptor itself, with the caller's rights, in a table of its own, so that the caller keeps the locks it has on
//! the file ([`crate::sys::apart`]). It owns that and the buffers it is given, is lent memory only by a caller who waits for it, and refers to nothing else. Dropping the [`Worker`]
//! waits until it is done with them, so that nothing is written after the transfer is gone.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::disk::{opening, refusal};
use crate::buffer::AlignedBuffer;
use crate::error::Error;
use crate::mechanisms::Stop;
use crate::sys::apart::meeting::ask;
use crate::sys::fork::Process;
use crate::sys::threads::without_signals;
use crate::sys::{Lent, SpanMut, SyscallCounter};

/// Which way the worker moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

/// A buffer on its way to the disk or back.
#[derive(Debug)]
pub(super) struct Job {
    pub buffer: AlignedBuffer,
    /// The part of the buffer that is to be filled or written.
    pub range: Range<usize>,
    /// Where in the file that part belongs.
    pub at: u64,
}

/// What the worker is asked for.
enum Task {
    Job(Job),
    /// To read into memory of the caller's, who waits for the answer: what the kernel said, and the number of system calls.
    Fill {
        memory: Lent,
        at: u64,
        answer: Sender<(Result<usize, Errno>, u64)>,
    },
}

/// A job that is over, with what the kernel said to it.
#[derive(Debug)]
pub(super) struct Done {
    pub job: Job,
    /// `None` if it was not tried, because a piece before it was refused.
    pub result: Option<Result<usize, Errno>>,
    /// System calls the worker made for it.
    pub calls: u64,
}

/// See the module's introduction.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<Sender<Task>>,
    /// Never locked: what is in a mutex may be looked at from several threads, and a receiver may not.
    done: Mutex<Receiver<Done>>,
    in_flight: usize,
    thread: Option<JoinHandle<()>>,
    process: Process,
}

impl Worker {
    /// For the file behind `fd`, opened with flags of its own.
    pub fn start(
        calls: &mut SyscallCounter,
        fd: BorrowedFd<'_>,
        flags: OFlag,
        direction: Direction,
    ) -> Result<Self, Stop> {
        let refused = |errno| opening(errno).map_or_else(|| Stop::sort("open", errno, refusal), Stop::Refused);
        let reopening = calls.reopening(fd, flags).map_err(refused)?;
        let (jobs, todo) = channel::<Task>();
        let (finished, done) = channel();
        let (opened, is_open) = channel();
        let work = move || {
            let (file, answer) = match reopening.open() {
                Ok(file) => (Some(file), Ok(())),
                Err(errno) => (None, Err(errno)),
            };
            // The one that is told waits for it, and keeps the descriptor open until then.
            let told = opened.send(answer);
            let (Some(file), Ok(())) = (file, told) else { return };
            // Where a refused piece has to go on.
            let mut gap = None;
            for task in todo {
                let mut calls = SyscallCounter::default();
                let mut job = match task {
                    Task::Job(job) => job,
                    Task::Fill { memory, at, answer } => {
                        let result = undisturbed(|| calls.read_span(file.as_fd(), Some(at), memory.span()));
                        // Who does not wait for it any more has panicked.
                        let _ = answer.send((result, calls.made));
                        continue;
                    }
                };
                let result = if direction == Direction::Write && gap.is_some_and(|gap| gap != job.at) {
                    None
                } else {
                    let result = work(&file, direction, &mut job, &mut calls);
                    let end = job.at + result.unwrap_or(0) as u64;
                    gap = (result != Ok(job.range.len())).then_some(end);
                    Some(result)
                };
                if finished.send(Done { job, result, calls: calls.made }).is_err() {
                    return;
                }
            }
        };
        let start = || std::thread::Builder::new().name("zcio-direct".into()).spawn(work);
        let thread = ask(|| without_signals(start))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EAGAIN)))
            .map_err(|errno| Stop::Failed(Error::os("clone", errno)))?;
        let done = Mutex::new(done);
        let worker = Self { jobs: Some(jobs), done, in_flight: 0, thread: Some(thread), process: Process::this() };
        // A panic before the answer is a failure like any other.
        is_open.recv().unwrap_or(Err(Errno::EIO)).map_err(refused)?;
        Ok(worker)
    }

    /// Jobs given and not taken back.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Gives a job to the disk.
    pub fn submit(&mut self, job: Job) {
        self.in_flight += 1;
        self.ask(Task::Job(job));
    }

    /// Reads into memory of the caller's, in one call, and waits for it.
    pub fn fill(&mut self, memory: SpanMut<'_>, at: u64, calls: &mut SyscallCounter) -> Result<usize, Errno> {
        memory.lend(|memory| {
            let (answer, answered) = channel();
            self.ask(Task::Fill { memory, at, answer });
            let (result, made) = answered.recv().expect("what is asked for is answered");
            calls.made += made;
            result
        })
    }

    fn ask(&self, task: Task) {
        let jobs = self.jobs.as_ref().expect("the channel is open until drop");
        let taken = jobs.send(task);
        assert!(taken.is_ok(), "the worker lives as long as its channel");
    }

    /// The oldest job, if it is over.
    pub fn poll(&mut self, calls: &mut SyscallCounter) -> Option<Done> {
        match self.answers().try_recv() {
            Ok(done) => Some(self.took_back(done, calls)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// The oldest job, when it is over. There must be one.
    pub fn wait(&mut self, calls: &mut SyscallCounter) -> Done {
        let done = self.answers().recv().expect("a job that was given comes back");
        self.took_back(done, calls)
    }

    fn answers(&mut self) -> &mut Receiver<Done> {
        self.done.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn took_back(&mut self, done: Done, calls: &mut SyscallCounter) -> Done {
        self.in_flight -= 1;
        calls.made += done.calls;
        done
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        // A child of fork(2) does not have the thread, and would wait for ever.
        if let Some(thread) = self.thread.take().filter(|_| self.process.is_this()) {
            // A panic of the worker has been printed; there is nobody to tell it to here.
            let _ = thread.join();
        }
    }
}

fn work(file: &OwnedFd, direction: Direction, job: &mut Job, calls: &mut SyscallCounter) -> Result<usize, Errno> {
    let (fd, range) = (file.as_fd(), job.range.clone());
    undisturbed(|| match direction {
        Direction::Read => calls.read(fd, Some(job.at), &mut job.buffer[range.clone()]),
        Direction::Write => calls.write(fd, Some(job.at), &job.buffer[range.clone()]),
    })
}

/// Makes a call again that a signal has interrupted.
fn undisturbed(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        let result = call();
        if result != Err(Errno::EINTR) {
            return result;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_behind_a_gap() {
        let read_only = std::fs::File::open("/dev/null").unwrap();
        let mut calls = SyscallCounter::default();
        let mut worker = Worker::start(&mut calls, read_only.as_fd(), OFlag::O_RDONLY, Direction::Write).unwrap();
        let mut answers = |places: &[u64]| -> Vec<_> {
            for &at in places {
                worker.submit(Job { buffer: AlignedBuffer::new(4096).unwrap(), range: 0..4096, at: at * 4096 });
            }
            places.iter().map(|_| worker.wait(&mut SyscallCounter::default()).result).collect()
        };
        assert_eq!(answers(&[0, 1, 2]), [Some(Err(Errno::EBADF)), None, None]);
        assert_eq!(answers(&[1, 0]), [None, Some(Err(Errno::EBADF))], "the gap itself is tried again");
    }
}
