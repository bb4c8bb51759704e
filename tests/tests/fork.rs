//! What a child of fork(2) inherits and must not use: rings whose memory is the parent's, and pipes whose numbers may mean
//! something else by now, because a daemon closes every descriptor it does not know (`close_range(2)`).
//!
//! A child only makes transfers here and ends with an exit code; what went wrong is told by the parent.

use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::net::UnixStream;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use zcio::{Batch, Endpoint, Item, Mechanism, Transfer};
use zcio_tests::{content, watchdog};

/// The exit code of a child that has done that; 99 if it panicked.
fn in_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child allocates, which the C library's malloc allows after a fork, and takes no other thread's lock.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        },
        ForkResult::Child => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(99);
            // SAFETY: ends this process, whatever other threads were doing in the parent.
            unsafe { libc::_exit(code) }
        }
    }
}

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
