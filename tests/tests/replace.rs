//! Copies over what is there already: the old file or the new one and nothing in between, and nothing lost by a copy that
//! cannot be made.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use zcio::ErrorKind;
use zcio::copy::Copy;
use zcio_tests::alone::in_child;
use zcio_tests::mounts::{LoopFs, Tmpfs, await_room, room};
use zcio_tests::{names, pattern, watchdog};

#[test]
fn a_reader_sees_the_old_file_or_the_new_one() {
    let _dog = watchdog(120, "atomic replace");
    let dir = tempfile::tempdir().unwrap();
    let (to, done) = (dir.path().join("to"), AtomicBool::new(false));
    let seen = [0; 2].map(AtomicUsize::new);
    let versions: Vec<_> = (1..=2u8).map(|version| (version, vec![version; 3_000_000 * version as usize])).collect();
    for (version, bytes) in &versions {
        fs::write(dir.path().join(version.to_string()), bytes).unwrap();
    }
    Copy::new(dir.path().join("1"), &to).run().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let bytes = fs::read(&to).unwrap();
                let version = versions.iter().position(|(_, version)| *version == bytes);
                seen[version.expect("neither the old nor the new content")].fetch_add(1, Ordering::Relaxed);
            }
        });
        // On a busy machine the reader may come late: until it has seen both, there was nothing to tell apart.
        let both = || seen.iter().all(|times| times.load(Ordering::Relaxed) > 0);
        for round in (0..).take_while(|&round| round < 60 || !(both() || reader.is_finished())) {
            let from = dir.path().join(versions[(round + 1) % 2].0.to_string());
            Copy::new(from, &to).atomic(true).run().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(names(dir.path()), ["1", "2", "to"]);
}

#[test]
fn a_full_disk_leaves_the_old_file_or_none() {
    let from = tempfile::NamedTempFile::new().unwrap();
    fs::write(from.path(), pattern(64 << 20)).unwrap();
    let (Some(tmpfs), Some(ext4)) = (Tmpfs::of(2 << 20), LoopFs::ext4(32 << 20)) else { return };
    for (name, dir) in [("tmpfs", tmpfs.path()), ("ext4", ext4.path())] {
        let (before, most) = (names(dir), room(dir) / 8 * 7);
        let to = dir.join("to");
        for atomic in [false, true] {
            await_room(dir, most);
            let error = Copy::new(from.path(), &to).atomic(atomic).run().unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::StorageFull, Some(to.as_path())), "{name}: {error}");
            assert!(error.moved() > 0 && error.moved() < 64 << 20, "{name}: {error}");
            assert_eq!(names(dir), before, "{name}: something is left");
        }
        await_room(dir, most);
        fs::write(&to, b"precious").unwrap();
        let error = Copy::new(from.path(), &to).atomic(true).run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{name}: {error}");
        assert_eq!(fs::read(&to).unwrap(), b"precious", "{name}");
        fs::remove_file(&to).unwrap();
        assert_eq!(names(dir), before, "{name}: something is left");
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
    symlink("nothing", path("dangling")).unwrap();
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
        refused("file", "file", ErrorKind::SameFile, "file");
        refused("file", "hard", ErrorKind::SameFile, "hard");
        refused("file", "soft", ErrorKind::SameFile, "soft");
        refused("soft", "file", ErrorKind::SameFile, "file");
        refused("none", "file", ErrorKind::NotFound, "none");
        refused("none", "new", ErrorKind::NotFound, "none");
        refused("folder", "file", ErrorKind::IsDirectory, "folder");
        refused("file", "folder", ErrorKind::IsDirectory, "folder");
        refused("fifo", "file", ErrorKind::SpecialFile, "fifo");
        refused("file", "fifo", ErrorKind::SpecialFile, "fifo");
        refused("file", "none/new", ErrorKind::NotFound, "none/new");
        refused("file", "loop", ErrorKind::Os, "loop");
        refused("file", "dangling", ErrorKind::AlreadyExists, "dangling");
        refused("dangling", "file", ErrorKind::NotFound, "dangling");
        refused("file", "new/", ErrorKind::Os, "new/");
        refused("file", "file/", ErrorKind::Os, "file/");
        refused("file", "new/.", ErrorKind::NotFound, "new/.");
    }
    for (from, to, kind) in [
        (path("file"), PathBuf::from("/dev/null"), ErrorKind::SpecialFile),
        (PathBuf::from("/dev/null"), path("new"), ErrorKind::SpecialFile),
        (path("file"), PathBuf::new(), ErrorKind::NotFound),
        (PathBuf::new(), path("new"), ErrorKind::NotFound),
    ] {
        assert_eq!(Copy::new(&from, &to).run().unwrap_err().kind(), kind, "{from:?} {to:?}");
    }
    assert_eq!(names(dir.path()), before);
}

#[test]
fn a_symbolic_link_is_followed_to_a_file_that_is_there() {
    for atomic in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("from"), b"new").unwrap();
        symlink("folder/second", path("first")).unwrap();
        symlink("../target", path("folder/second")).unwrap();
        // cp(1) refuses one that leads to nothing, too: who has planted it would choose where a file is made.
        let error = Copy::new(path("from"), path("first")).atomic(atomic).run().unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::AlreadyExists, Some(path("first").as_path())), "{error}");
        assert_eq!(names(dir.path()), ["first", "folder", "from"]);
        fs::write(path("target"), b"old, and longer").unwrap();
        Copy::new(path("from"), path("first")).atomic(atomic).run().unwrap();
        assert!(fs::symlink_metadata(path("first")).unwrap().is_symlink());
        assert!(!fs::symlink_metadata(path("target")).unwrap().is_symlink());
        assert_eq!(fs::read(path("target")).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["first", "folder", "from", "target"]);
        assert_eq!(names(&path("folder")), ["second"]);
    }
}

#[test]
fn a_program_that_runs_can_be_replaced_but_not_overwritten() {
    // A child that another test starts while the program is written holds it open, until it executes its own: ETXTBSY.
    if std::env::var_os("ZCIO_TEST_CHILD").is_none() {
        return in_child("a_program_that_runs_can_be_replaced_but_not_overwritten", "1");
    }
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
