//! A `zerocopy_send` that is stopped: nothing of it stays behind in the socket, the peer never sees a byte of memory whose
//! borrow is over, and nobody waits for a peer that does not read. And one that finds the error queue in use: refused.

mod at_once;
mod beside;

use std::io::{ErrorKind as Io, Read};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::inject::{self, Fault};
use zcio::{AlignedBuffer, Endpoint, ErrorKind, Mechanism, Pages, Step, Transfer};
use zcio_tests::{file_with, has, pattern, tcp_pair, watchdog};

/// More than the buffers of a connection hold.
const MUCH: usize = 32 << 20;

fn pages(bytes: &[u8]) -> Pages {
    let mut buffer = AlignedBuffer::new(bytes.len()).unwrap();
    buffer.copy_from_slice(bytes);
    buffer.freeze()
}

fn named<'a>(source: Endpoint<'a>, sink: &'a TcpStream) -> Transfer<'a> {
    Transfer::new(source, Endpoint::new(sink.as_fd()).unwrap()).mechanism(Mechanism::ZerocopySend)
}

fn option(socket: &TcpStream, level: i32, name: i32) -> i32 {
    let (mut value, mut length) = (0_i32, 4);
    // SAFETY: the pointers are to locals, and the length is that of the value.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length) };
    assert_eq!(result, 0);
    value
}

fn set(socket: &TcpStream, level: i32, name: i32, value: i32) {
    // SAFETY: the pointer is to a local of that length.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), 4) };
    assert_eq!(result, 0);
}

/// What poll(2) says of the socket without being asked for anything.
fn found(socket: &TcpStream) -> PollFlags {
    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO).unwrap();
    polled[0].revents().unwrap()
}

