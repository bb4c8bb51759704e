//! The cache policy, looked at from outside: which pages are in memory after a transfer.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::socket::{setsockopt, sockopt};
use zcio::{CachePolicy, Endpoint, ErrorKind, FileResidency, Mechanism, Transfer, residency};
use zcio_tests::mounts::LoopFs;
use zcio_tests::{Kind, Sink, pattern, tcp_pair, watchdog};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 40 * MIB;
const DROP: CachePolicy = CachePolicy { read_ahead: None, drop_behind: true };

fn disk() -> Option<LoopFs> {
    LoopFs::ext4(512 << 20)
}

/// How often a check is made whether pages are still there: the kernel takes clean pages whenever it likes, and a machine
/// that looks for idle memory (DAMON) takes some that were written a moment ago. What drops them each time is caught.
const ATTEMPTS: usize = 5;

/// A file that is on the disk, and in memory as well.
fn stored(dir: &Path, name: &str, bytes: &[u8]) -> File {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(dir.join(name)).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_all().unwrap();
    for _ in 0..ATTEMPTS {
        if residency(&file, 0, SIZE).unwrap().is_complete() {
            return file;
        }
        file.read_exact_at(&mut vec![0; bytes.len()], 0).unwrap();
    }
    panic!("the file does not stay in memory: {:?}", residency(&file, 0, SIZE));
}

fn drop_all(file: &File) {
    let begun = Instant::now();
    loop {
        posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        let present = residency(file, 0, SIZE).unwrap().present;
        if present == 0 {
            return;
        }
        // Pages that are still being read, ahead of the step before, cannot be dropped yet.
        assert!(begun.elapsed() < Duration::from_secs(60), "{present} pages stay");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn transfer<'fd>(source: &'fd impl AsFd, sink: &'fd impl AsFd) -> Transfer<'fd> {
    Transfer::new(Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap())
}

fn pages(file: &File, from_mib: u64, mib: u64) -> (u64, u64) {
    let found = residency(file, from_mib * MIB, mib * MIB).unwrap();
    (found.present, found.total)
}

/// Has these MiB in memory, and no others.
fn heat(file: &File, hot: &[(u64, u64)]) {
    drop_all(file);
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).unwrap();
    for &(from, mib) in hot {
        file.read_exact_at(&mut vec![0; (mib * MIB) as usize], from * MIB).unwrap();
    }
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_NORMAL).unwrap();
}

#[test]
fn drop_behind_drops_what_it_brought_in_and_nothing_else() {
    let _dog = watchdog(120, "drop-behind");
    let Some(disk) = disk() else { return };
    let (old, new) = (vec![1; SIZE as usize], pattern(SIZE as usize));
    // Those that go from file to file through the page cache.
    let cached =
        [Mechanism::ReadWrite, Mechanism::MmapWrite, Mechanism::Sendfile, Mechanism::Splice, Mechanism::CopyFileRange];
    // Pages that are left of both files: of what was moved and was in memory before, of the rest of that, before it, behind it.
    let left = |mechanism: Option<Mechanism>, policy: CachePolicy| {
        let (source, sink) = (stored(disk.path(), "source", &new), stored(disk.path(), "sink", &old));
        heat(&source, &[(0, 4), (9, 2), (36, 4)]);
        heat(&sink, &[(0, 4), (9, 2), (36, 4)]);
        nix::unistd::lseek(&sink, 4 * MIB as i64, nix::unistd::Whence::SeekSet).unwrap();
        let mut moving = transfer(&source, &sink).offset(4 * MIB).count(32 * MIB).cache(policy);
        if let Some(mechanism) = mechanism {
            moving = moving.mechanism(mechanism);
        }
        assert_eq!(moving.run().unwrap().bytes, 32 * MIB);
        drop(moving);
        let left = [&source, &sink]
            .map(|file| [(9, 2), (4, 5), (11, 25), (0, 4), (36, 4)].map(|(from, mib)| pages(file, from, mib).0));
        let mut content = vec![0; SIZE as usize];
        sink.read_exact_at(&mut content, 0).unwrap();
        let (from, to) = (4 * MIB as usize, 36 * MIB as usize);
        assert!(content[from..to] == new[from..to], "{mechanism:?}: other bytes");
        assert!(content[..from] == old[..from] && content[to..] == old[to..], "{mechanism:?}: other bytes around");
        left
    };
    for mechanism in cached.into_iter().map(Some).chain([None]) {
        for policy in [CachePolicy::default(), DROP] {
            let brought = if policy.drop_behind { [0, 0] } else { [1280, 6400] };
            let expected = [[512, brought[0], brought[1], 1024, 1024]; 2];
            let found: Vec<_> =
                (0..ATTEMPTS).map(|_| left(mechanism, policy)).take_while(|left| *left != expected).collect();
            assert!(found.len() < ATTEMPTS, "{mechanism:?}, {policy:?}: {found:?} instead of {expected:?}");
        }
    }
}

