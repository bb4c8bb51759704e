//! A table of `Copy` against cp(1): on every file system here, each row is prepared twice, copied by both, and what is
//! there afterwards is compared: every name, content, size, mode, owner's group, and that no more room is taken. Where they
//! differ on purpose, the row says why.

mod rows;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::{Mode, umask};
use zcio::copy::Copy;
use zcio_tests::alone::in_child;
use zcio_tests::mounts::{Fuse, LoopFs, Overlay, Tmpfs};
use zcio_tests::watchdog;

use rows::Expected::{Refused, Same};
use rows::{MIB, ROWS, Row, sparse};

/// What is there, but for how much room it takes.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: &'static str,
    mode: u32,
    group: u32,
    size: u64,
    content: Vec<u8>,
}

/// Everything in a folder, and the 512-byte blocks of each file.
fn look(dir: &Path) -> (BTreeMap<PathBuf, Entry>, BTreeMap<PathBuf, u64>) {
    let (mut entries, mut blocks) = Default::default();
    look_into(dir, dir, &mut entries, &mut blocks);
    (entries, blocks)
}

fn look_into(top: &Path, dir: &Path, entries: &mut BTreeMap<PathBuf, Entry>, blocks: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(top).unwrap().to_path_buf();
        let found = fs::symlink_metadata(&path).unwrap();
        let kind = match found.file_type() {
            kind if kind.is_file() => "file",
            kind if kind.is_dir() => "folder",
            kind if kind.is_symlink() => "link",
            kind if kind.is_fifo() => "FIFO",
            kind if kind.is_socket() => "socket",
            _ => "device",
        };
        let mut content = Vec::new();
        if kind == "file" {
            // Blocks are only known when they are allocated. Who may not read it now may not have copied it either.
            if let Ok(file) = File::open(&path) {
                file.sync_all().unwrap();
                content = fs::read(&path).unwrap();
            }
            blocks.insert(name.clone(), fs::metadata(&path).unwrap().blocks());
        } else if kind == "folder" {
            look_into(top, &path, entries, blocks);
        }
        let size = if kind == "folder" { 0 } else { found.len() };
        entries.insert(name, Entry { kind, mode: found.mode() & 0o7777, group: found.gid(), size, content });
    }
}

/// Removed whatever its files' attributes are.
struct Folder(PathBuf);