/// Waits until the socket is as it was before: the option off, and nothing in the error queue.
fn assert_clean(socket: &TcpStream, case: &str) {
    assert_eq!(option(socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY), 0, "{case}");
    let began = Instant::now();
    loop {
        // Another one would be refused for as long as notifications of the first are expected.
        match named(Endpoint::pages(pages(b"the next one")), socket).run() {
            Ok(report) => break assert_eq!(report.bytes, 12, "{case}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Refused, "{case}: {error}");
                assert!(error.message().starts_with("error queue in use"), "{case}: {error}");
                assert!(began.elapsed().as_secs() < 60, "{case}: {error}");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    assert_eq!(found(socket), PollFlags::empty(), "{case}");
}

fn receive(mut from: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

type Stop = fn(Transfer<'_>) -> u64;

/// The ways to stop one whose connection is full, each of which gives the bytes that were handed over.
const STOPS: [(&str, Stop); 4] = [
    ("dropped", |mut transfer| {
        while !matches!(transfer.step().unwrap(), Step::Blocked(_)) {}
        transfer.report().unwrap().bytes
    }),
    ("an error", |mut transfer| {
        while !matches!(transfer.step().unwrap(), Step::Blocked(_)) {}
        let fail = |call: &inject::Call| if call.operation == "send" { Fault::Errno(libc::EIO) } else { Fault::None };
        let error = inject::with(fail, || transfer.step()).unwrap_err();
        // Not even its destructor is needed.
        std::mem::forget(transfer);
        error.moved()
    }),
    ("cancelled", |mut transfer| {
        let error = transfer.run_watched(|_| ControlFlow::Break(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        std::mem::forget(transfer);
        error.moved()
    }),
    ("a panic", |mut transfer| {
        let panics = AssertUnwindSafe(|| transfer.run_watched(|_| panic!("of a watcher, on purpose")));
        catch_unwind(panics).unwrap_err();
        let moved = transfer.report().unwrap().bytes;
        std::mem::forget(transfer);
        moved
    }),
];

#[test]
fn a_stopped_one_leaves_nothing_behind_in_the_socket() {
    let _dog = watchdog(120, "stopped zerocopy_send");
    let bytes = pattern(MUCH);
    let file = file_with(&bytes);
    for (how, stop) in STOPS {
        for kind in ["file", "pages"] {
            let case = format!("{how}, {kind}");
            let source =
                if kind == "file" { Endpoint::new(file.as_fd()).unwrap() } else { Endpoint::pages(pages(&bytes)) };
            let (near, far) = tcp_pair();
            near.set_nonblocking(true).unwrap();
            let began = Instant::now();
            let transfer = named(source, &near);
            let moved = stop(if kind == "file" { transfer.offset(0) } else { transfer }) as usize;
            assert!(began.elapsed().as_secs() < 20, "{case}: it waited for a peer");
            assert!(0 < moved && moved < MUCH, "{case}: {moved}");
            assert_eq!(option(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY), 0, "{case}");
            // Nobody can tell the bytes of the next one apart from these, so they come in order, all of them.
            assert!(receive(&far, moved) == bytes[..moved], "{case}");
            assert_clean(&near, &case);
            assert_eq!(receive(&far, 12), b"the next one", "{case}");
        }
    }
}

#[test]
fn a_stopped_one_can_go_on() {
    let _dog = watchdog(60, "a zerocopy_send that goes on");
    let bytes = pattern(MUCH);
    let file = file_with(&bytes);
    for source in [Endpoint::new(file.as_fd()).unwrap(), Endpoint::pages(pages(&bytes))] {
        let (near, far) = tcp_pair();
        near.set_nonblocking(true).unwrap();
        let mut transfer = named(source, &near).offset(0);
        while !matches!(transfer.step().unwrap(), Step::Blocked(_)) {}
        transfer.run_watched(|_| ControlFlow::Break(())).unwrap_err();
        assert_eq!(option(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY), 0);
        let reader = std::thread::spawn(move || rest(&far));
        let report = transfer.run().unwrap();
        assert_eq!((report.bytes, report.copies.count), (MUCH as u64, Some(1)));
        assert_clean(&near, "it went on");
        drop(transfer);
        drop(near);
        assert!(reader.join().unwrap()[..MUCH] == bytes);
    }
}

#[test]
fn its_socket_can_be_closed_before_the_peer_reads() {
    let _dog = watchdog(60, "a socket closed after a stop");
    let bytes = pattern(MUCH);
    let (near, mut far) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    let mut transfer = named(Endpoint::pages(pages(&bytes)), &near);
    while !matches!(transfer.step().unwrap(), Step::Blocked(_)) {}
    let moved = transfer.report().unwrap().bytes as usize;
    drop(transfer);
    drop(near);
    let mut received = Vec::new();
    far.read_to_end(&mut received).unwrap();
    assert!(received == bytes[..moved]);
}

#[test]
fn borrowed_memory_is_not_stepped() {
    let bytes = pattern(MUCH);
    let (near, _far) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    let mut transfer = named(Endpoint::bytes(&bytes), &near);
    for _ in 0..2 {
        let error = transfer.step().unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::Impossible, 0));
        assert!(error.message().contains("Pages"), "{error}");
    }
    assert_eq!((option(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY), found(&near)), (0, PollFlags::empty()));
}

/// The numbers in the next message of the error queue, if it is there.
fn notice(socket: &TcpStream) -> Option<std::ops::RangeInclusive<u32>> {
    let mut control = [0_u64; 32];
    // SAFETY: all-zero is a valid msghdr; it points at the buffer above, which has room for what the kernel writes.
    let error: libc::sock_extended_err = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), size_of_val(&control));
        if libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) < 0 {
            return None;
        }
        libc::CMSG_DATA(libc::CMSG_FIRSTHDR(&raw const message)).cast::<libc::sock_extended_err>().read_unaligned()
    };
    Some(error.ee_info..=error.ee_data)
}

#[test]
fn who_sends_by_reference_after_a_stop_gets_every_notification_of_his_own() {
    let _dog = watchdog(60, "somebody's own MSG_ZEROCOPY");
    let (bytes, own) = (pattern(MUCH), pattern(20_000));
    let mut round = 0;
    while round < 20 {
        let (near, mut far) = tcp_pair();
        near.set_nonblocking(true).unwrap();
        let mut transfer = named(Endpoint::pages(pages(&bytes)), &near);
        let (sends, copied) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, twice) = (sends.clone(), copied.clone());
        let mut before = "";
        let count = move |call: &inject::Call| {
            counter.fetch_add(u32::from(call.operation == "send"), Ordering::Relaxed);
            twice.fetch_or((before, call.operation) == ("send", "send"), Ordering::Relaxed);
            before = call.operation;
            Fault::None
        };
        inject::with(count, || while !matches!(transfer.step().unwrap(), Step::Blocked(_)) {});
        let moved = transfer.report().unwrap().bytes as usize;
        drop(transfer);
        // Other tests of this user may have locked all the pages that he may (ENOBUFS). What is sent at a second try has no number.
        if copied.load(Ordering::Relaxed) {
            continue;
        }
        set(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1);
        // The last one found no room, and has no number.
        let first = sends.load(Ordering::Relaxed) - 1;
        let (mut received, mut expected) = (Vec::new(), bytes[..moved].to_vec());
        let mut piece = vec![0; 1 << 20];
        let mut missing: Vec<u32> = (first..first + 3).collect();
        for _ in &missing.clone() {
            loop {
                // SAFETY: the bytes outlive the notification, which is waited for.
                let sent = unsafe { libc::send(near.as_raw_fd(), own.as_ptr().cast(), own.len(), libc::MSG_ZEROCOPY) };
                if sent >= 0 {
                    break expected.extend_from_slice(&own[..sent as usize]);
                }
                if Errno::last() == Errno::ENOBUFS {
                    std::thread::yield_now();
                    continue;
                }
                let count = far.read(&mut piece).unwrap();
                received.extend_from_slice(&piece[..count]);
            }
        }
        let mut left = vec![0; expected.len() - received.len()];
        far.read_exact(&mut left).unwrap();
        received.extend(left);
        assert!(received == expected, "round {round}");
        // Whoever took out what the stopped one had left has gone.
        let in_use = || named(Endpoint::bytes(b"more"), &near).run().unwrap_err();
        while in_use().message().contains("still to come") {
            std::thread::yield_now();
        }
        while !missing.is_empty() {
            match notice(&near) {
                Some(numbers) => missing.retain(|number| !numbers.contains(number)),
                None => std::thread::yield_now(),
            }
        }
        assert_eq!(option(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY), 1, "round {round}: it is his");
        round += 1;
    }
}

