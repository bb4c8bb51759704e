//! Files whose every word carries the file's tag and its own place, so that no byte of one can pass for a byte of another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

/// Of what is moved.
pub const SOURCE: u8 = 0xA5;
/// Of everything else.
pub const OTHER: u8 = 0x5A;
/// What a sink had before.
pub const OLD: u8 = 0x3C;

/// More than several steps, and odd enough for a rest.
pub const LENGTH: usize = (320 << 10) + 123;

/// The byte at that place of a file with that tag.
fn byte(tag: u8, place: usize) -> u8 {
    match place % 8 {
        0 => tag,
        shift => ((place / 8) >> (8 * (shift - 1))) as u8,
    }
}

pub fn content(tag: u8, length: usize) -> Vec<u8> {
    (0..length).map(|place| byte(tag, place)).collect()
}

/// A folder with other files in it, which nobody may change.
pub struct Place {
    dir: TempDir,
    others: Mutex<Vec<File>>,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), others: Mutex::default() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of that tag.
    pub fn file(&self, name: &str, tag: u8, length: usize) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content(tag, length)).unwrap();
        path
    }

    /// Somebody else's file, without a name.
    pub fn other(&self) -> File {
        self.other_at(&self.path("other"), |from, _| fs::remove_file(from).unwrap())
    }

    /// Somebody else's file, which gets that name.
    fn other_at(&self, path: &Path, place: impl FnOnce(&Path, &Path)) -> File {
        let from = self.file("other", OTHER, 2 * LENGTH);
        let file = File::options().read(true).write(true).open(&from).unwrap();
        place(&from, path);
        self.others.lock().unwrap().push(file.try_clone().unwrap());
        file
    }

    /// Puts somebody else's file in place of the one of that name, at once or after a moment without any. What was there is found
    /// under [`Self::kept`].
    pub fn replace(&self, path: &Path, at_once: bool) {
        if path.exists() {
            fs::hard_link(path, self.kept()).unwrap();
        }
        self.other_at(path, |from, to| {
            if !at_once {
                let _ = fs::remove_file(to);
            }
            fs::rename(from, to).unwrap();
        });
    }

    pub fn kept(&self) -> PathBuf {
        self.path("kept")
    }

    /// Whether all the others are what they were.
    pub fn is_untouched(&self) -> bool {
        let others = self.others.lock().unwrap();
        others.iter().all(|other| zcio_tests::content(other) == content(OTHER, 2 * LENGTH))
    }
}
