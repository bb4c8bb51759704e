//! Copies of whole files: the same bytes, the same holes, shared blocks where they were asked for, mode and times. What
//! becomes of a file that was there before is in replace.rs.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zcio::copy::Copy;
use zcio::{ErrorKind, Mechanism, Reflink};
use zcio_tests::extents::{data_ranges, extents};
use zcio_tests::mounts::LoopFs;
use zcio_tests::{names, pattern};

const SIZES: [usize; 6] = [0, 1, 4096, 65537, 300_001, (8 << 20) + 3];

/// Two paths in a new folder of `dir`.
fn pair(dir: &Path) -> (PathBuf, PathBuf) {
    let dir = tempfile::tempdir_in(dir).unwrap().keep();
    (dir.join("from"), dir.join("to"))
}

fn is_shared(path: &Path) -> bool {
    extents(&File::open(path).unwrap()).iter().any(|extent| extent.shared)
}

/// The file systems here, and whether they share blocks.
fn disks() -> impl Iterator<Item = (&'static str, LoopFs, bool)> {
    let disks = [
        ("ext4", LoopFs::ext4(256 << 20), false),
        ("xfs", LoopFs::xfs(512 << 20), true),
        ("btrfs", LoopFs::btrfs(512 << 20), true),
    ];
    disks.into_iter().filter_map(|(name, disk, shares)| Some((name, disk?, shares)))
}

#[test]
fn the_same_bytes_shared_or_apart_as_asked_for() {
    let old = vec![0xee; 200_000];
    for (name, disk, shares) in disks() {
        for size in SIZES {
            let bytes = pattern(size);
            for reflink in [Reflink::Never, Reflink::Auto, Reflink::Always] {
                for (atomic, existing) in [(false, false), (false, true), (true, false), (true, true)] {
                    let case = format!("{name}, {size} bytes, {reflink:?}, atomic {atomic}, existing {existing}");
                    let (from, to) = pair(disk.path());
                    fs::write(&from, &bytes).unwrap();
                    if existing {
                        fs::write(&to, &old).unwrap();
                    }
                    let result = Copy::new(&from, &to).reflink(reflink).atomic(atomic).durable(true).run();
                    if reflink == Reflink::Always && !shares && size > 0 {
                        let error = result.expect_err(&case);
                        let expected = (ErrorKind::Refused, Some(libc::EOPNOTSUPP), Some(to.as_path()));
                        assert_eq!((error.kind(), error.errno(), error.path()), expected, "{case}: {error}");
                        assert_eq!(to.exists(), existing, "{case}");
                        assert!(!existing || fs::read(&to).unwrap() == old, "{case}: the old content is gone");
                    } else {
                        let report = result.unwrap_or_else(|error| panic!("{case}: {error}"));
                        assert_eq!((report.bytes, report.holes), (size as u64, 0), "{case}");
                        assert_eq!(report.cloned, shares && reflink != Reflink::Never && size > 0, "{case}");
                        assert_eq!(report.mechanism.is_some(), size > 0, "{case}");
                        assert!(fs::read(&to).unwrap() == bytes, "{case}: other bytes");
                        // btrfs keeps small files in its tree, where nothing is shared.
                        if !report.cloned || size >= 4096 {
                            assert_eq!(is_shared(&to), report.cloned, "{case}: {report:?}");
                        }
                    }
                    let expected: &[&str] = if to.exists() { &["from", "to"] } else { &["from"] };
                    assert_eq!(names(from.parent().unwrap()), expected, "{case}: something is left");
                }
            }
        }
    }
}

/// A file with data in those ranges, the pattern of its position in each, and nothing elsewhere.
fn sparse(path: &Path, size: u64, ranges: &[(u64, usize)]) -> File {
    let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    file.set_len(size).unwrap();
    for &(at, length) in ranges {
        file.write_all_at(&pattern(length), at).unwrap();
    }
    file.sync_all().unwrap();
    file
}

fn assert_same_holes(source: &File, to: &Path, ranges: &[(u64, usize)], case: &str) {
    let copy = File::open(to).unwrap();
    copy.sync_all().unwrap();
    let (from, to) = (source.metadata().unwrap(), copy.metadata().unwrap());
    assert_eq!(from.len(), to.len(), "{case}");
    assert_eq!(data_ranges(source), data_ranges(&copy), "{case}");
    // In blocks of 512 bytes; the file systems' own blocks (the list of extents) may differ by a few.
    assert!(to.blocks() <= from.blocks() + 64, "{case}: {} blocks became {}", from.blocks(), to.blocks());
    for &(at, length) in ranges {
        let mut read = vec![0; length];
        copy.read_exact_at(&mut read, at).unwrap();
        assert!(read == pattern(length), "{case}: other bytes at {at}");
    }
}

