//! What can be done with two ends, and the ways to drive it.

use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::error::Result;
use zcio::{
    Batch, Endpoint, Error, FanOut, FanOutStep, Item, Mechanism, Readiness, Relay, RelayStep, Side, Step, Transfer,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Transfer(Option<Mechanism>),
    FanOut,
    Relay,
    Batch,
}

impl Work {
    pub fn all() -> impl Iterator<Item = Self> {
        let allowed = Mechanism::ALL.iter().filter(|&&mechanism| zcio_tests::has(mechanism));
        let named = allowed.map(|&mechanism| Self::Transfer(Some(mechanism)));
        [Self::Transfer(None), Self::FanOut, Self::Relay, Self::Batch].into_iter().chain(named)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    Run,
    Watched,
    Stepped,
}

impl Drive {
    pub const ALL: [Self; 3] = [Self::Run, Self::Watched, Self::Stepped];
}

/// Does it, and gives back the bytes that the sink has, as it says.
pub fn work(work: Work, drive: Drive, source: Endpoint<'static>, sink: Endpoint<'static>) -> (u64, Result<()>) {
    match work {
        Work::Transfer(mechanism) => transfer(mechanism, drive, source, sink),
        Work::FanOut => fan_out(drive, source, sink),
        Work::Relay => relay(drive, source, sink),
        Work::Batch => batch(drive, &source, &sink),
    }
}

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

fn transfer(
    mechanism: Option<Mechanism>,
    drive: Drive,
    mut source: Endpoint<'static>,
    mut sink: Endpoint<'static>,
) -> (u64, Result<()>) {
    if drive == Drive::Stepped {
        (source, sink) = (source.nonblocking().unwrap(), sink.nonblocking().unwrap());
    }
    let number = |end: &Endpoint<'_>| end.descriptor().map_or(-1, |fd| fd.as_raw_fd());
    let numbers = [number(&source), number(&sink)];
    let mut transfer = Transfer::new(source, sink).step_size(64 << 10);
    if let Some(mechanism) = mechanism {
        transfer = transfer.mechanism(mechanism);
    }
    let result = match drive {
        Drive::Run => transfer.run().map(drop),
        Drive::Watched => transfer.run_watched(|_| GO_ON).map(drop),
        Drive::Stepped => loop {
            match transfer.step() {
                Ok(Step::Done) => break Ok(()),
                Ok(Step::Moved(_)) => {}
                Ok(Step::Blocked(Side::Source)) => wait_for([(numbers[0], PollFlags::POLLIN)]),
                Ok(Step::Blocked(Side::Sink)) => wait_for([(numbers[1], PollFlags::POLLOUT)]),
                Ok(Step::Completing) => wait_for([(numbers[1], PollFlags::empty())]),
                Err(error) => break Err(error),
            }
        },
    };
    let told = transfer.report().map_or(0, |report| report.bytes);
    let said = result.as_ref().err().map_or(told, Error::moved);
    assert_eq!(said, told, "report and error say the same: {result:?}");
    (told, result)
}

fn fan_out(drive: Drive, source: Endpoint<'static>, sink: Endpoint<'static>) -> (u64, Result<()>) {
    let beside = Endpoint::owning(tempfile::tempfile().unwrap().into()).unwrap();
    let mut fan_out = FanOut::new(source).sink(sink).sink(beside);
    let result = match drive {
        Drive::Run => fan_out.run().map(drop),
        Drive::Watched => fan_out.run_watched(|_| GO_ON).map(drop),
        Drive::Stepped => loop {
            match fan_out.step() {
                Ok(FanOutStep::Done) => break Ok(()),
                Ok(FanOutStep::Moved(_)) => {}
                Ok(FanOutStep::Blocked) => wait_for(fan_out.interests().map(interest)),
                Err(error) => break Err(error),
            }
        },
    };
    let Some(first) = fan_out.report().map(|report| report.sinks[0].clone()) else { return (0, result) };
    let told = first.error.inspect(|error| assert_eq!(error.moved(), first.bytes));
    (first.bytes, told.map_or(result, Err))
}

fn relay(drive: Drive, source: Endpoint<'static>, sink: Endpoint<'static>) -> (u64, Result<()>) {
    let mut relay = Relay::new(source, sink);
    let result = match drive {
        Drive::Run => relay.run().map(drop),
        Drive::Watched => relay.run_watched(|_, _| GO_ON).map(drop),
        Drive::Stepped => loop {
            match relay.step() {
                Ok(RelayStep::Done) => break Ok(()),
                Ok(RelayStep::Moved { .. }) => {}
                Ok(RelayStep::Blocked { .. }) => wait_for(relay.interests().map(interest)),
                Err(error) => break Err(error),
            }
        },
    };
    (relay.report().forward.bytes, result)
}

/// It cannot be stepped.
fn batch(drive: Drive, source: &Endpoint<'_>, sink: &Endpoint<'_>) -> (u64, Result<()>) {
    let items = [Item::new(source, sink)];
    let mut report = match drive {
        Drive::Run => Batch::new().run(&items),
        Drive::Watched | Drive::Stepped => Batch::new().run_watched(&items, |_| GO_ON),
    };
    match report.items.remove(0) {
        Ok(item) => (item.bytes, Ok(())),
        Err(error) => (error.moved(), Err(error)),
    }
}

fn interest((fd, readiness): (BorrowedFd<'_>, Readiness)) -> (RawFd, PollFlags) {
    let flags = if readiness == Readiness::Readable { PollFlags::POLLIN } else { PollFlags::POLLOUT };
    (fd.as_raw_fd(), flags)
}

/// Waits until one of them is ready. A number that is somebody else's by now is looked at as well, as an event loop would.
fn wait_for(numbers: impl IntoIterator<Item = (RawFd, PollFlags)>) {
    // SAFETY: open, whoever's they are: the test closes its descriptors after the work.
    let poll_fd = |(number, flags)| PollFd::new(unsafe { BorrowedFd::borrow_raw(number) }, flags);
    let mut fds: Vec<_> = numbers.into_iter().map(poll_fd).collect();
    while poll(&mut fds, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
}
