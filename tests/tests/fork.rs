//! What a child of fork(2) inherits and must not use: rings whose memory is the parent's, and pipes whose numbers may mean
//! something else by now, because a daemon closes every descriptor it does not know (`close_range(2)`).
//!
//! A child only makes transfers here and ends with an exit code; what went wrong is told by the parent.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use zcio::copy::Copy;
use zcio::{
    Batch, Capabilities, Direction, Endpoint, ErrorKind, FanOut, Item, Mechanism, NonBlockingGuard, Reflink, Relay,
    Transfer,
};
use zcio_tests::forked::in_child;
use zcio_tests::{content, has, watchdog};

#[test]
fn a_batch_made_before_sends_the_right_bytes_on_both_sides() {
    let _dog = watchdog(60, "a batch in a child");
    let dir = tempfile::tempdir().unwrap();
    let files = |seed: u8| -> Vec<_> {
        let paths = (seed..seed + 20).map(|byte| (dir.path().join(byte.to_string()), vec![byte; 4000]));
        paths.inspect(|(path, bytes)| std::fs::write(path, bytes).unwrap()).collect()
    };
    let run = |batch: &mut Batch, files: &[(std::path::PathBuf, Vec<u8>)], sink: &File| {
        let items: Vec<_> = files.iter().map(|(path, _)| Item::new(path.as_path(), sink.as_fd())).collect();
        batch.run(&items).items.iter().all(Result::is_ok)
    };
    let (before, inside, after) = (files(0), files(20), files(40));
    let [sink, child_sink] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    let mut batch = Batch::new();
    assert!(run(&mut batch, &before, &sink));
    assert_eq!(in_child(|| i32::from(!run(&mut batch, &inside, &child_sink))), 0);
    assert!(run(&mut batch, &after, &sink));
    let bytes = |files: &[(_, Vec<u8>)]| files.iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
    assert!(content(&child_sink) == bytes(&inside));
    assert!(content(&sink) == [bytes(&before), bytes(&after)].concat());
}

/// Moves a few bytes through a pipe of zcio's own, which is kept for the next time.
fn use_a_pipe() {
    let (mut near, far) = UnixStream::pair().unwrap();
    near.write_all(b"through a pipe").unwrap();
    drop(near);
    let sink = tempfile::tempfile().unwrap();
    let ends = (Endpoint::new(far.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let report = Transfer::new(ends.0, ends.1).mechanism(Mechanism::Splice).run().unwrap();
    assert_eq!((report.bytes, content(&sink)), (14, b"through a pipe".to_vec()));
}

/// Closes every descriptor but the first three, as a daemon does, and opens files in the place of all that were there.
fn close_and_open_others() -> Vec<ManuallyDrop<File>> {
    // SAFETY: this process, a child, uses none of the descriptors again, but for what is being tested.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    assert_eq!(closed, 0);
    (0..100).map(|_| ManuallyDrop::new(tempfile::tempfile().unwrap())).collect()
}

/// How many of the files are not there, or not empty.
fn touched(files: &[ManuallyDrop<File>]) -> i32 {
    let untouched = |file: &&ManuallyDrop<File>| file.metadata().is_ok_and(|is| is.is_file() && is.len() == 0);
    (files.len() - files.iter().filter(untouched).count()) as i32
}

#[test]
fn a_daemon_that_closed_every_descriptor_keeps_the_files_it_opened_then() {
    let _dog = watchdog(60, "a daemon that closes every descriptor");
    use_a_pipe();
    let code = in_child(|| {
        let files = close_and_open_others();
        use_a_pipe();
        touched(&files)
    });
    assert_eq!(code, 0, "so many files were closed or written to, in a child");
    // The same without a fork between: here, in a child, because it would close the test's own descriptors.
    let code = in_child(|| {
        use_a_pipe();
        let files = close_and_open_others();
        use_a_pipe();
        touched(&files)
    });
    assert_eq!(code, 0, "so many files were closed or written to, in one process");
}

#[test]
fn a_number_that_means_another_pipe_now_is_not_taken_for_ours() {
    let _dog = watchdog(60, "another pipe in the place of ours");
    let code = in_child(|| {
        use_a_pipe();
        let files = close_and_open_others();
        // Another pipe in all of their places.
        let (read, write) = std::io::pipe().unwrap();
        for file in &files {
            // SAFETY: the number is open and belongs to nobody but this list, which never closes it.
            let place = unsafe { BorrowedFd::borrow_raw(file.as_raw_fd()) };
            // SAFETY: as above; what is made of it is never dropped.
            let mut place = ManuallyDrop::new(unsafe { std::os::fd::OwnedFd::from_raw_fd(place.as_raw_fd()) });
            nix::unistd::dup2(&write, &mut place).unwrap();
        }
        drop(write);
        use_a_pipe();
        for file in files {
            drop(ManuallyDrop::into_inner(file));
        }
        i32::from(std::io::Read::read(&mut { read }, &mut [0; 100]).unwrap() > 0)
    });
    assert_eq!(code, 0, "bytes went into somebody else's pipe");
}

/// A thread makes ends and switches them while this one forks: no child waits for the locks it had.
#[test]
fn no_child_waits_for_a_lock_that_a_thread_had() {
    let _dog = watchdog(60, "children of a process with threads");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let (near, _far) = UnixStream::pair().unwrap();
                    drop(NonBlockingGuard::new(near.as_fd()).unwrap());
                }
            });
        }
        for _ in 0..500 {
            let code = in_child(|| {
                // SAFETY: takes a number. Ends a child that waits, which its parent then sees.
                unsafe { libc::alarm(20) };
                let (near, _far) = UnixStream::pair().unwrap();
                drop(NonBlockingGuard::new(near.as_fd()).unwrap());
                i32::from(Capabilities::get().iter().next().is_none())
            });
            assert_eq!(code, 0);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn is_inherited<T>(result: zcio::error::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::Inherited)
}

