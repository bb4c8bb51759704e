//! Many reads in one call, where something is denied, interrupted, faulty or forked: the same bytes as pread(2) would give,
//! and the report says why it was not the ring.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use zcio::inject::{self, Fault};
use zcio::{AlignedBuffer, Attempt, Endpoint, ErrorKind, Mechanism, ReadAt, Reads};
use zcio_tests::forked::in_child;
use zcio_tests::seccomp::{refuse, refusing};
use zcio_tests::{has, pattern, storm_of_signals, watchdog};

const SIZE: usize = 1_000_003;

/// A file on a disk, which the system's folder for temporary files need not be.
fn file() -> File {
    let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).or_else(|_| tempfile::tempfile()).unwrap();
    file.write_all_at(&pattern(SIZE), 0).unwrap();
    file.sync_all().unwrap();
    file
}

/// The same without its pages in the cache, and past the page cache if its file system knows how to.
fn cold_and_direct(file: &File) -> Vec<File> {
    nix::fcntl::posix_fadvise(file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let opened = [0, libc::O_DIRECT].map(|flags| File::options().read(true).custom_flags(flags).open(&path));
    let mut block = AlignedBuffer::new(4096).unwrap();
    opened.into_iter().flatten().filter(|file| file.read_at(&mut block, 0).is_ok()).collect()
}

/// Reads all of the file in 300 parts, some of them of no whole blocks; gives back why it was not by the ring.
fn all_of(reads: &mut Reads, file: &File, watched: bool) -> Result<Option<Attempt>, zcio::Error> {
    let end = Endpoint::new(file).unwrap();
    let mut memory = AlignedBuffer::new(SIZE + 4096).unwrap();
    let places = (0..200).map(|number| number * 4096).chain((0..100).map(|number| 819_200 + number * 1809));
    let mut rest: &mut [u8] = &mut memory;
    let mut asked = Vec::new();
    let places: Vec<_> = places.chain([SIZE + 97]).collect();
    for place in places.windows(2) {
        let (part, behind) = rest.split_at_mut(place[1] - place[0]);
        asked.push(ReadAt::new(&end, place[0] as u64, part));
        rest = behind;
    }
    let report =
        if watched { reads.run_watched(&mut asked, |_| ControlFlow::Continue(())) } else { reads.run(&mut asked) };
    drop(asked);
    let read = report.reads.into_iter().sum::<Result<usize, _>>()?;
    assert_eq!(read, SIZE);
    assert!(memory[..SIZE] == pattern(SIZE)[..] && memory[SIZE..].iter().all(|&byte| byte == 0));
    Ok(report.refusal)
}

#[test]
fn without_the_ring_threads_read_the_same_and_the_report_says_why() {
    let _dog = watchdog(120, "reads behind a filter");
    let file = file();
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        for file in cold_and_direct(&file) {
            let refusal = refusing(libc::SYS_io_uring_setup, errno, || {
                let mut reads = Reads::new(8).unwrap();
                assert_eq!(reads.refusal().and_then(|refusal| refusal.errno), Some(errno as i32));
                all_of(&mut reads, &file, false).unwrap()
            });
            let refusal = refusal.expect("it was refused");
            assert_eq!((refusal.mechanism, refusal.operation), (Mechanism::Uring, "io_uring_setup"));
            assert!(!refusal.reason.is_empty());
        }
    }
}

/// A filter that comes when the ring is there.
#[test]
fn a_ring_that_takes_nothing_more_is_replaced() {
    if !has(Mechanism::Uring) {
        return;
    }
    let _dog = watchdog(120, "a ring that is denied later");
    let file = file();
    for file in cold_and_direct(&file) {
        let mut reads = Reads::new(8).unwrap();
        assert_eq!(all_of(&mut reads, &file, false).unwrap(), None);
        std::thread::scope(|scope| {
            let reads = &mut reads;
            let file = &file;
            let denied = scope.spawn(move || {
                refuse(libc::SYS_io_uring_enter, libc::EPERM);
                [(); 2].map(|()| all_of(reads, file, false).unwrap())
            });
            for refusal in denied.join().unwrap() {
                assert_eq!(
                    refusal.map(|refusal| (refusal.operation, refusal.errno)),
                    Some(("io_uring_enter", Some(1)))
                );
            }
        });
        assert_eq!(all_of(&mut reads, &file, false).unwrap(), None, "here it is allowed");
    }
}

#[test]
fn where_other_calls_are_denied() {
    let _dog = watchdog(120, "reads without a few calls");
    let file = file();
    let denied = [libc::SYS_preadv2, libc::SYS_statx, libc::SYS_process_vm_writev, libc::SYS_process_vm_readv];
    for (call, errno) in denied.iter().flat_map(|&call| [(call, Errno::ENOSYS), (call, Errno::EPERM)]) {
        for file in cold_and_direct(&file) {
            refusing(call, errno, || all_of(&mut Reads::new(8).unwrap(), &file, false).unwrap());
            refusing(call, errno, || {
                refuse(libc::SYS_io_uring_setup, libc::EPERM);
                all_of(&mut Reads::new(8).unwrap(), &file, false).unwrap()
            });
        }
    }
}

#[test]
fn signals_change_nothing() {
    let _dog = watchdog(120, "reads in a storm of signals");
    let file = file();
    for depth in [1, 8, 64] {
        let mut reads = Reads::new(depth).unwrap();
        for watched in [false, true] {
            for file in cold_and_direct(&file) {
                let _storm = storm_of_signals();
                (0..10).for_each(|_| drop(all_of(&mut reads, &file, watched).unwrap()));
            }
        }
    }
}