/// What the peer gets until the end or a reset.
fn rest(mut from: &TcpStream) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) => {
                assert_eq!(error.kind(), Io::ConnectionReset);
                return bytes;
            }
        }
    }
}

#[test]
fn memory_whose_borrow_is_over_reaches_nobody() {
    let _dog = watchdog(120, "borrowed memory");
    for (how, stop) in [
        (
            "cancelled",
            (|transfer| {
                transfer.run_watched(|_| ControlFlow::Break(())).unwrap_err();
            }) as fn(&mut Transfer<'_>),
        ),
        ("a panic", |transfer| {
            catch_unwind(AssertUnwindSafe(|| transfer.run_watched(|_| panic!("of a watcher, on purpose"))))
                .unwrap_err();
        }),
        ("an error", |transfer| {
            let mut sends = 0;
            let fail = move |call: &inject::Call| match call.operation {
                "send"
                    if {
                        // One fits into the queue of every kernel, and not into the peer's.
                        sends += 1;
                        sends
                    } > 1 =>
                {
                    Fault::Errno(libc::EIO)
                }
                _ => Fault::None,
            };
            inject::with(fail, || transfer.run()).unwrap_err();
        }),
    ] {
        for nonblocking in [false, true] {
            let mut memory = vec![b'p'; MUCH];
            let (near, far) = tcp_pair();
            near.set_nonblocking(nonblocking).unwrap();
            // With a watcher or without, forgotten or not: it is over when the call returns, however little the peer reads.
            let mut transfer = named(Endpoint::bytes(&memory), &near);
            let began = Instant::now();
            stop(&mut transfer);
            assert!(began.elapsed().as_secs() < 20, "{how}: it waited for a peer");
            std::mem::forget(transfer);
            memory.fill(b'S');
            assert_eq!(option(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY), 0, "{how}");
            drop(near);
            let received = rest(&far);
            assert!(received.iter().all(|&byte| byte == b'p'), "{how}: bytes of memory that was its owner's again");
        }
    }
}