/// A TCP sink whose queues hold little, however seldom its reader runs: what is in them cannot be dropped.
fn narrow_tcp() -> Sink {
    let (near, mut far) = tcp_pair();
    setsockopt(&near, sockopt::SndBuf, &(MIB as usize / 4)).unwrap();
    setsockopt(&far, sockopt::RcvBuf, &(MIB as usize / 4)).unwrap();
    let collector = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).unwrap();
        bytes
    });
    Sink::Tcp(near, collector)
}

#[test]
fn drop_behind_follows_a_socket_at_either_end() {
    let _dog = watchdog(120, "drop-behind and sockets");
    let Some(disk) = disk() else { return };
    let bytes = pattern(SIZE as usize);
    for kind in [Kind::Tcp, Kind::Unix, Kind::Pipe] {
        // Each its own: what a socket had may stay in use after its close. (The kernel parks packets to be freed at the processor that
        // made them, until that one has something to do with a network again.)
        let source = stored(disk.path(), &format!("source {kind:?}"), &bytes);
        drop_all(&source);
        let sink = if kind == Kind::Tcp { narrow_tcp() } else { Sink::new(kind) };
        transfer(&source, &sink).offset(0).cache(DROP).run().unwrap();
        // What still waits in the receiver's queue are the file's own pages.
        let (present, total) = pages(&source, 0, 40);
        eprintln!("file to {kind:?}: {present} of {total} pages left");
        assert!(present < total / 4, "{kind:?}: {present} of {total} pages left");
        assert!(sink.received() == bytes, "{kind:?}: other bytes");

        let stream = zcio_tests::Source::with(kind, &bytes);
        let sink = File::options().read(true).write(true).create(true).truncate(true).open(disk.path().join("sink"));
        let sink = sink.unwrap();
        transfer(&stream, &sink).cache(DROP).run().unwrap();
        assert_eq!(pages(&sink, 0, 40), (0, SIZE / 4096), "{kind:?} to file");
        assert!(zcio_tests::content(&sink) == bytes, "{kind:?} to file: other bytes");
    }
}

#[test]
fn read_ahead_reads_its_window_and_no_more() {
    let Some(disk) = disk() else { return };
    let source = stored(disk.path(), "source", &pattern(SIZE as usize));
    let sink = File::options().write(true).open("/dev/null").unwrap();
    let step = |policy| {
        drop_all(&source);
        let mut moving = transfer(&source, &sink).offset(0).cache(policy);
        moving.step().unwrap();
        moving.report().unwrap().bytes
    };
    // Without a policy the kernel's own read-ahead is far from the window.
    step(CachePolicy::default());
    std::thread::sleep(Duration::from_millis(100));
    let (present, total) = pages(&source, 0, 16);
    assert!(present < total / 2, "{present} of {total}");

    let whole_window = |_| {
        let moved = step(CachePolicy { read_ahead: Some(16 * MIB), drop_behind: false });
        assert!(moved < 8 * MIB, "{moved}");
        let begun = Instant::now();
        while pages(&source, 0, 16) != (4096, 4096) && begun.elapsed() < Duration::from_secs(12) {
            std::thread::sleep(Duration::from_millis(5));
        }
        pages(&source, 0, 16) == (4096, 4096)
    };
    assert!((0..ATTEMPTS).any(whole_window), "{:?}", pages(&source, 0, 16));
    let (present, _) = pages(&source, 24, 16);
    assert_eq!(present, 0, "read behind the window");
}

#[test]
fn residency_of_somebody_elses_file_is_not_told() {
    let file = zcio_tests::file_with(&pattern(100_000));
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let read_only = File::open(path).unwrap();
    // Reads all of it before each answer, so that the kernel may take pages in between.
    let ask = move || {
        file.read_exact_at(&mut vec![0; 100_000], 0).unwrap();
        residency(&read_only, 0, u64::MAX)
    };
    let complete =
        |ask: &dyn Fn() -> zcio::error::Result<FileResidency>| (0..ATTEMPTS).any(|_| ask().unwrap().is_complete());
    assert!(complete(&ask));
    let asked = std::thread::spawn(move || {
        // SAFETY: takes numbers. The system call itself, not libc's function, changes the user of this thread only.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) };
        // Before Linux 6.14 cachestat(2) told everybody.
        if changed < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(ask().err().ok_or_else(|| complete(&ask)))
    });
    match asked.join().unwrap() {
        Ok(Ok(error)) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}"),
        Ok(Err(complete)) => assert!(complete),
        Err(error) => zcio_tests::skip(&format!("setresuid to another user: {error}")),
    }
}

#[test]
fn a_policy_that_an_end_cannot_follow_is_no_error() {
    let bytes = pattern(3_000_000);
    let policy = CachePolicy { read_ahead: Some(MIB), drop_behind: true };
    for source in Kind::ALL {
        for sink in Kind::ALL {
            let (source_end, sink_end) = (zcio_tests::Source::with(source, &bytes), Sink::new(sink));
            transfer(&source_end, &sink_end).cache(policy).run().unwrap();
            assert!(sink_end.received() == bytes, "{source:?} to {sink:?}");
        }
    }
    for source in ["/proc/self/maps", "/proc/cpuinfo"] {
        let (source, sink) = (File::open(source).unwrap(), tempfile::tempfile().unwrap());
        assert!(transfer(&source, &sink).cache(policy).run().unwrap().bytes > 0);
    }
}