fn sleeps(socket: &UnixStream) -> bool {
    let flags = nix::fcntl::fcntl(socket, nix::fcntl::FcntlArg::F_GETFL).unwrap();
    flags & libc::O_NONBLOCK == 0
}

/// What a child does with a transfer, a fan-out and a relay that its parent has begun: an error, and nothing in the parent is
/// other than before.
#[test]
fn a_child_steps_nothing_that_it_inherited() {
    let _dog = watchdog(60, "what a child inherits");
    let bytes = zcio_tests::pattern(1 << 20);
    for mechanism in [Mechanism::Splice, Mechanism::ReadWrite, Mechanism::Uring].into_iter().filter(|&named| has(named))
    {
        let ((mut near, far), sink) = (UnixStream::pair().unwrap(), tempfile::tempfile().unwrap());
        far.set_nonblocking(true).unwrap();
        let ends = (Endpoint::new(far.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
        let mut transfer = Some(Transfer::new(ends.0, ends.1).mechanism(mechanism));
        near.write_all(&bytes[..5000]).unwrap();
        transfer.as_mut().unwrap().step().unwrap();
        near.write_all(&bytes[5000..9000]).unwrap();
        let code = in_child(|| {
            let mut inherited = transfer.take().unwrap();
            let refused = is_inherited(inherited.step())
                && is_inherited(inherited.run())
                && is_inherited(inherited.take_undelivered());
            drop(inherited);
            i32::from(!refused)
        });
        assert_eq!(code, 0, "{mechanism}");
        near.write_all(&bytes[9000..20_000]).unwrap();
        drop(near);
        assert_eq!(transfer.unwrap().run().unwrap().bytes, 20_000);
        assert!(content(&sink) == bytes[..20_000], "{mechanism}");
    }
}

#[test]
fn a_child_leaves_a_relay_and_a_fan_out_of_its_parent_alone() {
    let _dog = watchdog(60, "what a child inherits");
    let [mut client, left] = <[UnixStream; 2]>::from(UnixStream::pair().unwrap());
    let [right, mut server] = <[UnixStream; 2]>::from(UnixStream::pair().unwrap());
    let end = |socket: &'static UnixStream| Endpoint::new(socket.as_fd()).unwrap();
    let [left, right]: [&'static UnixStream; 2] = [left, right].map(|socket| &*Box::leak(Box::new(socket)));
    let mut relay = Some(Relay::new(end(left), end(right)));
    client.write_all(b"question").unwrap();
    relay.as_mut().unwrap().step().unwrap();
    let code = in_child(|| {
        let mut inherited = relay.take().unwrap();
        let refused = is_inherited(inherited.step())
            && is_inherited(inherited.run())
            && is_inherited(inherited.take_undelivered(Direction::Forward));
        drop(inherited);
        i32::from(!refused)
    });
    assert_eq!(code, 0);
    assert!(!sleeps(left) && !sleeps(right), "the child has put them to sleep");
    server.write_all(b"answer").unwrap();
    drop(server);
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let report = relay.take().unwrap().run();
    // The server left before it had read the question.
    assert!(report.is_err() || report.unwrap().backward.bytes == 6);
    assert!(sleeps(left) && sleeps(right));

    let (source, sink) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let bytes = zcio_tests::pattern(3 << 20);
    (&source).write_all(&bytes).unwrap();
    (&source).seek(SeekFrom::Start(0)).unwrap();
    let mut fan_out =
        Some(FanOut::new(Endpoint::new(source.as_fd()).unwrap()).sink(Endpoint::new(sink.as_fd()).unwrap()));
    fan_out.as_mut().unwrap().step().unwrap();
    let code = in_child(|| {
        let mut inherited = fan_out.take().unwrap();
        let refused = is_inherited(inherited.step())
            && is_inherited(inherited.run())
            && is_inherited(inherited.take_undelivered(0));
        drop(inherited);
        i32::from(!refused)
    });
    assert_eq!(code, 0);
    assert_eq!(fan_out.unwrap().run().unwrap().bytes, bytes.len() as u64);
    assert!(content(&sink) == bytes);
}

/// A watcher that forks and returns in the child, too: the child ends with an error, the parent with everything.
#[test]
fn a_watcher_may_fork() {
    let _dog = watchdog(60, "watchers that fork");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("item");
    let bytes = zcio_tests::pattern(10_000);
    std::fs::write(&path, &bytes).unwrap();
    // In a child, so that the watcher's is one more and nothing of the test goes on in it.
    let run = || {
        let (sink, mut far) = UnixStream::pair().unwrap();
        let (forked, items) = (AtomicBool::new(false), vec![Item::new(path.as_path(), sink.as_fd()); 100]);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                // The socket takes less than all, so that the watcher is called.
                while !forked.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                let mut received = vec![0; 100 * bytes.len()];
                far.read_exact(&mut received).unwrap();
                received == bytes.repeat(100)
            });
            let mut child = None;
            let report = Batch::new().run_watched(&items, |_| {
                if child.is_none() {
                    // SAFETY: as in `in_child`.
                    child = Some(unsafe { fork() }.unwrap());
                    forked.store(true, Ordering::Relaxed);
                }
                ControlFlow::Continue(())
            });
            let failed = report.items.iter().filter(|item| item.is_err()).count();
            match child.expect("the sink takes no more than it has room for") {
                // SAFETY: as in `in_child`.
                ForkResult::Child => unsafe { libc::_exit(i32::from(failed == 0)) },
                ForkResult::Parent { child } => {
                    let ended = waitpid(child, None) == Ok(WaitStatus::Exited(child, 0));
                    i32::from(!(ended && failed == 0 && reader.join().unwrap()))
                }
            }
        })
    };
    assert_eq!(in_child(run), 0);
    let looping = || zcio_tests::seccomp::refusing(libc::SYS_io_uring_setup, nix::errno::Errno::EPERM, run);
    assert_eq!(in_child(looping), 0);
}

