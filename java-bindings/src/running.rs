//! What is under way: a transfer, relay or fan-out of the core behind a number that the Java side keeps.
//!
//! The Java class `io.zcio.Stepper` owns the number: it gives it to one thread at a time, frees it once, and holds the ends
//! during each call. Here a number is believed.

use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use jni::Env;
use jni::objects::{JByteArray, JIntArray};
use jni::sys::{jint, jlong};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::{Direction, ErrorKind, FanOut, FanOutStep, Readiness, Relay, RelayStep, Side, Step, Transfer};

use crate::errors::{Failure, Trouble};
use crate::natives::LongPredicate;
use crate::send_timeout::SendTimeout;
use crate::upcalls::look;

/// The machine that moves the bytes.
pub(crate) enum Machine {
    Transfer(Transfer<'static>),
    Relay(Relay<'static>),
    FanOut(FanOut<'static>),
}

/// See the module's introduction. The fields are dropped in this order.
pub(crate) struct Running {
    _send_timeout: Option<SendTimeout>,
    pub machine: Machine,
    /// The descriptors of the ends in the Java side's order; -1 for memory.
    ends: Vec<RawFd>,
    /// A FIFO to read from that may not have been opened for writing yet: to be asked before it is read.
    fifo: bool,
    /// What the last step of a transfer was blocked on: an end, and what it must become.
    blocked: Option<(Side, PollFlags)>,
}

const WAIT: u8 = 50;

impl Running {
    pub fn new(machine: Machine, ends: Vec<RawFd>, fifo: bool, send_timeout: Option<SendTimeout>) -> Self {
        Self { _send_timeout: send_timeout, machine, ends, fifo, blocked: None }
    }

    /// The number for the Java side.
    pub fn into_handle(self) -> jlong {
        Box::into_raw(Box::new(self)) as jlong
    }

    /// What a number stands for.
    #[allow(unsafe_code)]
    pub fn of<'a>(handle: jlong) -> &'a mut Self {
        // SAFETY: the Java side gives only numbers made by `into_handle` and not yet freed, each to one thread at a time.
        unsafe { &mut *(handle as *mut Self) }
    }

    /// Runs to the end, asking `io.zcio.Watch` on the way.
    pub fn run(&mut self, env: &mut Env<'_>, watch: &LongPredicate<'_>) -> Result<(), Failure> {
        while self.fifo && !self.fifo_is_open(WAIT) {
            if look(env, watch, 0)? {
                return Err(Failure::Stopped);
            }
        }
        let mut trouble = None;
        let mut ask = |moved| match look(env, watch, moved) {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(error) => {
                trouble = Some(error);
                ControlFlow::Break(())
            }
        };
        let result = match &mut self.machine {
            Machine::Transfer(transfer) => transfer.run_watched(ask).map(drop),
            Machine::Relay(relay) => relay.run_watched(|forward, backward| ask(forward + backward)).map(drop),
            Machine::FanOut(fan_out) => fan_out.run_watched(ask).map(drop),
        };
        match trouble {
            Some(error) => Err(error.into()),
            None => result.map_err(|error| self.failed(error)),
        }
    }

    fn step(&mut self) -> Result<jlong, Failure> {
        if self.fifo && !self.fifo_is_open(0) {
            return Ok(NativeRunning::BLOCKED);
        }
        self.step_machine().map_err(|error| self.failed(error))
    }

    /// An error, with what a transfer had done until then.
    fn failed(&self, error: zcio::Error) -> Failure {
        let report = if let Machine::Transfer(transfer) = &self.machine { transfer.report() } else { None };
        Failure::Transfer(Trouble { report: report.map(Box::new), ..Trouble::of(error) })
    }

    fn step_machine(&mut self) -> zcio::error::Result<jlong> {
        Ok(match &mut self.machine {
            Machine::Transfer(transfer) => match transfer.step()? {
                Step::Done => NativeRunning::DONE,
                Step::Moved(count) => count as jlong,
                Step::Blocked(side) => {
                    self.blocked = Some((side, events(side.readiness())));
                    NativeRunning::BLOCKED
                }
                // The kernel still reads the source's memory. Its notification is an event that need not be asked for.
                Step::Completing => {
                    self.blocked = Some((Side::Sink, PollFlags::empty()));
                    NativeRunning::BLOCKED
                }
            },
            Machine::Relay(relay) => match relay.step()? {
                RelayStep::Done => NativeRunning::DONE,
                RelayStep::Moved { forward, backward } => (forward + backward) as jlong,
                RelayStep::Blocked { .. } => NativeRunning::BLOCKED,
            },
            Machine::FanOut(fan_out) => match fan_out.step()? {
                FanOutStep::Done => NativeRunning::DONE,
                FanOutStep::Moved(count) => count as jlong,
                FanOutStep::Blocked => NativeRunning::BLOCKED,
            },
        })
    }

    /// Bytes delivered so far: of a relay in both directions, of a fan-out to every sink.
    fn moved(&self) -> u64 {
        match &self.machine {
            Machine::Transfer(transfer) => transfer.report().map_or(0, |report| report.bytes),
            Machine::Relay(relay) => {
                let report = relay.report();
                report.forward.bytes + report.backward.bytes
            }
            Machine::FanOut(fan_out) => fan_out.report().map_or(0, |report| report.bytes),
        }
    }

    /// Whether the FIFO has, or had, a writer: from then on poll(2) reports bytes or a hang-up.
    fn fifo_is_open(&mut self, milliseconds: u8) -> bool {
        let mut polled = [PollFd::new(self.source(), PollFlags::POLLIN)];
        self.fifo = matches!(poll(&mut polled, PollTimeout::from(milliseconds)), Ok(0) | Err(_));
        !self.fifo
    }

    /// The descriptor of a source that has one.
    #[allow(unsafe_code)]
    fn source(&self) -> BorrowedFd<'_> {
        // SAFETY: the machine keeps its ends open for as long as it lives.
        unsafe { BorrowedFd::borrow_raw(self.ends[0]) }
    }

    /// For each end that the next step needs: its place among the ends, its descriptor, the events of poll(2).
    fn interests(&self) -> Vec<jint> {
        let mut found = Vec::new();
        let ends = &self.ends;
        let mut add = |fd: BorrowedFd<'_>, events: PollFlags| {
            let place = ends.iter().position(|&end| end == fd.as_raw_fd()).map_or(-1, |place| place as jint);
            found.extend([place, fd.as_raw_fd(), jint::from(events.bits())]);
        };
        match &self.machine {
            _ if self.fifo => add(self.source(), PollFlags::POLLIN),
            Machine::Transfer(transfer) => {
                if let Some((side, events)) = self.blocked {
                    add(transfer.descriptor(side), events);
                }
            }
            Machine::Relay(relay) => relay.interests().for_each(|(fd, readiness)| add(fd, events(readiness))),
            Machine::FanOut(fan_out) => fan_out.interests().for_each(|(fd, readiness)| add(fd, events(readiness))),
        }
        found
    }

    fn undelivered(&mut self, which: usize) -> zcio::error::Result<Vec<u8>> {
        match &mut self.machine {
            Machine::Transfer(transfer) => transfer.take_undelivered(),
            Machine::Relay(relay) => relay.take_undelivered(Direction::BOTH[which]),
            Machine::FanOut(fan_out) => fan_out.take_undelivered(which),
        }
    }
}

fn events(readiness: Readiness) -> PollFlags {
    match readiness {
        Readiness::Readable => PollFlags::POLLIN,
        Readiness::Writable => PollFlags::POLLOUT,
    }
}

/// The bridge to what is under way in the native code, whatever it is. Not an API; see {@link Stepper}.
pub(crate) enum NativeRunning {}

impl NativeRunning {
    /// The answer of a step or run: everything has been moved.
    pub const DONE: jlong = -1;
    /// A step's answer: nothing can be moved until one of the {@link #interests} is ready.
    pub const BLOCKED: jlong = -2;