/// Short reads and errors under the engine, of the ring as of pread(2).
#[test]
fn faults_on_purpose() {
    let _dog = watchdog(120, "reads with faults");
    let file = file();
    for seed in 0..60_u64 {
        for (number, file) in cold_and_direct(&file).into_iter().enumerate() {
            let mut reads = Reads::new([1, 8][seed as usize % 2]).unwrap();
            let mut random = fastrand::Rng::with_seed(seed);
            let hook = move |call: &inject::Call| match random.u8(..8) {
                _ if call.operation != "read" => Fault::None,
                0 => Fault::Errno(libc::EINTR),
                1 => Fault::Errno(libc::EAGAIN),
                // Of direct I/O, whole blocks.
                2 | 3 if number == 1 => Fault::Short((call.length / 8192 * 4096).max(4096)),
                2 | 3 => Fault::Short(random.usize(..5000)),
                _ => Fault::None,
            };
            match inject::with(hook, || all_of(&mut reads, &file, false)) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.errno(), Some(libc::EAGAIN), "{error}"),
            }
        }
    }
}

#[test]
fn an_error_is_one_reads_own_and_says_where() {
    let _dog = watchdog(60, "reads of a bad block");
    let file = file();
    let mut errors = BTreeMap::new();
    for depth in [1, 8] {
        let mut reads = Reads::new(depth).unwrap();
        let end = Endpoint::new(&file).unwrap();
        let mut memory = vec![0; 20 * 4096];
        let mut asked: Vec<_> =
            (0..).zip(memory.chunks_exact_mut(4096)).map(|(at, part)| ReadAt::new(&end, at * 4096, part)).collect();
        // As often as one read is asked for: by the ring's operation and then by pread(2), or, without a ring, by two that may not
        // wait and then by one that may. Where that is once too often, the next read asks again.
        let mut calls = 0;
        let hook = move |call: &inject::Call| {
            calls += u32::from(call.operation == "read");
            if (8..=10).contains(&calls) { Fault::Errno(libc::EIO) } else { Fault::None }
        };
        let report = inject::with(hook, || reads.run(&mut asked));
        drop(asked);
        for (number, result) in report.reads.into_iter().enumerate() {
            match result {
                Ok(count) => {
                    assert_eq!(count, 4096);
                    let place = number * 4096..number * 4096 + 4096;
                    assert!(memory[place.clone()] == pattern(SIZE)[place]);
                }
                Err(error) => {
                    assert_eq!(
                        (error.kind(), error.errno(), error.operation()),
                        (ErrorKind::Os, Some(libc::EIO), "pread")
                    );
                    assert!(error.message().ends_with(&format!("at offset {}", number * 4096)), "{error}");
                    *errors.entry(depth).or_insert(0) += 1;
                }
            }
        }
    }
    assert_eq!(errors, BTreeMap::from([(1, 1), (8, 1)]));
}

#[test]
fn a_child_reads_by_a_ring_of_its_own() {
    let _dog = watchdog(60, "reads in a child");
    let file = file();
    let mut reads = Reads::new(8).unwrap();
    all_of(&mut reads, &file, false).unwrap();
    assert_eq!(in_child(|| i32::from(all_of(&mut reads, &file, false).is_err())), 0);
    all_of(&mut reads, &file, false).unwrap();
}

/// A watcher that forks and returns in the child, too: there the reads end with errors, in the parent with everything.
#[test]
fn a_watcher_may_fork() {
    const NEVER_CALLED: i32 = 7;
    let _dog = watchdog(120, "watchers that fork");
    let file = file();
    // More and more reads, until they take so long that the watcher is called.
    let run = |rounds: usize| {
        let end = Endpoint::new(&file).unwrap();
        let mut memory = vec![0; rounds * 100];
        let place = |number: usize| number % 10_000 * 100;
        let parts = memory.chunks_mut(100).enumerate();
        let mut asked: Vec<_> = parts.map(|(at, part)| ReadAt::new(&end, place(at) as u64, part)).collect();
        let mut child = None;
        let report = Reads::new(8).unwrap().run_watched(&mut asked, |_| {
            if child.is_none() {
                // SAFETY: as in `in_child`.
                child = Some(unsafe { fork() }.unwrap());
            }
            ControlFlow::Continue(())
        });
        drop(asked);
        let failed = report.reads.iter().filter(|read| read.is_err()).count();
        match child {
            // SAFETY: as in `in_child`.
            Some(ForkResult::Child) => unsafe { libc::_exit(i32::from(failed == 0)) },
            Some(ForkResult::Parent { child }) => {
                let ended = waitpid(child, None) == Ok(WaitStatus::Exited(child, 0));
                let content = pattern(SIZE);
                let same = memory.chunks(100).enumerate().all(|(at, part)| *part == content[place(at)..][..100]);
                i32::from(!(ended && failed == 0 && same))
            }
            None => NEVER_CALLED,
        }
    };
    let until_called = || {
        (17..23).map(|power| in_child(|| run(1 << power))).find(|&code| code != NEVER_CALLED).expect("it was called")
    };
    assert_eq!(until_called(), 0);
    assert_eq!(refusing(libc::SYS_io_uring_setup, Errno::EPERM, until_called), 0);
}