#[test]
fn holes_stay_holes() {
    const MIB: u64 = 1 << 20;
    let layouts: [(u64, &[(u64, usize)]); 5] = [
        (10 * MIB, &[]),
        (10 * MIB, &[(0, 4096)]),
        (10 * MIB, &[(10 * MIB - 4096, 4096)]),
        (10 * MIB + 17, &[(MIB, 100_000), (3 * MIB, 65536), (8 * MIB, 1 << 20)]),
        (64 * MIB, &[(0, 1 << 20), (32 * MIB + 4096, 12_288)]),
    ];
    for (name, disk, _) in disks() {
        for (size, ranges) in layouts {
            for reflink in [Reflink::Never, Reflink::Auto] {
                let case = format!("{name}, {reflink:?}, {size} bytes with {ranges:?}");
                let (from, to) = pair(disk.path());
                let source = sparse(&from, size, ranges);
                let report = Copy::new(&from, &to).reflink(reflink).run().unwrap();
                assert_same_holes(&source, &to, ranges, &case);
                assert_eq!(report.bytes + report.holes, size, "{case}");
                let data: u64 = data_ranges(&source).iter().map(|range| range.end - range.start).sum();
                assert!(report.cloned || report.bytes == data, "{case}: {report:?}");
            }
        }
    }
}

#[test]
fn six_gib_with_a_few_islands() {
    let ranges = [(0, 300_001), ((2 << 30) - 5000, 10_000), ((4 << 30) - 150_000, 300_001), ((6 << 30) - 1, 1)];
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let source = sparse(&from, 6 << 30, &ranges);
    for reflink in [Reflink::Never, Reflink::Auto] {
        let report = Copy::new(&from, &to).reflink(reflink).run().unwrap();
        assert_same_holes(&source, &to, &ranges, &format!("{reflink:?}"));
        assert!(report.bytes < 2 << 20 && report.bytes + report.holes == 6 << 30, "{report:?}");
    }
}

#[test]
fn half_a_file_never_has_the_size_of_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    drop(sparse(&from, 600 << 20, &[(100 << 20, 200 << 20), (400 << 20, 100 << 20)]));
    // In the first range, at its end or soon after, in the second.
    for limit in [64, 200, 201] {
        fs::write(&to, b"overwritten").unwrap();
        let stop = |moved| if moved >= limit << 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let error = Copy::new(&from, &to).run_watched(stop).unwrap_err();
        let holes = if error.moved() <= 200 << 20 { 100 << 20 } else { 200 << 20 };
        assert_eq!(fs::metadata(&to).unwrap().len(), error.moved() + holes, "{error}");
        let content = fs::read(&to).unwrap();
        assert!(content == fs::read(&from).unwrap()[..content.len()]);
    }
}

/// Of this process, as the kernel tells it: asking by umask(2) would change it under the other tests.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    u32::from_str_radix(line.trim(), 8).unwrap()
}

#[test]
fn mode_and_times_are_kept_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, b"bytes").unwrap();
    fs::set_permissions(&from, fs::Permissions::from_mode(0o4751)).unwrap();
    let times = [(1_234_567_890, 123_456_789), (987_654_321, 999_999_999)];
    let [accessed, modified] = times.map(|(seconds, nanoseconds)| nix::sys::time::TimeSpec::new(seconds, nanoseconds));
    nix::sys::stat::futimens(File::open(&from).unwrap(), &accessed, &modified).unwrap();
    let look = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.mode() & 0o7777, [(found.atime(), found.atime_nsec()), (found.mtime(), found.mtime_nsec())])
    };
    for atomic in [false, true] {
        let copy = Copy::new(&from, &to).atomic(atomic);
        copy.run().unwrap();
        let (mode, found) = look(&to);
        assert_eq!(mode, 0o751 & !umask(), "a new file has the source's mode within the umask");
        assert_ne!(found[1], times[1]);
        fs::set_permissions(&to, fs::Permissions::from_mode(0o640)).unwrap();
        copy.run().unwrap();
        assert_eq!(look(&to).0, 0o640, "atomic {atomic}: what is overwritten or replaced keeps its mode");
        nix::sys::stat::futimens(File::open(&from).unwrap(), &accessed, &modified).unwrap();
        copy.clone().preserve_times(true).run().unwrap();
        assert_eq!(look(&to), (0o640, times), "atomic {atomic}");
        nix::sys::stat::futimens(File::open(&from).unwrap(), &accessed, &modified).unwrap();
        copy.preserve_mode(true).preserve_times(true).run().unwrap();
        assert_eq!(look(&to), (0o751, times), "atomic {atomic}: set-user-ID must stay behind");
        fs::remove_file(&to).unwrap();
    }
}

