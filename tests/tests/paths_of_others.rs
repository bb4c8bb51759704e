//! Paths that others have prepared: files with leases on them, links that must not be followed, one file by two mounts. For
//! everything that opens a source and a destination by their paths.

use std::fs::{self, File};
use std::ops::ControlFlow::{Break, Continue};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use zcio::batch::{Batch, Item};
use zcio::copy::Copy;
use zcio::{Endpoint, ErrorKind, FanOut, Transfer};
use zcio_tests::{names, skip, watchdog};

const OLD: &[u8] = b"what was there before, and is longer than the new content";
const NEW: &[u8] = b"new content";

/// What opens a source and a destination by their paths.
type Way = fn(&Path, &Path) -> Result<(), zcio::Error>;

/// Their names, and whether they can wait at all: what is only replaced is not opened.
const WAYS: [(&str, Way, bool); 5] = [
    ("copy", |from, to| Copy::new(from, to).run().map(drop), true),
    ("atomic copy", |from, to| Copy::new(from, to).atomic(true).run().map(drop), false),
    ("transfer", |from, to| Transfer::new(Endpoint::open(from)?, Endpoint::create(to)?).run().map(drop), true),
    ("fan-out", |from, to| FanOut::new(Endpoint::open(from)?).sink(Endpoint::create(to)?).run().map(drop), true),
    ("batch", |from, to| Batch::new().run(&[Item::new(from, to)]).items.remove(0).map(drop), true),
];

/// A lease on a file, until it is dropped. Its holder is told by SIGIO when somebody else wants the file, which would end
/// the process.
struct Lease(File);

impl Lease {
    fn on(path: &Path) -> Option<Self> {
        // SAFETY: a signal is ignored, by every thread.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        let file = File::options().read(true).write(true).open(path).unwrap();
        match Errno::result(Self::control(&file, libc::F_SETLEASE, libc::F_WRLCK)) {
            Ok(_) => Some(Self(file)),
            Err(errno) => {
                skip(&format!("fcntl(F_SETLEASE): {errno}"));
                None
            }
        }
    }

    fn control(file: &File, command: i32, argument: i32) -> i32 {
        // SAFETY: takes two numbers.
        unsafe { libc::fcntl(file.as_raw_fd(), command, argument) }
    }

    /// Whether somebody waits for it.
    fn is_wanted(&self) -> bool {
        Self::control(&self.0, libc::F_GETLEASE, 0) != libc::F_WRLCK
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        assert_eq!(Self::control(&self.0, libc::F_SETLEASE, libc::F_UNLCK), 0);
    }
}

fn pair(dir: &Path) -> (PathBuf, PathBuf) {
    let (from, to) = (dir.join("from"), dir.join("to"));
    fs::write(&from, NEW).unwrap();
    fs::write(&to, OLD).unwrap();
    (from, to)
}

#[test]
fn a_lease_is_waited_for() {
    let _dog = watchdog(60, "leases");
    for (name, way, waits) in WAYS {
        for leased in ["from", "to"] {
            let dir = tempfile::tempdir().unwrap();
            let (from, to) = pair(dir.path());
            let Some(lease) = Lease::on(&dir.path().join(leased)) else { return };
            std::thread::scope(|scope| {
                let job = scope.spawn(|| way(&from, &to));
                if waits || leased == "from" {
                    while !lease.is_wanted() && !job.is_finished() {
                        std::thread::yield_now();
                    }
                    assert!(!job.is_finished(), "{name}, {leased}: {:?}", job.join());
                    drop(lease);
                }
                job.join().unwrap().unwrap_or_else(|error| panic!("{name}, {leased}: {error}"));
            });
            assert_eq!(fs::read(&to).unwrap(), NEW, "{name}, {leased}");
        }
    }
}

