//! A `zerocopy_send` and a child of fork(2): what a transfer keeps of a socket does not keep the connection open in a child, and
//! what is still to come from the error queue is its parent's.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use zcio::{AlignedBuffer, Endpoint, Mechanism, Step, Transfer};
use zcio_tests::watchdog;

/// A child has the sockets of the other tests, too, and keeps them open.
static ALONE: Mutex<()> = Mutex::new(());

/// A transfer of frozen memory by `zerocopy_send` to a connection that is full, and what the connection has of it.
fn full<'a>(near: &'a std::net::TcpStream, bytes: &[u8]) -> (Transfer<'a>, usize) {
    let mut buffer = AlignedBuffer::new(bytes.len()).unwrap();
    buffer.copy_from_slice(bytes);
    near.set_nonblocking(true).unwrap();
    let ends = (Endpoint::pages(buffer.freeze()), Endpoint::new(near.as_fd()).unwrap());
    let mut transfer = Transfer::new(ends.0, ends.1).mechanism(Mechanism::ZerocopySend);
    while !matches!(transfer.step().unwrap(), Step::Blocked(_)) {}
    let moved = transfer.report().unwrap().bytes as usize;
    (transfer, moved)
}

/// A child that does this, tells the byte it gives, and goes on living until it is sent one.
fn living_child(work: impl FnOnce() -> u8) -> (nix::unistd::Pid, UnixStream) {
    let (parent, mut child) = UnixStream::pair().unwrap();
    // SAFETY: the child allocates, which the C library's malloc allows after a fork, and takes no other thread's lock.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child: process } => (process, parent),
        ForkResult::Child => {
            drop(parent);
            let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(99);
            let _ = child.write_all(&[answer]).and_then(|()| child.read(&mut [0]));
            // SAFETY: ends this process, whatever other threads were doing in the parent.
            unsafe { libc::_exit(0) }
        }
    }
}

#[test]
fn a_child_does_not_keep_the_connection_of_a_zerocopy_send_open() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _dog = watchdog(60, "a connection that a child has inherited");
    let bytes = zcio_tests::pattern(32 << 20);
    for stopped in [true, false] {
        let (near, mut far) = zcio_tests::tcp_pair();
        let (transfer, moved) = full(&near, &bytes);
        let mut transfer = Some(transfer).filter(|_| !stopped);
        let (child, mut answer) = living_child(|| {
            // SAFETY: this process's descriptor, which nothing uses any more.
            unsafe { libc::close(near.as_raw_fd()) };
            0
        });
        answer.read_exact(&mut [0]).unwrap();
        drop(transfer.take());
        drop(near);
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        assert!(received == bytes[..moved], "stopped: {stopped}");
        answer.write_all(b"!").unwrap();
        waitpid(child, None).unwrap();
    }
}

#[test]
fn a_child_finds_a_socket_in_use_until_its_parent_is_done_with_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _dog = watchdog(60, "a socket that a child has inherited");
    let bytes = zcio_tests::pattern(32 << 20);
    let (near, mut far) = zcio_tests::tcp_pair();
    let (transfer, moved) = full(&near, &bytes);
    drop(transfer);
    let again = || {
        let ends = (Endpoint::bytes(b"the next one"), Endpoint::new(near.as_fd()).unwrap());
        Transfer::new(ends.0, ends.1).mechanism(Mechanism::ZerocopySend).run().map(|report| report.bytes)
    };
    let is_in_use = |result: zcio::error::Result<u64>| result.is_err_and(|error| error.errno() == Some(libc::EBUSY));
    let (child, mut answer) = living_child(|| u8::from(is_in_use(again())));
    let mut said = [0];
    answer.read_exact(&mut said).unwrap();
    assert_eq!(said, [1], "its notifications are the parent's");
    answer.write_all(b"!").unwrap();
    waitpid(child, None).unwrap();
    let (mut go, mut may_go) = UnixStream::pair().unwrap();
    let (child, mut answer) = living_child(|| {
        may_go.read_exact(&mut [0]).unwrap();
        u8::from(again().is_ok_and(|count| count == 12))
    });
    let mut received = vec![0; moved];
    far.read_exact(&mut received).unwrap();
    assert!(received == bytes[..moved]);
    while is_in_use(again()) {
        std::thread::yield_now();
    }
    go.write_all(b"!").unwrap();
    answer.read_exact(&mut said).unwrap();
    assert_eq!(said, [1], "nothing is to come any more");
    answer.write_all(b"!").unwrap();
    waitpid(child, None).unwrap();
}