impl Folder {
    fn within(place: &Path) -> Self {
        Self(tempfile::tempdir_in(place).unwrap().keep())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = Command::new("chattr").args(["-R", "-f", "-i", "-a"]).arg(&self.0).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Row {
    /// What is wrong, or nothing.
    fn run(&self, place: &str, at: &Path) -> Vec<String> {
        let [ours, theirs] = [Folder::within(at), Folder::within(at)];
        if let Err(why) = (self.make)(&ours.0).and_then(|()| (self.make)(&theirs.0)) {
            eprintln!("{place}, {}: not to be had: {why}", self.name);
            return Vec::new();
        }
        let before = look(&ours.0);
        let result = Copy::new(ours.0.join(self.from), ours.0.join(self.to)).run();
        let mut wrong = Vec::new();
        let mut expect = |right: bool, what: String| {
            if !right {
                wrong.push(format!("{place}, {}: {what}, {result:?}", self.name));
            }
        };
        let after = look(&ours.0);
        match (&self.expected, &result) {
            (Same(Some(kind)) | Refused(kind, _), Err(error)) => {
                expect(error.kind() == *kind, format!("not {kind:?}"));
                expect(error.path().is_some() && error.errno().is_some(), "no path or errno".into());
                expect(before.0 == after.0, "something has changed".into());
            }
            (Same(None), Err(_)) => expect(false, "refused".into()),
            (Refused(_, why), Ok(_)) => expect(false, format!("although {why}")),
            (Same(_), Ok(_)) => {}
        }
        if let Same(_) = self.expected {
            let mut cp = Command::new("cp");
            let theirs_done = cp.arg(theirs.0.join(self.from)).arg(theirs.0.join(self.to)).output().unwrap().status;
            expect(theirs_done.success() == result.is_ok(), format!("cp: {theirs_done}"));
            let theirs = look(&theirs.0);
            for (name, entry) in &theirs.0 {
                let same = after.0.get(name) == Some(entry);
                expect(same, format!("{} differs", name.display()));
            }
            expect(after.0.len() == theirs.0.len(), format!("{:?} are there", after.0.keys()));
            for (name, blocks) in &after.1 {
                let limit = theirs.1.get(name).map_or(0, |blocks| blocks + 64);
                expect(*blocks <= limit, format!("{}: {blocks} blocks, not {limit}", name.display()));
            }
        }
        wrong
    }
}

/// The name of each place, and what keeps it.
fn places() -> Vec<(&'static str, PathBuf, Box<dyn std::any::Any>)> {
    let mut places: Vec<(&'static str, PathBuf, Box<dyn std::any::Any>)> = Vec::new();
    let here = tempfile::tempdir().unwrap();
    places.push(("here", here.path().to_path_buf(), Box::new(here)));
    for (name, disk) in
        [("ext4", LoopFs::ext4(256 << 20)), ("xfs", LoopFs::xfs(512 << 20)), ("btrfs", LoopFs::btrfs(512 << 20))]
    {
        places.extend(disk.map(|disk| (name, disk.path().to_path_buf(), Box::new(disk) as _)));
    }
    places.extend(Tmpfs::of(256 << 20).map(|disk| ("tmpfs", disk.path().to_path_buf(), Box::new(disk) as _)));
    places.extend(Overlay::of(256 << 20).map(|disk| ("overlay", disk.path(), Box::new(disk) as _)));
    places.extend(Fuse::new().map(|disk| ("fuse", disk.path().to_path_buf(), Box::new(disk) as _)));
    places
}

#[test]
fn the_table() {
    let _dog = watchdog(240, "copies like cp");
    let mut wrong = Vec::new();
    for (place, at, _kept) in &places() {
        wrong.extend(ROWS.iter().flat_map(|row| row.run(place, at)));
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn modes_within_every_umask() {
    let _dog = watchdog(60, "modes like cp");
    // The umask belongs to the process.
    let Some(mask) = std::env::var_os("ZCIO_TEST_CHILD") else {
        return ["0", "022", "027", "077", "777"].iter().for_each(|mask| in_child("modes_within_every_umask", mask));
    };
    let mask = u32::from_str_radix(mask.to_str().unwrap(), 8).unwrap();
    let dir = Folder(tempfile::tempdir().unwrap().keep());
    let (from, ours, theirs) = (dir.0.join("from"), dir.0.join("ours"), dir.0.join("theirs"));
    fs::write(&from, b"bytes").unwrap();
    umask(Mode::from_bits_truncate(mask));
    for source in [0o600, 0o644, 0o640, 0o755, 0o750, 0o444, 0o777, 0o4755, 0o2775, 0o1666] {
        for existing in [None, Some(0o600), Some(0o640), Some(0o666), Some(0o755)] {
            for atomic in [false, true] {
                fs::set_permissions(&from, Permissions::from_mode(source)).unwrap();
                for path in existing.map(|_| [&ours, &theirs]).into_iter().flatten() {
                    fs::write(path, b"old").unwrap();
                    fs::set_permissions(path, Permissions::from_mode(existing.unwrap())).unwrap();
                }
                Copy::new(&from, &ours).atomic(atomic).run().unwrap();
                assert!(Command::new("cp").arg(&from).arg(&theirs).status().unwrap().success());
                let modes = [&ours, &theirs].map(|path| format!("{:o}", fs::metadata(path).unwrap().mode() & 0o7777));
                let case = format!("umask {mask:o}, {source:o} over {existing:?}, atomic {atomic}");
                assert_eq!(modes[0], modes[1], "{case}");
                for path in [&ours, &theirs] {
                    fs::remove_file(path).unwrap();
                }
            }
        }
    }
}

#[test]
fn holes_that_nobody_tells_of_are_found() {
    let Some(fuse) = Fuse::new() else { return };
    sparse(&fuse.path().join("from"), 30 * MIB, &[(3 * MIB + 5, 9), (20 * MIB, 1 << 20)]).unwrap();
    for reflink in [zcio::Reflink::Auto, zcio::Reflink::Never] {
        let report = Copy::new(fuse.path().join("from"), fuse.path().join("to")).reflink(reflink).run().unwrap();
        assert_eq!((report.bytes, report.holes), (4096 + MIB, 29 * MIB - 4096), "{report:?}");
        assert!(fs::metadata(fuse.behind().join("to")).unwrap().blocks() <= 2 * 1024 + 64);
    }
}
