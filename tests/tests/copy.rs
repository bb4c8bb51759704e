//! Copies of whole files: the same bytes, the same holes, shared blocks where they were asked for, and the old file or
//! the new one, but nothing in between.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use zcio::{Copy, ErrorKind, Mechanism, Reflink};
use zcio_tests::extents::{data_ranges, extents};
use zcio_tests::mounts::{LoopFs, Tmpfs};
use zcio_tests::{pattern, watchdog};

const SIZES: [usize; 6] = [0, 1, 4096, 65537, 300_001, (8 << 20) + 3];

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

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
fn a_reader_sees_the_old_file_or_the_new_one() {
    let _dog = watchdog(120, "atomic replace");
    let dir = tempfile::tempdir().unwrap();
    let (to, done) = (dir.path().join("to"), AtomicBool::new(false));
    let versions: Vec<_> = (1..=2u8).map(|version| (version, vec![version; 3_000_000 * version as usize])).collect();
    for (version, bytes) in &versions {
        fs::write(dir.path().join(version.to_string()), bytes).unwrap();
    }
    Copy::new(dir.path().join("1"), &to).run().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = [0; 2];
            while !done.load(Ordering::Relaxed) {
                let bytes = fs::read(&to).unwrap();
                let version = versions.iter().position(|(_, version)| *version == bytes);
                seen[version.expect("neither the old nor the new content")] += 1;
            }
            seen
        });
        for round in 0..60 {
            let from = dir.path().join(versions[(round + 1) % 2].0.to_string());
            Copy::new(from, &to).atomic(true).run().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        let seen = reader.join().unwrap();
        assert!(seen.iter().all(|&times| times > 0), "the reader saw only one of both: {seen:?}");
    });
    assert_eq!(names(dir.path()), ["1", "2", "to"]);
}

#[test]
fn a_full_disk_leaves_the_old_file_or_none() {
    let from = tempfile::NamedTempFile::new().unwrap();
    fs::write(from.path(), pattern(64 << 20)).unwrap();
    let (Some(tmpfs), Some(ext4)) = (Tmpfs::of(2 << 20), LoopFs::ext4(32 << 20)) else { return };
    for (name, dir) in [("tmpfs", tmpfs.path()), ("ext4", ext4.path())] {
        let before = names(dir);
        let to = dir.join("to");
        for atomic in [false, true] {
            let error = Copy::new(from.path(), &to).atomic(atomic).run().unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::StorageFull, Some(to.as_path())), "{name}: {error}");
            assert!(error.moved() > 0 && error.moved() < 64 << 20, "{name}: {error}");
            assert_eq!(names(dir), before, "{name}: something is left");
        }
        fs::write(&to, b"precious").unwrap();
        let error = Copy::new(from.path(), &to).atomic(true).run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{name}: {error}");
        assert_eq!(fs::read(&to).unwrap(), b"precious", "{name}");
        fs::remove_file(&to).unwrap();
        assert_eq!(names(dir), before, "{name}: something is left");
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
        let (mode, found) = {
            copy.run().unwrap();
            look(&to)
        };
        assert_eq!(mode & 0o111, 0, "a new file without a request is not executable");
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
fn what_cannot_be_copied_changes_nothing() {
    let _dog = watchdog(60, "refused copies");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("file"), b"precious").unwrap();
    fs::hard_link(path("file"), path("hard")).unwrap();
    symlink("file", path("soft")).unwrap();
    symlink("loop", path("loop")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let before = names(dir.path());
    for atomic in [false, true] {
        let refused = |from: &str, to: &str, kind, at: &str| {
            let error = Copy::new(path(from), path(to)).atomic(atomic).run().unwrap_err();
            let case = format!("{from} to {to}, atomic {atomic}: {error}");
            assert_eq!((error.kind(), error.path()), (kind, Some(path(at).as_path())), "{case}");
            assert_eq!(names(dir.path()), before, "{case}");
            assert_eq!(fs::read(path("file")).unwrap(), b"precious", "{case}");
        };
        refused("file", "file", ErrorKind::InvalidInput, "file");
        refused("file", "hard", ErrorKind::InvalidInput, "hard");
        refused("file", "soft", ErrorKind::InvalidInput, "file");
        refused("soft", "file", ErrorKind::InvalidInput, "file");
        refused("none", "file", ErrorKind::NotFound, "none");
        refused("none", "new", ErrorKind::NotFound, "none");
        refused("folder", "file", ErrorKind::IsDirectory, "folder");
        refused("file", "folder", ErrorKind::IsDirectory, "folder");
        refused("fifo", "file", ErrorKind::InvalidInput, "fifo");
        refused("file", "none/new", ErrorKind::NotFound, "none/new");
        refused("file", "loop", ErrorKind::Os, "loop");
    }
    let error = Copy::new(path("file"), "/dev/null").run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_symbolic_link_is_followed_whether_its_file_is_there_or_not() {
    for atomic in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("from"), b"new").unwrap();
        symlink("folder/second", path("first")).unwrap();
        symlink("../target", path("folder/second")).unwrap();
        for old in [None, Some(b"old, and longer")] {
            if let Some(old) = old {
                fs::write(path("target"), old).unwrap();
            }
            Copy::new(path("from"), path("first")).atomic(atomic).run().unwrap();
            assert!(fs::symlink_metadata(path("first")).unwrap().is_symlink());
            assert!(!fs::symlink_metadata(path("target")).unwrap().is_symlink());
            assert_eq!(fs::read(path("target")).unwrap(), b"new");
            assert_eq!(names(dir.path()), ["first", "folder", "from", "target"]);
            assert_eq!(names(&path("folder")), ["second"]);
        }
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

#[test]
fn a_file_without_a_size_is_copied_whole() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    for reflink in [Reflink::Never, Reflink::Auto, Reflink::Always] {
        let report = Copy::new("/proc/version", &to).reflink(reflink).run().unwrap();
        let expected = fs::read("/proc/version").unwrap();
        assert_eq!((report.bytes, report.holes, report.cloned), (expected.len() as u64, 0, false));
        assert_eq!(fs::read(&to).unwrap(), expected);
    }
}

