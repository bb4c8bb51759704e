//! Copies beside others who want the same names or change the source: what is theirs stays theirs.

use std::fs::{self, File};
use std::ops::ControlFlow::{Break, Continue};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use zcio::copy::Copy;
use zcio::{Endpoint, ErrorKind, Reflink, Transfer};
use zcio_tests::mounts::{Fuse, Tmpfs};
use zcio_tests::seccomp::refusing;
use zcio_tests::{names, pattern, watchdog};

const OLD: &[u8] = b"what was there before, and is longer than the new content";
const NEW: &[u8] = b"new content";

/// Where new files have no name, and where they need a temporary one; with and without `RENAME_NOREPLACE`.
fn places() -> Vec<(&'static str, PathBuf, Box<dyn std::any::Any>)> {
    let here = tempfile::tempdir().unwrap();
    let mut places: Vec<(_, _, Box<dyn std::any::Any>)> = vec![("here", here.path().to_path_buf(), Box::new(here))];
    places.extend(Tmpfs::of(200 << 20).map(|disk| ("tmpfs", disk.path().to_path_buf(), Box::new(disk) as _)));
    places.extend(Fuse::new().map(|disk| ("fuse", disk.path().to_path_buf(), Box::new(disk) as _)));
    places
}

/// A thread that is refused some system calls runs it.
type Filter = fn(&mut (dyn FnMut() + Send));

const FILTERS: [(&str, Filter); 4] = [
    ("no filter", |body| body()),
    ("no linkat", |body| refusing(libc::SYS_linkat, Errno::EPERM, body)),
    ("no renameat2", |body| refusing(libc::SYS_renameat2, Errno::ENOSYS, body)),
    ("neither", |body| refusing(libc::SYS_linkat, Errno::EPERM, || refusing(libc::SYS_renameat2, Errno::ENOSYS, body))),
];

/// The destination is made by somebody else while the bytes are copied: it is overwritten or replaced as one that was there
/// before, or left alone if it must not exist or the copy is stopped.
#[test]
fn a_name_that_is_taken_meanwhile() {
    let _dog = watchdog(120, "names taken meanwhile");
    // So long that the watcher is called in the midst of it.
    let (dir, bytes) = (tempfile::tempdir().unwrap(), pattern(66 << 20));
    let from = dir.path().join("from");
    fs::write(&from, &bytes).unwrap();
    for (place, at, _kept) in &places() {
        for (filter_name, filter) in [FILTERS[0], FILTERS[3]] {
            for (create_new, atomic, stop) in [
                (false, false, false),
                (false, true, false),
                (true, false, false),
                (true, true, false),
                (false, false, true),
            ] {
                let case = format!("{place}, {filter_name}, create_new {create_new}, atomic {atomic}, stop {stop}");
                let dir = tempfile::tempdir_in(at).unwrap();
                let to = dir.path().join("to");
                let mut result = None;
                filter(&mut || {
                    let copy = Copy::new(&from, &to).reflink(Reflink::Never).create_new(create_new).atomic(atomic);
                    result = Some(copy.run_watched(|_| {
                        if !to.exists() {
                            fs::write(&to, OLD).unwrap();
                        }
                        if stop { Break(()) } else { Continue(()) }
                    }));
                });
                assert_eq!(names(dir.path()), ["to"], "{case}");
                let now = fs::read(&to).unwrap();
                match result.unwrap() {
                    Ok(_) => assert!(!create_new && !stop && now == bytes, "{case}"),
                    Err(error) => {
                        let kind = if stop { ErrorKind::Cancelled } else { ErrorKind::AlreadyExists };
                        assert_eq!(error.kind(), kind, "{case}: {error}");
                        assert!((create_new || stop) && now == OLD, "{case}: theirs is not what it was");
                    }
                }
            }
        }
    }
}

