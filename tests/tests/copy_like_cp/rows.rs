//! The rows of the table: what is prepared, what is copied, and where it differs from cp(1).

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use zcio::ErrorKind;
use zcio_tests::pattern;

/// What `Copy` is to do.
pub enum Expected {
    /// The same as cp(1), success or failure, the latter of this kind.
    Same(Option<ErrorKind>),
    /// It refuses with this kind what cp(1) does, or waits for: the reason.
    Refused(ErrorKind, &'static str),
}

use Expected::{Refused, Same};

pub struct Row {
    pub name: &'static str,
    /// Prepares an empty folder.
    pub make: fn(&Path) -> io::Result<()>,
    pub from: &'static str,
    pub to: &'static str,
    pub expected: Expected,
}

const DONE: Expected = Same(None);

const fn row(
    name: &'static str,
    make: fn(&Path) -> io::Result<()>,
    from: &'static str,
    to: &'static str,
    expected: Expected,
) -> Row {
    Row { name, make, from, to, expected }
}

pub const MIB: u64 = 1 << 20;

fn plain(dir: &Path) -> io::Result<()> {
    fs::write(dir.join("from"), pattern(70_001))
}

fn both(dir: &Path) -> io::Result<()> {
    plain(dir)?;
    fs::write(dir.join("to"), vec![0xee; 100_000])
}

fn with_mode(dir: &Path, name: &str, mode: u32) -> io::Result<()> {
    fs::set_permissions(dir.join(name), Permissions::from_mode(mode))
}

/// A file of that size with data at these places.
pub fn sparse(path: &Path, size: u64, data: &[(u64, usize)]) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_len(size)?;
    for &(at, length) in data {
        file.write_all_at(&pattern(length), at)?;
    }
    file.sync_all()
}