#[test]
fn another_file_system_is_refused_or_copied_to() {
    let Some(xfs) = LoopFs::xfs(512 << 20) else { return };
    let bytes = pattern(1 << 20);
    let from = tempfile::NamedTempFile::new().unwrap();
    fs::write(from.path(), &bytes).unwrap();
    let to = xfs.path().join("to");
    fs::write(&to, b"precious").unwrap();
    let error = Copy::new(from.path(), &to).reflink(Reflink::Always).run().unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::Refused, Some(libc::EXDEV)), "{error}");
    assert_eq!(fs::read(&to).unwrap(), b"precious");
    let report = Copy::new(from.path(), &to).run().unwrap();
    assert_eq!((report.cloned, report.bytes), (false, 1 << 20));
    assert_eq!((report.attempts[0].mechanism, report.attempts[0].errno), (Mechanism::Reflink, Some(libc::EXDEV)));
    assert!(fs::read(&to).unwrap() == bytes);
}

#[test]
fn a_watcher_sees_progress_and_can_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let islands: Vec<_> = (0..3u64).map(|index| (index << 28, 96 << 20)).collect();
    drop(sparse(&from, 1 << 30, &islands));
    let mut seen = Vec::new();
    let report = Copy::new(&from, &to)
        .atomic(true)
        .run_watched(|moved| {
            assert_eq!(names(dir.path()), ["from"], "the copy must have no name yet");
            seen.push(moved);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(report.bytes, 288 << 20);
    assert!(seen.len() >= 3 && seen.is_sorted() && seen.iter().all(|&moved| moved <= report.bytes), "{seen:?}");
    assert!(*seen.last().unwrap() > 192 << 20, "{seen:?}");

    for (atomic, existing) in [(false, false), (true, false), (true, true)] {
        fs::remove_file(&to).unwrap();
        if existing {
            fs::write(&to, b"precious").unwrap();
        }
        let stop = |moved| if moved > 100 << 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let error = Copy::new(&from, &to).atomic(atomic).run_watched(stop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(error.moved() > 100 << 20 && error.moved() < 288 << 20, "{error}");
        assert_eq!(to.exists(), existing, "atomic {atomic}");
        fs::write(&to, b"for the next round").unwrap();
    }
    assert_eq!(names(dir.path()), ["from", "to"]);
}

/// A watcher that stops with the last count leaves what one leaves that stops before.
#[test]
fn the_last_count_comes_before_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    // Empty, without a hole, and with one at the end.
    for (length, size) in [(0, 0), (100_000, 100_000), (100_000, 1 << 20)] {
        fs::write(&from, pattern(length)).unwrap();
        File::options().write(true).open(&from).unwrap().set_len(size).unwrap();
        let all = Copy::new(&from, &to).run().unwrap().bytes;
        for (atomic, existing) in [(true, true), (true, false), (false, false)] {
            let _ = fs::remove_file(&to);
            if existing {
                fs::write(&to, b"precious").unwrap();
            }
            let stop = |moved| if moved == all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let error = Copy::new(&from, &to).atomic(atomic).run_watched(stop).unwrap_err();
            assert_eq!((error.kind(), error.moved()), (ErrorKind::Cancelled, all), "{error}");
            assert_eq!(names(dir.path()), if existing { vec!["from", "to"] } else { vec!["from"] }, "atomic {atomic}");
            assert!(!existing || fs::read(&to).unwrap() == b"precious");
        }
    }
}

/// What was copied stays, as far as it reached, however few of the bytes before it were data.
#[test]
fn a_sparse_source_that_becomes_shorter_meanwhile() {
    const MIB: u64 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let source = sparse(&from, 300 * MIB, &[(100 * MIB, 96 << 20), (290 * MIB, 100_000)]);
    let report = Copy::new(&from, &to)
        .reflink(Reflink::Never)
        .run_watched(|moved| {
            if moved > 0 {
                source.set_len(50 * MIB).unwrap();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!((1..=96 * MIB).contains(&report.bytes) && report.holes == 100 * MIB, "{report:?}");
    let copy = File::open(&to).unwrap();
    assert_eq!(copy.metadata().unwrap().len(), 100 * MIB + report.bytes);
    let mut island = vec![0; report.bytes as usize];
    copy.read_exact_at(&mut island, 100 * MIB).unwrap();
    assert!(island == pattern(96 << 20)[..island.len()], "other bytes");
}

#[test]
fn a_file_without_a_size_is_copied_whole() {
    let dir = tempfile::tempdir().unwrap();
    for reflink in [Reflink::Never, Reflink::Auto, Reflink::Always] {
        let to = dir.path().join(format!("{reflink:?}"));
        let report = Copy::new("/proc/version", &to).reflink(reflink).run().unwrap();
        let expected = fs::read("/proc/version").unwrap();
        assert_eq!((report.bytes, report.holes, report.cloned), (expected.len() as u64, 0, false));
        assert_eq!(fs::read(&to).unwrap(), expected);
    }
}
