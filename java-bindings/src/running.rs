//! What is under way: a transfer, relay or fan-out of the core behind a number that the Java side keeps.
//!
//! The Java class `io.zcio.Stepper` owns the number: it gives it to one thread at a time, frees it once, and holds the ends
//! during each call. Here a number is believed.

use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use jni::objects::{JByteArray, JClass, JIntArray, JObject};
use jni::sys::{jint, jlong};
use jni::{Env, NativeMethod};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::{Direction, ErrorKind, FanOut, FanOutStep, Readiness, Relay, RelayStep, Side, Step, Transfer};

use crate::errors::Failure;
use crate::natives::native;
use crate::send_timeout::SendTimeout;
use crate::upcalls::upcalls;

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

/// What a step or run answers: this or that, or else the number of bytes that a step moved.
const DONE: jlong = -1;
const BLOCKED: jlong = -2;

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
    pub fn run(&mut self, env: &mut Env<'_>, watch: &JObject<'_>) -> Result<(), Failure> {
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
            None => result.map_err(Failure::from),
        }
    }

    fn step(&mut self) -> Result<jlong, Failure> {
        if self.fifo && !self.fifo_is_open(0) {
            return Ok(BLOCKED);
        }
        Ok(match &mut self.machine {
            Machine::Transfer(transfer) => match transfer.step()? {
                Step::Done => DONE,
                Step::Moved(count) => count as jlong,
                Step::Blocked(side) => {
                    self.blocked = Some((side, events(side.readiness())));
                    BLOCKED
                }
                // The kernel still reads the source's memory. Its notification is an event that need not be asked for.
                Step::Completing => {
                    self.blocked = Some((Side::Sink, PollFlags::empty()));
                    BLOCKED
                }
            },
            Machine::Relay(relay) => match relay.step()? {
                RelayStep::Done => DONE,
                RelayStep::Moved { forward, backward } => (forward + backward) as jlong,
                RelayStep::Blocked { .. } => BLOCKED,
            },
            Machine::FanOut(fan_out) => match fan_out.step()? {
                FanOutStep::Done => DONE,
                FanOutStep::Moved(count) => count as jlong,
                FanOutStep::Blocked => BLOCKED,
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

/// `watch.test(moved)`: whether to stop.
pub(crate) fn look(env: &mut Env<'_>, watch: &JObject<'_>, moved: u64) -> jni::errors::Result<bool> {
    upcalls(env)?.test(env, watch, moved)
}

/// `static native long run(long handle, LongPredicate watch) throws IOException`: [`DONE`], or 0 when the watch stopped it.
fn run<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    handle: jlong,
    watch: JObject<'local>,
) -> Result<jlong, Failure> {
    match Running::of(handle).run(env, &watch) {
        Ok(()) => Ok(DONE),
        Err(Failure::Stopped) => Ok(0),
        Err(Failure::Transfer(trouble)) if trouble.error.kind() == ErrorKind::Cancelled => Ok(0),
        Err(failure) => Err(failure),
    }
}

fn step<'local>(_env: &mut Env<'local>, _class: JClass<'local>, handle: jlong) -> Result<jlong, Failure> {
    Running::of(handle).step()
}

fn moved<'local>(_env: &mut Env<'local>, _class: JClass<'local>, handle: jlong) -> Result<jlong, Failure> {
    Ok(Running::of(handle).moved() as jlong)
}

fn interests<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    handle: jlong,
) -> Result<JIntArray<'local>, Failure> {
    let interests = Running::of(handle).interests();
    let array = env.new_int_array(interests.len())?;
    array.set_region(env, 0, &interests)?;
    Ok(array)
}

fn undelivered<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    handle: jlong,
    which: jint,
) -> Result<JByteArray<'local>, Failure> {
    let bytes = Running::of(handle).undelivered(which as usize)?;
    Ok(env.byte_array_from_slice(&bytes)?)
}

#[allow(unsafe_code)] // A number that is believed.
fn free<'local>(_env: &mut Env<'local>, _class: JClass<'local>, handle: jlong) -> Result<(), Failure> {
    // SAFETY: as in `Running::of`, and the Java side gives the number to nobody after this.
    drop(unsafe { Box::from_raw(handle as *mut Running) });
    Ok(())
}

/// What `NativeRunning` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(fn run(handle: long, watch: java.util.function.LongPredicate) -> long),
    native!(fn step(handle: long) -> long),
    native!(fn moved(handle: long) -> long),
    native!(fn interests(handle: long) -> [int]),
    native!(fn undelivered(handle: long, part: int) -> [byte]),
    native!(fn free(handle: long) -> void),
];