#[test]
fn who_waits_for_a_lease_can_be_stopped() {
    let _dog = watchdog(30, "stopped leases");
    for leased in ["from", "to"] {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = pair(dir.path());
        let Some(lease) = Lease::on(&dir.path().join(leased)) else { return };
        let mut asked = 0;
        let error = Copy::new(&from, &to)
            .run_watched(|moved| {
                asked += 1;
                assert_eq!(moved, 0);
                if asked == 3 { Break(()) } else { Continue(()) }
            })
            .unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Cancelled, Some(dir.path().join(leased).as_path())));
        assert!(lease.is_wanted());
        drop(lease);
        assert_eq!(fs::read(&to).unwrap(), OLD);
    }
}

#[test]
fn an_event_loop_does_not_wait_for_one() {
    let _dog = watchdog(30, "leases in an event loop");
    let dir = tempfile::tempdir().unwrap();
    let (from, _) = pair(dir.path());
    let Some(lease) = Lease::on(&from) else { return };
    assert!(Endpoint::open_cached(&from).is_none());
    drop(lease);
}

/// Every way through links that must not be followed: an error, and nothing of it reaches the file behind.
fn assert_not_followed(dir: &Path, errno: Errno) {
    let (from, victim) = pair(dir);
    for (name, way, _) in WAYS {
        for (source, sink) in [(&from, &dir.join("links/to")), (&dir.join("links/from"), &victim)] {
            let error = way(source, sink).expect_err(name);
            assert_eq!(error.errno(), Some(errno as i32), "{name}: {error}");
            assert_eq!(fs::read(&victim).unwrap(), OLD, "{name}");
        }
    }
    let error = Copy::new(&from, dir.join("links/new")).run().unwrap_err();
    assert!([ErrorKind::AlreadyExists, ErrorKind::Os, ErrorKind::PermissionDenied].contains(&error.kind()), "{error}");
    assert_eq!(names(dir), ["from", "links", "to"]);
}

fn plant(links: &Path) {
    for (name, target) in [("to", "../to"), ("from", "../from"), ("new", "../new")] {
        symlink(target, links.join(name)).unwrap();
    }
}

#[test]
fn a_mount_without_links_has_none() {
    const NOSYMFOLLOW: MsFlags = MsFlags::from_bits_retain(256);
    let dir = tempfile::tempdir().unwrap();
    let links = dir.path().join("links");
    fs::create_dir(&links).unwrap();
    if let Err(errno) = mount(Some("tmpfs"), &links, Some("tmpfs"), NOSYMFOLLOW, None::<&str>) {
        return skip(&format!("mount of a tmpfs: {errno}"));
    }
    plant(&links);
    assert_not_followed(dir.path(), Errno::ELOOP);
    umount2(&links, MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn a_link_that_somebody_planted_is_not_followed() {
    // A setting of the whole machine, which is no test's to change.
    if fs::read_to_string("/proc/sys/fs/protected_symlinks").unwrap().trim() != "1" {
        return eprintln!("SKIPPED: fs.protected_symlinks is off");
    }
    let dir = tempfile::tempdir().unwrap();
    let links = dir.path().join("links");
    fs::create_dir(&links).unwrap();
    fs::set_permissions(&links, fs::Permissions::from_mode(0o1777)).unwrap();
    plant(&links);
    for name in names(&links) {
        if let Err(error) = lchown(links.join(name), Some(65534), Some(65534)) {
            return skip(&format!("lchown to somebody else: {error}"));
        }
    }
    assert_not_followed(dir.path(), Errno::EACCES);
}

#[test]
fn a_file_by_two_mounts_is_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    fs::create_dir(&one).unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(one.join("file"), OLD).unwrap();
    if let Err(errno) = mount(Some(&one), &other, None::<&str>, MsFlags::MS_BIND, None::<&str>) {
        return skip(&format!("mount of a folder (MS_BIND): {errno}"));
    }
    for atomic in [false, true] {
        let error = Copy::new(one.join("file"), other.join("file")).atomic(atomic).run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SameFile);
    }
    assert_eq!(fs::read(one.join("file")).unwrap(), OLD);
    umount2(&other, MntFlags::MNT_DETACH).unwrap();
}
