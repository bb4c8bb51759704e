//! Runs the built program.
#![allow(missing_docs, dead_code)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The size of [`Run::demo`]'s file.
pub const SIZE: usize = (3 << 20) + 3;

pub struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    /// The demo, on a file of no particular pattern, with an empty folder of its own for the copies.
    pub fn demo(arguments: &[&str]) -> Self {
        let folder = Self::folder();
        let bytes: Vec<u8> = (0..SIZE as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
        fs::write(folder.path().join("file"), bytes).unwrap();
        let file = folder.path().join("file").display().to_string();
        Self::start(folder, &[&["--demo", "--file", &file], arguments].concat())
    }

    /// The comparison.
    pub fn compare(arguments: &[&str]) -> Self {
        Self::start(Self::folder(), arguments)
    }

    /// The same folder again.
    pub fn again(self, arguments: &[&str]) -> Self {
        Self::start(self.folder, arguments)
    }

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("into")).unwrap();
        folder
    }

    fn start(folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
        // Paths in arguments are relative to the folder.
        command.current_dir(folder.path()).args(["--into", "into"]);
        if !arguments.contains(&"--resume") {
            command.args(["--json", "json"]);
        }
        let output = command.args(arguments).output().unwrap();
        Self { folder, output }
    }

    pub fn succeeded(&self) -> bool {
        self.output.status.success()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("json")).unwrap()).unwrap()
    }
}

pub fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

pub fn skip(reason: &str) {
    assert!(env::var_os("ZCIO_REQUIRE").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}
