//! What one mechanism leaves to the next, or to the caller: bytes, counts, and what the source said meanwhile.

use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

use zcio::inject::{Fault, with};
use zcio::{Endpoint, ErrorKind, Mechanism, Transfer};
use zcio_tests::{content, pattern, tcp_pair};

fn transfer<'fd>(source: &'fd impl AsFd, sink: &'fd impl AsFd) -> Transfer<'fd> {
    Transfer::new(Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap())
}

#[test]
fn what_the_disk_is_writing_is_counted_before_the_rest_is_handed_back() {
    // Every kind of moment: with nothing, some, or all of a buffer at the disk.
    (1..60).for_each(stopped_after);
}

fn stopped_after(steps: u32) {
    let bytes = pattern(3 << 20);
    let (near, far) = UnixStream::pair().unwrap();
    let feeder = std::thread::spawn({
        let bytes = bytes.clone();
        move || (&far).write_all(&bytes).unwrap()
    });
    let sink = tempfile::tempfile().unwrap();
    let mut moving = transfer(&near, &sink).mechanism(Mechanism::DirectIo);
    for _ in 0..steps {
        moving.step().unwrap();
    }
    let undelivered = moving.take_undelivered().unwrap();
    let moved = moving.report().unwrap().bytes as usize;
    drop(moving);
    let mut rest = Vec::new();
    (&near).read_to_end(&mut rest).unwrap();
    feeder.join().unwrap();
    let position = (&sink).stream_position().unwrap();
    let stored = content(&sink);
    assert!(stored == bytes[..moved], "{steps} steps: {moved} bytes moved, {} in the file", stored.len());
    let whole = [&bytes[..moved], &undelivered, &rest].concat();
    assert!(whole == bytes, "{steps} steps: {moved} + {} + {} bytes", undelivered.len(), rest.len());
    assert_eq!(position, moved as u64, "{steps} steps: the sink's position");
}

#[test]
fn a_reset_is_told_although_the_mechanism_changed_meanwhile() {
    let (near, far) = tcp_pair();
    (&near).write_all(b"never read").unwrap();
    (&far).write_all(b"what came before the reset").unwrap();
    // Unread bytes at the closing end make it send a reset instead of an orderly end.
    drop(far);
    let sink = tempfile::tempfile().unwrap();
    let source = near.as_raw_fd();
    // Out of the engine's own pipe into the sink: refused, as by a file that cannot be spliced to.
    let refuse = move |call: &zcio::inject::Call| {
        let drains = call.operation == "splice" && call.descriptor != source;
        if drains { Fault::Errno(libc::EINVAL) } else { Fault::None }
    };
    let mut moving = transfer(&near, &sink);
    let error = with(refuse, || moving.run()).expect_err("the peer reset the connection");
    assert_eq!((error.kind(), error.moved()), (ErrorKind::PeerClosed, 26), "{error}");
    assert_eq!(content(&sink), b"what came before the reset");
    assert_eq!(moving.report().unwrap().attempts[0].mechanism, Mechanism::Splice);
}