fn attribute(dir: &Path, name: &str, attribute: &str) -> io::Result<()> {
    let done = Command::new("chattr").arg(attribute).arg(dir.join(name)).stderr(Stdio::null()).status()?;
    if done.success() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

pub const ROWS: &[Row] = &[
    row("empty", |dir| fs::write(dir.join("from"), b""), "from", "to", DONE),
    row("one byte", |dir| fs::write(dir.join("from"), b"x"), "from", "to", DONE),
    row("one block", |dir| fs::write(dir.join("from"), pattern(4096)), "from", "to", DONE),
    row("some blocks", plain, "from", "to", DONE),
    row("some MiB", |dir| fs::write(dir.join("from"), pattern((3 << 20) + 5)), "from", "to", DONE),
    row("zeroes that are no hole", |dir| fs::write(dir.join("from"), vec![0; 3 << 20]), "from", "to", DONE),
    row("only a hole", |dir| sparse(&dir.join("from"), 9 * MIB + 1, &[]), "from", "to", DONE),
    row("data at the start", |dir| sparse(&dir.join("from"), 9 * MIB + 1, &[(0, 5000)]), "from", "to", DONE),
    row("data at the end", |dir| sparse(&dir.join("from"), 9 * MIB + 1, &[(9 * MIB - 99, 100)]), "from", "to", DONE),
    row(
        "islands",
        |dir| sparse(&dir.join("from"), 20 * MIB, &[(MIB - 3, 9), (5 * MIB, 2 << 20), (12 * MIB + 77, 300_001)]),
        "from",
        "to",
        DONE,
    ),
    row(
        "islands over a longer file",
        |dir| {
            sparse(&dir.join("from"), 5 * MIB, &[(MIB, 9), (3 * MIB, 4096)])?;
            fs::write(dir.join("to"), vec![0xee; 6 << 20])
        },
        "from",
        "to",
        DONE,
    ),
    row("over a longer file", both, "from", "to", DONE),
    row("over a private file", |dir| both(dir).and_then(|()| with_mode(dir, "to", 0o600)), "from", "to", DONE),
    row("over a program", |dir| both(dir).and_then(|()| with_mode(dir, "to", 0o755)), "from", "to", DONE),
    row(
        "over a read-only file",
        |dir| both(dir).and_then(|()| with_mode(dir, "to", 0o444)),
        "from",
        "to",
        Same(Some(ErrorKind::PermissionDenied)),
    ),
    row(
        "an unreadable file",
        |dir| plain(dir).and_then(|()| with_mode(dir, "from", 0)),
        "from",
        "to",
        Same(Some(ErrorKind::PermissionDenied)),
    ),
    row(
        "over a file with two names",
        |dir| both(dir).and_then(|()| fs::hard_link(dir.join("to"), dir.join("other"))),
        "from",
        "to",
        DONE,
    ),
    row("from a link", |dir| plain(dir).and_then(|()| symlink("from", dir.join("link"))), "link", "to", DONE),
    row("over a link", |dir| both(dir).and_then(|()| symlink("to", dir.join("link"))), "from", "link", DONE),
    row(
        "over a link to nothing",
        |dir| plain(dir).and_then(|()| symlink("nothing", dir.join("link"))),
        "from",
        "link",
        Same(Some(ErrorKind::AlreadyExists)),
    ),
    row(
        "from a link to nothing",
        |dir| symlink("nothing", dir.join("link")),
        "link",
        "to",
        Same(Some(ErrorKind::NotFound)),
    ),
    row(
        "over a link to itself",
        |dir| plain(dir).and_then(|()| symlink("link", dir.join("link"))),
        "from",
        "link",
        Same(Some(ErrorKind::Os)),
    ),
    row("from nothing", |_| Ok(()), "from", "to", Same(Some(ErrorKind::NotFound))),
    row("into no folder", plain, "from", "none/to", Same(Some(ErrorKind::NotFound))),
    row("through a file", both, "from", "to/file", Same(Some(ErrorKind::Os))),
    row("to a folder that is not there", plain, "from", "to/", Same(Some(ErrorKind::Os))),
    row("to a file as a folder", both, "from", "to/", Same(Some(ErrorKind::Os))),
    row("to itself", plain, "from", "from", Same(Some(ErrorKind::SameFile))),
    row(
        "to itself by a link",
        |dir| plain(dir).and_then(|()| symlink("from", dir.join("link"))),
        "from",
        "link",
        Same(Some(ErrorKind::SameFile)),
    ),
    row(
        "to itself by another name",
        |dir| plain(dir).and_then(|()| fs::hard_link(dir.join("from"), dir.join("other"))),
        "from",
        "other",
        Same(Some(ErrorKind::SameFile)),
    ),
    row(
        "over a file that cannot be changed",
        |dir| both(dir).and_then(|()| attribute(dir, "to", "+i")),
        "from",
        "to",
        Same(Some(ErrorKind::PermissionDenied)),
    ),
    row(
        "over a file that only grows",
        |dir| both(dir).and_then(|()| attribute(dir, "to", "+a")),
        "from",
        "to",
        Same(Some(ErrorKind::PermissionDenied)),
    ),
    row(
        "from a file that cannot be changed",
        |dir| plain(dir).and_then(|()| attribute(dir, "from", "+i")),
        "from",
        "to",
        DONE,
    ),
    row("from a folder", |dir| fs::create_dir(dir.join("from")), "from", "to", Same(Some(ErrorKind::IsDirectory))),
    row(
        "into a folder that hands its group on",
        |dir| {
            plain(dir)?;
            fs::create_dir(dir.join("into"))?;
            chown(dir.join("into"), None, nix::unistd::getgroups()?.last().map(|group| group.as_raw()))?;
            with_mode(dir, "into", 0o2755)
        },
        "from",
        "into/to",
        DONE,
    ),
    row("from /proc", |_| Ok(()), "/proc/version", "to", DONE),
    row("from /proc over a file", both, "/proc/cmdline", "to", DONE),
    row("from /sys", |_| Ok(()), "/sys/kernel/mm/transparent_hugepage/enabled", "to", DONE),
    row("from /sys over a file", both, "/sys/kernel/mm/transparent_hugepage/defrag", "to", DONE),
    row("from /sys, with a size", |_| Ok(()), "/sys/kernel/btf/vmlinux", "to", DONE),
    row(
        "from a socket",
        |dir| UnixListener::bind(dir.join("from")).map(drop),
        "from",
        "to",
        Same(Some(ErrorKind::SpecialFile)),
    ),
    row(
        "to a socket",
        |dir| plain(dir).and_then(|()| UnixListener::bind(dir.join("to")).map(drop)),
        "from",
        "to",
        Same(Some(ErrorKind::SpecialFile)),
    ),
    row(
        "to a folder",
        |dir| plain(dir).and_then(|()| fs::create_dir(dir.join("to"))),
        "from",
        "to",
        Refused(
            ErrorKind::IsDirectory,
            "cp puts it into the folder, as the zcio command does; a library is told the name",
        ),
    ),
    row(
        "from a FIFO",
        |dir| Ok(mkfifo(&dir.join("from"), Mode::S_IRWXU)?),
        "from",
        "to",
        Refused(
            ErrorKind::SpecialFile,
            "cp waits for a writer; a Transfer moves what has no size, and a Copy never waits",
        ),
    ),
    row(
        "to a FIFO",
        |dir| plain(dir).and_then(|()| Ok(mkfifo(&dir.join("to"), Mode::S_IRWXU)?)),
        "from",
        "to",
        Refused(ErrorKind::SpecialFile, "cp waits for a reader; a Transfer moves to what is no file"),
    ),
    row(
        "from a device",
        |_| Ok(()),
        "/dev/zero",
        "to",
        Refused(ErrorKind::SpecialFile, "cp goes on until the disk is full; a Transfer takes a count"),
    ),
    row(
        "to a device",
        plain,
        "from",
        "/dev/null",
        Refused(
            ErrorKind::SpecialFile,
            "to open a device may set something going; a Transfer moves to what is no file",
        ),
    ),
];
