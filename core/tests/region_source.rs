//! A region that is closed while a transfer sends from it: the transfer ends with an error of its own kind and the true
//! count, and the receiver has got bytes of the region and nothing else. Closing never waits for the receiver.

mod support;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use support::*;
use zcio::error::Result;
use zcio::region::{Access, Advice, Protection, Region, RegionOptions, SharedRegion, View};
use zcio::{Batch, Endpoint, ErrorKind, Item, Mechanism, Transfer};

/// More than any socket or pipe holds.
const LENGTH: usize = 16 << 20;

/// No zero is among them.
fn bytes() -> Vec<u8> {
    (0..LENGTH).map(|place| (place % 251) as u8 + 1).collect()
}

/// A region of some sort, which may be more than a [`Region`].
enum Mapped {
    Region(Region),
    Shared(SharedRegion),
}

impl std::ops::Deref for Mapped {
    type Target = Region;

    fn deref(&self) -> &Region {
        match self {
            Self::Region(region) => region,
            Self::Shared(shared) => shared.region(),
        }
    }
}

const KINDS: [&str; 5] = ["anonymous", "shared", "read-only", "read-write", "private"];

fn region(kind: &str, bytes: &[u8]) -> Mapped {
    let of_file = |access| RegionOptions::new().access(access).map(file_with(bytes).as_fd()).unwrap();
    let region = match kind {
        "anonymous" => Mapped::Region(Region::anonymous(LENGTH as u64).unwrap()),
        "shared" => Mapped::Shared(SharedRegion::create(LENGTH as u64).unwrap()),
        "read-only" => return Mapped::Region(of_file(Access::ReadOnly)),
        "read-write" => Mapped::Region(of_file(Access::ReadWrite)),
        _ => Mapped::Region(of_file(Access::Private)),
    };
    // Of a private one, half is its own and half is the file's.
    region.write_at(0, if kind == "private" { &bytes[..LENGTH / 2] } else { bytes }).unwrap();
    region
}

const SINKS: [&str; 3] = ["TCP", "UNIX", "pipe"];

/// The end that is written, and the one that is read.
fn sink(name: &str, nonblocking: bool) -> (OwnedFd, OwnedFd) {
    let (near, far): (OwnedFd, OwnedFd) = match name {
        "TCP" => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (near.into(), listener.accept().unwrap().0.into())
        }
        "UNIX" => UnixStream::pair().map(|(near, far)| (near.into(), far.into())).unwrap(),
        _ => std::io::pipe().map(|(far, near)| (near.into(), far.into())).unwrap(),
    };
    if nonblocking {
        fcntl(&near, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    }
    (near, far)
}

fn drain(far: OwnedFd) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::fs::File::from(far).read_to_end(&mut bytes).unwrap();
    bytes
}

const MECHANISMS: [Option<Mechanism>; 4] =
    [None, Some(Mechanism::ReadWrite), Some(Mechanism::Uring), Some(Mechanism::ZerocopySend)];

/// The two ways in which a region becomes a source.
fn source<'a>(region: &Region, view: &'a View, by_address: bool) -> Endpoint<'a> {
    if by_address {
        // SAFETY: the view lives longer than the endpoint.
        unsafe { Endpoint::lent(view.as_ptr(), view.len()) }
    } else {
        Endpoint::region(region, ..).unwrap()
    }
}

/// How a transfer is moved on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drive {
    Run,
    /// A call that waits for a sink in blocking mode calls no watcher.
    Watched,
    Stepped,
}

/// Every kind of region, sink and mechanism, by both ways, with the sink in blocking mode and not. `work` drives the transfer,
/// closes the region in the middle of it, and gives back what the transfer said and what arrived.
fn in_each_case(drive: Drive, work: impl Fn(&Region, Transfer<'_>, OwnedFd) -> (Result<()>, Vec<u8>)) {
    let bytes = bytes();
    let cases = MECHANISMS.into_iter().flat_map(|mechanism| KINDS.map(|kind| (mechanism, kind)));
    let cases = cases.flat_map(|(mechanism, kind)| SINKS.map(|sink| (mechanism, kind, sink)));
    let cases = cases.filter(|&(mechanism, _, sink)| mechanism != Some(Mechanism::ZerocopySend) || sink == "TCP");
    for (number, (mechanism, kind, sink_name)) in cases.enumerate() {
        let (nonblocking, by_address) = (drive == Drive::Watched || number % 2 == 0, number % 4 < 2);
        let name = format!("{kind} to {sink_name} by {mechanism:?}, {nonblocking}, {by_address}");
        let (near, far) = sink(sink_name, nonblocking);
        let region = region(kind, &bytes);
        let view = region.view(..).unwrap();
        let mut transfer = Transfer::new(source(&region, &view, by_address), Endpoint::owning(near).unwrap());
        if let Some(mechanism) = mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        let (result, arrived) = work(&region, transfer, far);
        let error = result.expect_err(&name);
        if error.kind() == ErrorKind::Refused {
            skip(&name, &error.to_string());
            continue;
        }
        if drive == Drive::Stepped && mechanism == Some(Mechanism::ZerocopySend) {
            // It would read memory that is only borrowed.
            assert_eq!((error.kind(), error.moved(), arrived.len()), (ErrorKind::Impossible, 0, 0), "{name}: {error}");
            continue;
        }
        assert_eq!((error.kind(), error.errno()), (ErrorKind::Closed, Some(libc::EBADF)), "{name}: {error}");
        assert!(bytes.starts_with(&arrived), "{name}: not what was in the region");
        assert_eq!(error.moved() as usize, arrived.len(), "{name}");
        // SAFETY: inside the view.
        let shown = unsafe { view.as_ptr().add(LENGTH - 1).read_volatile() };
        assert_eq!(shown, 0, "{name}: the pages go when the transfer is out of them");
    }
}

fn wait_for(fd: &OwnedFd) {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
}

#[test]
fn closed_by_another_thread() {
    in_each_case(Drive::Run, |region, mut transfer, far| {
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                // Nobody reads before the region is closed: closing must not wait for that.
                wait_for(&far);
                region.close().unwrap();
                drain(far)
            });
            let result = transfer.run().map(drop);
            drop(transfer);
            (result, reader.join().unwrap())
        })
    });
}