    /// Runs to the end, waiting in poll(2): {@link #DONE}, or 0 when the watch stopped it; it can go on.
    pub fn run(env: &mut Env<'_>, handle: jlong, watch: &LongPredicate<'_>) -> Result<jlong, Failure> {
        match Running::of(handle).run(env, watch) {
            Ok(()) => Ok(Self::DONE),
            Err(Failure::Stopped) => Ok(0),
            Err(Failure::Transfer(trouble)) if trouble.error.kind() == ErrorKind::Cancelled => Ok(0),
            Err(failure) => Err(failure),
        }
    }

    /// One step: {@link #DONE}, {@link #BLOCKED}, or the number of bytes moved.
    pub fn step(handle: jlong) -> Result<jlong, Failure> {
        Running::of(handle).step()
    }

    /// The bytes delivered so far: of a relay in both directions, of a fan-out to every sink.
    pub fn moved(handle: jlong) -> jlong {
        Running::of(handle).moved() as jlong
    }

    /// What the next step needs, three numbers each: the end's place, its descriptor, the events of poll(2).
    pub fn interests<'local>(env: &mut Env<'local>, handle: jlong) -> jni::errors::Result<JIntArray<'local>> {
        let interests = Running::of(handle).interests();
        let array = env.new_int_array(interests.len())?;
        array.set_region(env, 0, &interests)?;
        Ok(array)
    }

    /// Hands over the bytes that were taken and not delivered in that part, and forgets them.
    pub fn undelivered<'local>(
        env: &mut Env<'local>,
        handle: jlong,
        part: jint,
    ) -> Result<JByteArray<'local>, Failure> {
        let bytes = Running::of(handle).undelivered(part as usize)?;
        Ok(env.byte_array_from_slice(&bytes)?)
    }

    /// Must be the last call with this handle.
    #[allow(unsafe_code)] // A number that is believed.
    pub fn free(handle: jlong) {
        // SAFETY: as in `Running::of`, and the Java side gives the number to nobody after this.
        drop(unsafe { Box::from_raw(handle as *mut Running) });
    }
}