/// A copy that is watched by somebody who forks: in the child nothing more is written, cut, named or removed.
#[test]
fn the_watcher_of_a_copy_may_fork() {
    let _dog = watchdog(120, "a watcher of a copy that forks");
    // It is called after 64 MiB.
    let bytes = zcio_tests::pattern(66 << 20);
    for (existing, atomic, holes) in
        [(false, false, false), (true, false, true), (true, true, true), (false, true, true)]
    {
        let dir = tempfile::tempdir().unwrap();
        let (source, copy) = (dir.path().join("source"), dir.path().join("copy"));
        let file = File::create(&source).unwrap();
        // With holes there are many ranges, and the watcher is called between them, too.
        let parts = if holes { 64 } else { 1 };
        for (index, part) in bytes.chunks(bytes.len() / parts).enumerate() {
            file.write_all_at(part, 2 * (index * part.len()) as u64).unwrap();
        }
        drop(file);
        if existing {
            std::fs::write(&copy, b"old").unwrap();
        }
        let code = in_child(|| {
            let mut child = None;
            let watch = |_| {
                if child.is_none() {
                    // SAFETY: as in `in_child`.
                    child = Some(unsafe { fork() }.unwrap());
                    if let Some(ForkResult::Parent { child }) = child {
                        // The child's part comes first.
                        let ended = waitpid(child, None) == Ok(WaitStatus::Exited(child, 0));
                        assert!(ended, "the child");
                    }
                }
                ControlFlow::Continue(())
            };
            let copied = Copy::new(&source, &copy).reflink(Reflink::Never).atomic(atomic).run_watched(watch);
            match child.expect("watched") {
                // SAFETY: as in `in_child`.
                ForkResult::Child => unsafe { libc::_exit(i32::from(!is_inherited(copied))) },
                ForkResult::Parent { .. } => i32::from(copied.is_err()),
            }
        });
        assert_eq!(code, 0, "existing: {existing}, atomic: {atomic}, holes: {holes}");
        assert!(std::fs::read(&copy).unwrap() == std::fs::read(&source).unwrap());
        assert_eq!(dir.path().read_dir().unwrap().count(), 2);
    }
}