/// The names of both ends are given to other files while the bytes are copied: one file is read, and the other is no part of it.
#[test]
fn names_that_mean_other_files_meanwhile() {
    let _dog = watchdog(120, "names that mean other files meanwhile");
    let bytes = pattern(66 << 20);
    for (place, at, _kept) in &places() {
        for (existing, atomic) in [(false, false), (false, true), (true, false), (true, true)] {
            let case = format!("{place}, existing {existing}, atomic {atomic}");
            let dir = tempfile::tempdir_in(at).unwrap();
            let [from, to, moved, theirs] = ["from", "to", "moved", "theirs"].map(|name| dir.path().join(name));
            fs::write(&from, &bytes).unwrap();
            if existing {
                fs::write(&to, OLD).unwrap();
            }
            let before = existing.then(|| File::open(&to).unwrap());
            let copy = Copy::new(&from, &to).reflink(Reflink::Never).atomic(atomic);
            let result = copy.run_watched(|so_far| {
                if so_far > 0 && !moved.exists() {
                    fs::rename(&from, &moved).unwrap();
                    fs::write(&from, OLD).unwrap();
                    fs::write(&theirs, NEW).unwrap();
                    fs::rename(&theirs, &to).unwrap();
                }
                Continue(())
            });
            let copied = result.unwrap().bytes;
            assert!(
                fs::read(&moved).unwrap() == bytes && fs::read(&from).unwrap() == OLD,
                "{case}: a source has changed"
            );
            // What has the name at last is theirs where an open file is overwritten, and the copy where one is put there whole.
            // Where the name of a new file is taken meanwhile the copy begins anew, with what is the source then.
            let named = fs::read(&to).unwrap();
            let (right, from_now) = (if atomic { &bytes } else { NEW }, !existing);
            assert!(named == if from_now { OLD } else { right }, "{case}: half of a file");
            assert_eq!(copied, if from_now { OLD.len() } else { bytes.len() } as u64, "{case}");
            if let Some(before) = before {
                assert!(zcio_tests::content(&before) == if atomic { OLD } else { &bytes }, "{case}: the file before");
            }
            assert_eq!(names(dir.path()), ["from", "moved", "to"], "{case}");
        }
    }
}

/// Somebody puts his file under the temporary name, where there is one: he keeps it, and it is never passed off as the copy.
#[test]
fn a_temporary_name_that_is_taken_meanwhile() {
    let _dog = watchdog(120, "temporary names taken meanwhile");
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    fs::write(&from, pattern(66 << 20)).unwrap();
    let mut lost = 0;
    for (place, at, _kept) in &places() {
        for (filter_name, filter) in FILTERS {
            for (sort, create_new, atomic) in [
                ("new", false, false),
                ("must be new", true, false),
                ("replaced", false, true),
                ("endpoint", false, false),
            ] {
                let case = format!("{place}, {filter_name}, {sort}");
                let dir = tempfile::tempdir_in(at).unwrap();
                let (to, theirs) = (dir.path().join("to"), dir.path().join("theirs"));
                if atomic {
                    fs::write(&to, OLD).unwrap();
                }
                fs::write(&theirs, b"theirs").unwrap();
                let take = || {
                    let temporary = names(dir.path()).into_iter().find(|name| name.starts_with(".zcio-"))?;
                    fs::rename(&theirs, dir.path().join(&temporary)).ok().map(|()| temporary)
                };
                let (mut temporary, mut result) = (None, None);
                filter(&mut || {
                    result = Some(if sort == "endpoint" {
                        let end = Endpoint::create(&to).unwrap();
                        temporary = take();
                        Transfer::new(Endpoint::open(&from).unwrap(), end).run().map(drop)
                    } else {
                        let copy = Copy::new(&from, &to).reflink(Reflink::Never).create_new(create_new).atomic(atomic);
                        let watched = copy.run_watched(|_| {
                            temporary = temporary.take().or_else(take);
                            Continue(())
                        });
                        watched.map(drop)
                    });
                });
                let now = fs::read(&to).ok();
                if let Some(temporary) = &temporary {
                    assert_eq!(fs::read(dir.path().join(temporary)).unwrap(), b"theirs", "{case}");
                }
                match result.unwrap() {
                    // There was none, or the file can be had by its descriptor still (FUSE keeps it under a hidden name).
                    Ok(()) => assert!(now == Some(fs::read(&from).unwrap()), "{case}: not the copy"),
                    Err(error) => {
                        let found = (error.errno(), error.path(), temporary.is_some());
                        assert_eq!(found, (Some(libc::ESTALE), Some(to.as_path()), true), "{case}: {error}");
                        assert_eq!(now, atomic.then(|| OLD.to_vec()), "{case}");
                        lost += 1;
                    }
                }
            }
        }
    }
    assert!(lost > 0);
}