#[test]
fn closed_by_the_watcher() {
    in_each_case(Drive::Watched, |region, mut transfer, far| {
        std::thread::scope(|scope| {
            let (closed, is_closed) = channel();
            let reader = scope.spawn(move || {
                // An error if the mechanism was refused.
                let _ = is_closed.recv();
                drain(far)
            });
            let watch = |_| {
                region.close().unwrap();
                let _ = closed.send(());
                ControlFlow::Continue(())
            };
            let result = transfer.run_watched(watch).map(drop);
            drop((transfer, closed));
            (result, reader.join().unwrap())
        })
    });
}

#[test]
fn closed_between_two_steps() {
    in_each_case(Drive::Stepped, |region, transfer, far| {
        let mut transfer = transfer.step_size(4096);
        let first = transfer.step();
        region.close().unwrap();
        let result = first.and_then(|_| transfer.step()).map(drop);
        drop(transfer);
        (result, drain(far))
    });
}

/// Closed before it begins, and after it is over.
#[test]
fn closed_before_and_after() {
    for kind in KINDS {
        let bytes = bytes();
        let region = region(kind, &bytes);
        let sent = |range: std::ops::Range<u64>| {
            let (near, far) = sink("UNIX", false);
            let source = Endpoint::region(&region, range).unwrap();
            (Transfer::new(source, Endpoint::owning(near).unwrap()), far)
        };
        let (mut transfer, far) = sent(100..1100);
        assert_eq!(transfer.run().unwrap().bytes, 1000);
        let (late, late_far) = sent(0..1000);
        region.close().unwrap();
        assert_eq!(transfer.step().unwrap_err().kind(), ErrorKind::Closed, "{kind}: it cannot be gone on with");
        drop(transfer);
        assert_eq!(drain(far), bytes[100..1100]);
        let error = { late }.run().unwrap_err();
        assert_eq!((error.kind(), error.moved(), drain(late_far)), (ErrorKind::Closed, 0, Vec::new()), "{kind}");
        assert_eq!(Endpoint::region(&region, ..).unwrap_err().kind(), ErrorKind::Closed);
    }
}

/// Nothing is taken away from under a transfer: it is refused, and the transfer gets its bytes.
#[test]
fn nothing_else_takes_the_pages_away() {
    let bytes = bytes();
    for kind in KINDS {
        let region = region(kind, &bytes);
        let (near, far) = sink("UNIX", false);
        let reader = std::thread::scope(|scope| {
            let mut transfer = Transfer::new(Endpoint::region(&region, ..).unwrap(), Endpoint::owning(near).unwrap());
            let sender = scope.spawn(move || transfer.run().map(|report| report.bytes));
            wait_for(&far);
            // In write(2), which nobody answers yet.
            let error = region.resize(4096).unwrap_err();
            assert_eq!(error.errno(), Some(libc::EBUSY), "{kind}: {error}");
            assert_eq!(region.protect(.., Protection::None).unwrap_err().errno(), Some(libc::EBUSY), "{kind}");
            assert_eq!(region.close_unviewed().unwrap_err().errno(), Some(libc::EBUSY), "{kind}");
            for result in [region.advise(.., Advice::DontNeed), region.leave_views()] {
                let error = result.unwrap_err();
                assert_eq!(error.errno(), Some(libc::EBUSY), "{kind}: {error}");
            }
            let reader = scope.spawn(move || drain(far));
            assert_eq!(sender.join().unwrap().unwrap() as usize, LENGTH);
            reader.join().unwrap()
        });
        assert!(reader == bytes, "{kind}");
        region.advise(.., Advice::DontNeed).unwrap();
        region.resize(4096).unwrap();
    }
}

#[test]
fn a_region_is_a_source_of_a_batch() {
    let bytes = bytes();
    let region = region("shared", &bytes);
    let (near, far) = sink("UNIX", false);
    let (source, sink) = (Endpoint::region(&region, 1000..).unwrap(), Endpoint::new(near.as_fd()).unwrap());
    let items = [Item::new(&source, &sink).count(5000), Item::new(&source, &sink).offset(7).count(20)];
    let report = Batch::new().run(&items);
    assert!(report.items.iter().all(Result::is_ok), "{report:?}");
    region.close().unwrap();
    let report = Batch::new().run(&items);
    let kinds: Vec<_> = report.items.iter().map(|item| item.as_ref().unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::Closed; 2]);
    nix::sys::socket::shutdown(near.as_raw_fd(), nix::sys::socket::Shutdown::Write).unwrap();
    assert_eq!(drain(far), [&bytes[1000..6000], &bytes[1007..1027]].concat());
}
