//! Operations that share a socket in blocking mode, one for each direction of it: the first to end must not put the socket
//! back to sleep under the other.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use zcio::{Endpoint, FanOut, NonBlockingGuard, Relay};

fn sleeps(stream: &impl AsFd) -> bool {
    let flags = fcntl(stream, FcntlArg::F_GETFL).unwrap();
    !OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
}

fn end(socket: &UnixStream) -> Endpoint<'_> {
    Endpoint::new(socket.as_fd()).unwrap()
}

/// The socket, its peer, and a pair to join it with.
fn sockets() -> [UnixStream; 4] {
    let ((shared, peer), (left, right)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    [shared, peer, left, right]
}

#[test]
fn the_last_operation_restores_blocking_mode() {
    let [shared, mut peer, left, right] = sockets();
    let mut down = FanOut::new(end(&shared)).sink(end(&left));
    let mut up = FanOut::new(end(&right)).sink(end(&shared));
    peer.write_all(b"some").unwrap();
    down.step().unwrap();
    up.step().unwrap();
    assert!(!sleeps(&shared) && sleeps(&right), "a source is asked instead");
    drop(down);
    assert!(!sleeps(&shared), "the other one would sleep in its next step");
    drop(up);
    assert!(sleeps(&shared) && sleeps(&right));

    let mut relay = Relay::new(end(&shared), end(&left));
    let guard = NonBlockingGuard::new(shared.as_fd()).unwrap();
    relay.step().unwrap();
    drop(guard);
    assert!(!sleeps(&shared));
    let guard = NonBlockingGuard::new(shared.as_fd()).unwrap();
    drop(relay);
    assert!(!sleeps(&shared) && sleeps(&left));
    drop(guard);
    assert!(sleeps(&shared));
}

#[test]
fn what_is_switched_for_good_is_left_so_by_everybody() {
    let [shared, _peer, left, _right] = sockets();
    let mut before = Relay::new(end(&shared), end(&left));
    before.step().unwrap();
    NonBlockingGuard::new(shared.as_fd()).unwrap().for_good();
    assert!(end(&shared).facts().nonblocking);
    let after = NonBlockingGuard::new(shared.as_fd()).unwrap();
    drop(before);
    assert!(!sleeps(&shared) && sleeps(&left));
    drop(after);
    assert!(!sleeps(&shared));
}

/// Others may write to it, or read from its other descriptors, in blocking mode meanwhile.
#[test]
fn a_fan_out_leaves_its_source_as_it_is() {
    let [shared, mut peer, left, _right] = sockets();
    let mut fan_out = FanOut::new(end(&shared)).sink(end(&left));
    assert_eq!(fan_out.step().unwrap(), zcio::FanOutStep::Blocked, "a step does not sleep");
    assert!(sleeps(&shared) && !sleeps(&left));
    peer.write_all(b"some").unwrap();
    while fan_out.step().unwrap() != zcio::FanOutStep::Blocked {}
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    while fan_out.step().unwrap() != zcio::FanOutStep::Done {}
    assert_eq!(fan_out.report().unwrap().bytes, 4);
    assert!(sleeps(&shared));
}

/// A pipe is often another program's as well: a shell's, with everything that it has started.
#[test]
fn a_batch_leaves_a_pipe_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, vec![7; 300_000]).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        bytes.len()
    });
    let items: Vec<_> = (0..3).map(|_| zcio::Item::new(file.as_path(), writer.as_fd())).collect();
    let (mut looks, seen) = (0, std::cell::Cell::new(true));
    let report = zcio::Batch::new().run_watched(&items, |_| {
        looks += 1;
        seen.set(seen.get() && sleeps(&writer));
        std::ops::ControlFlow::Continue(())
    });
    assert!(report.items.iter().all(Result::is_ok) && seen.get());
    assert!(sleeps(&writer) && looks > 0);
    drop(writer);
    assert_eq!(reading.join().unwrap(), 900_000);
}

/// Whoever looks at it meanwhile must not rely on the mode.
#[test]
fn it_counts_as_blocking_meanwhile() {
    let [shared, _peer, left, _right] = sockets();
    left.set_nonblocking(true).unwrap();
    let guards = [&shared, &left].map(|socket| NonBlockingGuard::new(socket.as_fd()).unwrap());
    assert!(!end(&shared).facts().nonblocking && end(&left).facts().nonblocking);
    assert!(end(&shared).nonblocking().unwrap().facts().nonblocking, "who keeps a guard may");
    drop(guards);
    assert!(!end(&shared).facts().nonblocking && end(&left).facts().nonblocking);
}

/// Several may write to one pipe; its other end is another matter.
#[test]
fn the_last_writer_restores_a_pipe() {
    let (read, write) = std::io::pipe().unwrap();
    let again = write.try_clone().unwrap();
    let first = NonBlockingGuard::new(write.as_fd()).unwrap();
    let second = NonBlockingGuard::new(again.as_fd()).unwrap();
    assert!(!sleeps(&write) && sleeps(&read));
    let reader = NonBlockingGuard::new(read.as_fd()).unwrap();
    drop(first);
    assert!(!sleeps(&write), "the other one would sleep in its next step");
    drop(reader);
    assert!(!sleeps(&write) && sleeps(&read));
    drop(second);
    assert!(sleeps(&write));
}

/// Each has a mode of its own.
#[test]
fn a_fifo_that_was_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let open = || File::options().read(true).write(true).open(&path).unwrap();
    let (one, other) = (open(), open());
    let first = NonBlockingGuard::new(one.as_fd()).unwrap();
    assert!(!sleeps(&one) && sleeps(&other));
    let second = NonBlockingGuard::new(other.as_fd()).unwrap();
    drop(first);
    assert!(sleeps(&one) && !sleeps(&other));
    drop(second);
    assert!(sleeps(&other));
}

#[test]
fn a_socket_in_non_blocking_mode_stays_in_it() {
    let [shared, _peer, left, _right] = sockets();
    shared.set_nonblocking(true).unwrap();
    let mut relay = Relay::new(end(&shared), end(&left));
    relay.step().unwrap();
    drop(relay);
    assert!(!sleeps(&shared) && sleeps(&left));
}

#[test]
fn a_mode_that_somebody_changed_meanwhile_is_changed_again() {
    let [shared, _peer, ..] = sockets();
    let first = NonBlockingGuard::new(shared.as_fd()).unwrap();
    shared.set_nonblocking(false).unwrap();
    let second = NonBlockingGuard::new(shared.as_fd()).unwrap();
    assert!(!sleeps(&shared));
    drop(first);
    assert!(!sleeps(&shared));
    drop(second);
    assert!(sleeps(&shared));
}

/// Whose the mode is, is not asked when it has just ended: a socket that is called non-blocking for ever would put its thread to
/// sleep.
#[test]
fn a_mode_that_ends_just_now_is_not_taken_for_the_callers() {
    let [shared, ..] = sockets();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                drop(NonBlockingGuard::new(&shared).unwrap());
            }
        });
        let wrong = (0..100_000).filter(|_| end(&shared).facts().nonblocking).count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(wrong, 0, "times it was called the caller's");
    });
}