/// The last way to a name that nobody has goes by an empty file: it does not stay if that way fails, too.
#[test]
fn a_name_that_cannot_be_given_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (tempfile::NamedTempFile::new().unwrap(), dir.path().join("to"));
    fs::write(from.path(), NEW).unwrap();
    let copy = || Copy::new(from.path(), &to).run().map(drop);
    let transfer =
        || Transfer::new(Endpoint::open(from.path()).unwrap(), Endpoint::create(&to).unwrap()).run().map(drop);
    for run in [&copy as &(dyn Fn() -> zcio::error::Result<()> + Sync), &transfer] {
        (FILTERS[3].1)(&mut || {
            let error = refusing(libc::SYS_renameat, Errno::EIO, run).unwrap_err();
            assert_eq!((error.errno(), error.path()), (Some(libc::EIO), Some(to.as_path())), "{error}");
        });
        assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
    }
}

#[test]
fn what_must_not_exist() {
    for (place, at, _kept) in &places() {
        for (filter_name, filter) in FILTERS {
            for atomic in [false, true] {
                let case = format!("{place}, {filter_name}, atomic {atomic}");
                let dir = tempfile::tempdir_in(at).unwrap();
                let path = |name: &str| dir.path().join(name);
                fs::write(path("from"), NEW).unwrap();
                fs::write(path("file"), OLD).unwrap();
                fs::create_dir(path("folder")).unwrap();
                symlink("nothing", path("dangling")).unwrap();
                symlink("file", path("link")).unwrap();
                filter(&mut || {
                    let copy = |to| Copy::new(path("from"), path(to)).create_new(true).atomic(atomic).run();
                    for taken in ["from", "file", "folder", "dangling", "link"] {
                        let error = copy(taken).unwrap_err();
                        let found = (error.kind(), error.errno(), error.path().map(Path::to_path_buf));
                        let expected = (ErrorKind::AlreadyExists, Some(libc::EEXIST), Some(path(taken)));
                        assert_eq!(found, expected, "{case}, {taken}: {error}");
                    }
                    copy("new").unwrap_or_else(|error| panic!("{case}: {error}"));
                });
                assert_eq!(names(dir.path()), ["dangling", "file", "folder", "from", "link", "new"], "{case}");
                assert_eq!((fs::read(path("new")).unwrap(), fs::read(path("file")).unwrap()), (NEW.into(), OLD.into()));
            }
        }
    }
}

/// Of many at once one makes the file, and it is the file of that one.
#[test]
fn one_of_many_makes_it() {
    for (place, at, _kept) in &places() {
        let dir = tempfile::tempdir_in(at).unwrap();
        let to = dir.path().join("to");
        let made: Vec<usize> = std::thread::scope(|scope| {
            let copy = |index: usize| {
                let from = dir.path().join(format!("from {index}"));
                fs::write(&from, index.to_string()).unwrap();
                Copy::new(&from, &to).create_new(true).run()
            };
            let jobs: Vec<_> = (0..8).map(|index| scope.spawn(move || copy(index))).collect();
            let results = jobs.into_iter().map(|job| job.join().unwrap());
            results.enumerate().filter_map(|(index, result)| result.is_ok().then_some(index)).collect()
        });
        assert_eq!(made.len(), 1, "{place}: {made:?}");
        assert_eq!(fs::read_to_string(&to).unwrap(), made[0].to_string(), "{place}");
    }
}

/// What was copied of it stays, and nothing is made up.
#[test]
fn a_source_that_becomes_shorter_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let bytes = pattern(200 << 20);
    for reflink in [Reflink::Never, Reflink::Auto] {
        fs::write(&from, &bytes).unwrap();
        let source = File::options().write(true).open(&from).unwrap();
        let report = Copy::new(&from, &to)
            .reflink(reflink)
            .run_watched(|_| {
                source.set_len(1000).unwrap();
                Continue(())
            })
            .unwrap();
        let copy = fs::read(&to).unwrap();
        assert_eq!((report.bytes, report.holes), (copy.len() as u64, 0));
        assert!(report.cloned || copy.len() < bytes.len(), "it was cut too late");
        assert!(bytes.starts_with(&copy), "other bytes");
    }
}
