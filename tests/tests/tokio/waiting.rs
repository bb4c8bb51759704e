//! A future that waits is asleep, whatever poll(2) says of its ends, and one that moves lets others have the thread.

use std::future::{Future, poll_fn};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::net::UnixStream;
use zcio::{Endpoint, FanOut, Mechanism, Relay, Transfer, tokio as futures};
use zcio_tests::{Kind, Sink, Source, content, file_with, pattern, tcp_pair, watchdog};

use super::{for_a_while, on_each_runtime, runtimes};

fn end(fd: &impl AsFd) -> Endpoint<'_> {
    Endpoint::new(fd.as_fd()).unwrap()
}

/// Both ends of a connection; the first has a notification of `MSG_ZEROCOPY` that nobody will read.
fn notified() -> (TcpStream, TcpStream) {
    let (near, far) = tcp_pair();
    let on: libc::c_int = 1;
    // SAFETY: the pointer is to a local of that length.
    let option =
        unsafe { libc::setsockopt(near.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ZEROCOPY, (&raw const on).cast(), 4) };
    // SAFETY: the bytes are a constant.
    let sent = unsafe { libc::send(near.as_raw_fd(), b"?".as_ptr().cast(), 1, libc::MSG_ZEROCOPY) };
    assert_eq!((option, sent), (0, 1));
    let mut polled = [PollFd::new(near.as_fd(), PollFlags::empty())];
    std::io::Read::read_exact(&mut (&far), &mut [0]).unwrap();
    assert_eq!(poll(&mut polled, PollTimeout::from(60_000_u16)), Ok(1), "no notification came");
    (near, far)
}

/// Lets a future wait for a while, and gives the number of its polls.
async fn polls<F: Future>(future: F) -> u64 {
    let mut future = pin!(future);
    let mut polls = 0;
    let counted = poll_fn(|context| {
        polls += 1;
        future.as_mut().poll(context)
    });
    assert!(for_a_while(200, counted).await.is_none(), "it was to wait");
    polls
}

#[test]
fn waiting_takes_neither_steps_nor_polls() {
    let _dog = watchdog(60, "waiting");
    on_each_runtime(|| async {
        // With a message in an error queue, and without; for a source, and for a sink that is full.
        for queue in [false, true] {
            let (source, _peer) = if queue { notified() } else { tcp_pair() };
            let (unix, _other) = UnixStream::pair().unwrap();
            let mut transfer = Transfer::new(end(&source), end(&unix));
            let transfer_polls = polls(futures::transfer(&mut transfer)).await;

            let (sink, _peer) = if queue { notified() } else { tcp_pair() };
            let file = file_with(&pattern(32 << 20));
            let mut full = Transfer::new(end(&file), end(&sink));
            for_a_while(300, futures::transfer(&mut full)).await;
            let before = full.report().unwrap().system_calls;
            let full_polls = polls(futures::transfer(&mut full)).await;
            let full_calls = full.report().unwrap().system_calls - before;

            let mut relay = Relay::new(end(&source), end(&unix));
            let relay_polls = polls(futures::relay(&mut relay)).await;
            let mut fan_out = FanOut::new(end(&source)).sink(end(&unix));
            let fan_out_polls = polls(futures::fan_out(&mut fan_out)).await;

            let calls = [
                transfer.report().unwrap().system_calls,
                full_calls,
                relay.report().system_calls,
                fan_out.report().unwrap().system_calls,
            ];
            let polls = [transfer_polls, full_polls, relay_polls, fan_out_polls];
            assert!(
                calls.iter().all(|calls| *calls < 60) && polls.iter().all(|polls| *polls < 12),
                "{queue} {calls:?} {polls:?}"
            );
        }
    });
}

/// The message stays, and the bytes come all the same.
#[test]
fn an_error_queue_keeps_no_bytes_waiting() {
    let _dog = watchdog(60, "an error queue");
    on_each_runtime(|| async {
        let bytes = pattern(32 << 20);
        let (near, far) = notified();
        let file = file_with(&bytes);
        let reader = tokio::task::spawn_blocking(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let mut arrived = Vec::new();
            std::io::Read::read_to_end(&mut (&far), &mut arrived).unwrap();
            arrived
        });
        let mut transfer = Transfer::new(end(&file), end(&near));
        assert_eq!(futures::transfer(&mut transfer).await.unwrap().bytes, bytes.len() as u64);
        drop(transfer);
        drop(near);
        assert!(reader.await.unwrap() == bytes, "other bytes");
    });
}

#[test]
fn a_notification_is_waited_for() {
    let _dog = watchdog(60, "notifications");
    let bytes = pattern(4 << 20);
    for (kind, runtime) in runtimes() {
        let (source, sink) = (Source::with(Kind::Pages, &bytes), Sink::new(Kind::Tcp));
        let mut transfer = Transfer::new(source.end(), end(&sink)).mechanism(Mechanism::ZerocopySend);
        let report = runtime.block_on(futures::transfer(&mut transfer)).unwrap();
        drop(transfer);
        assert_eq!((report.bytes, report.mechanism), (bytes.len() as u64, Mechanism::ZerocopySend), "{kind}");
        assert!(sink.received() == bytes, "{kind}: other bytes");
    }
}

/// Another task gets its turn at least once for each two mebibytes, whatever the ends are.
#[test]
fn others_get_their_turn() {
    const SIZE: u64 = 64 << 20;
    let _dog = watchdog(120, "turns");
    let bytes = pattern(SIZE as usize);
    let (_, runtime) = runtimes().into_iter().next().unwrap();
    for kind in [Kind::File, Kind::Unix] {
        let (source, sink) = (file_with(&bytes), Sink::new(kind));
        let (over, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (its_over, its_turns) = (Arc::clone(&over), Arc::clone(&turns));
        runtime.block_on(async {
            let other = tokio::spawn(async move {
                while !its_over.load(Ordering::Relaxed) {
                    its_turns.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
            futures::transfer(&mut Transfer::new(end(&source), end(&sink))).await.unwrap();
            over.store(true, Ordering::Relaxed);
            other.await.unwrap();
        });
        assert!(turns.load(Ordering::Relaxed) >= SIZE >> 21, "{kind:?}: {turns:?}");
        assert!(sink.received() == bytes, "{kind:?}: other bytes");
    }
}

/// Where `block_in_place` panics.
#[test]
fn files_are_copied_in_a_local_set_of_a_runtime_with_threads() {
    let _dog = watchdog(60, "a local set");
    let bytes = pattern(5 << 20);
    let (source, sink) = (file_with(&bytes), tempfile::tempfile().unwrap());
    let (_, runtime) = runtimes().into_iter().last().unwrap();
    let moved = tokio::task::LocalSet::new().block_on(&runtime, async {
        futures::transfer(&mut Transfer::new(end(&source), end(&sink))).await.unwrap().bytes
    });
    assert!(moved == bytes.len() as u64 && content(&sink) == bytes);
}
