//! A socket whose error queue holds what somebody else has not read: poll(2) calls such a socket ready for ever, and who
//! waits for its bytes must not spin.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::{Endpoint, FanOut, Relay, Transfer};

/// Both ends of a connection; the first has a notification of `MSG_ZEROCOPY` that nobody will read.
fn notified() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    let on: libc::c_int = 1;
    // SAFETY: the pointer is to a local of that length.
    let option =
        unsafe { libc::setsockopt(near.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ZEROCOPY, (&raw const on).cast(), 4) };
    // SAFETY: the bytes are a constant.
    let sent = unsafe { libc::send(near.as_raw_fd(), b"?".as_ptr().cast(), 1, libc::MSG_ZEROCOPY) };
    assert_eq!((option, sent), (0, 1));
    (&far).read_exact(&mut [0]).unwrap();
    let mut polled = [PollFd::new(near.as_fd(), PollFlags::empty())];
    assert_eq!(poll(&mut polled, PollTimeout::from(60_000_u16)), Ok(1), "no notification came");
    (near, far)
}

/// Lets it go on for a while.
fn for_a_while() -> impl Fn() -> ControlFlow<()> {
    let began = Instant::now();
    move || {
        if began.elapsed() < Duration::from_millis(300) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

#[test]
fn nobody_spins_because_of_an_error_queue() {
    let (near, _far) = notified();
    let (left, _right) = UnixStream::pair().unwrap();
    let end = |fd| Endpoint::new(fd).unwrap();
    let goes_on = for_a_while();
    let mut transfer = Transfer::new(end(near.as_fd()), end(left.as_fd()));
    transfer.run_watched(|_| goes_on()).unwrap_err();
    let goes_on = for_a_while();
    let mut relay = Relay::new(end(near.as_fd()), end(left.as_fd()));
    relay.run_watched(|_, _| goes_on()).unwrap_err();
    let goes_on = for_a_while();
    let mut fan_out = FanOut::new(end(near.as_fd())).sink(end(left.as_fd()));
    fan_out.run_watched(|_| goes_on()).unwrap_err();
    let waits = [transfer.report().unwrap().waits, relay.report().waits, fan_out.report().unwrap().waits];
    assert!(waits.iter().all(|waits| (1..300).contains(waits)), "{waits:?}");
}

#[test]
fn what_has_come_is_delivered_before_more_is_waited_for() {
    let (near, mut far) = notified();
    let (left, mut right) = UnixStream::pair().unwrap();
    let moving = std::thread::spawn(move || {
        let ends = (Endpoint::new(near.as_fd()).unwrap(), Endpoint::new(left.as_fd()).unwrap());
        Transfer::new(ends.0, ends.1).run().unwrap().bytes
    });
    far.write_all(b"question").unwrap();
    right.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut question = [0; 8];
    right.read_exact(&mut question).expect("it waits for more with these bytes in its pipe");
    assert_eq!(&question, b"question");
    far.shutdown(Shutdown::Write).unwrap();
    assert_eq!(moving.join().unwrap(), 8);
}