#[test]
fn a_program_that_runs_can_be_replaced_but_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    Copy::new("/bin/sleep", &program).preserve_mode(true).run().unwrap();
    let mut running = Command::new(&program).arg("60").spawn().unwrap();
    let error = Copy::new("/proc/version", &program).run().unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::Os, Some(libc::ETXTBSY)), "{error}");
    assert!(fs::read(&program).unwrap() == fs::read("/bin/sleep").unwrap());
    Copy::new("/proc/version", &program).atomic(true).run().unwrap();
    assert!(fs::read(&program).unwrap() == fs::read("/proc/version").unwrap());
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn without_proc_the_copy_has_a_temporary_name() {
    // In a child with a mount namespace of its own, where /proc is an empty folder.
    if std::env::var_os("ZCIO_TEST_CHILD").is_none() {
        let test = std::env::current_exe().unwrap();
        let script = "mount -t tmpfs none /proc && exec \"$0\" --exact without_proc_the_copy_has_a_temporary_name";
        let mut child = Command::new("unshare");
        child.args(["-m", "sh", "-c", script]).arg(test).env("ZCIO_TEST_CHILD", "1");
        match child.output() {
            Ok(output) if output.status.success() => {
                assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the child ran no test");
            }
            Ok(output) if output.status.code() == Some(101) => {
                panic!("{}", String::from_utf8_lossy(&output.stdout));
            }
            other => zcio_tests::skip(&format!("no mount namespace: {other:?}")),
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let bytes = pattern(70 << 20);
    fs::write(&from, &bytes).unwrap();
    fs::write(&to, b"precious").unwrap();
    let mut named = false;
    let error = Copy::new(&from, &to)
        .atomic(true)
        .run_watched(|_| {
            named = names(dir.path()).iter().any(|name| name.starts_with(".zcio-"));
            ControlFlow::Break(())
        })
        .unwrap_err();
    assert!(error.kind() == ErrorKind::Cancelled && named, "{error}");
    assert_eq!((names(dir.path()), fs::read(&to).unwrap()), (vec!["from".into(), "to".into()], b"precious".to_vec()));
    Copy::new(&from, &to).atomic(true).run().unwrap();
    assert!(fs::read(&to).unwrap() == bytes);
    assert_eq!(names(dir.path()), ["from", "to"]);
}
