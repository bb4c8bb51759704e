//! Flushing: what is on the device afterwards, seen on a copy of a loop device's image that is mounted again, as after a
//! power cut. Needs root.

mod support;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use support::*;
use zcio::region::{Access, RegionOptions};

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// An ext4 file system in a file, mounted over a loop device until dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        // No periodic commit, no write-back of its own within the test.
        run("mount", &["-o", "loop,commit=3600", image.to_str()?, at.to_str()?]).then_some(Self(at))
    }

    fn file(&self) -> PathBuf {
        self.0.join("file")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]);
    }
}

/// What the file holds on a copy of the device as it is now, mounted elsewhere.
fn on_the_device(image: &Path, dir: &Path, name: &str) -> Vec<u8> {
    let copy = dir.join(format!("{name}.img"));
    std::fs::copy(image, &copy).unwrap();
    let mounted = Mounted::new(&copy, dir.join(name)).expect("the copy mounts as the original did");
    std::fs::read(mounted.file()).unwrap()
}

#[test]
fn a_flush_reaches_the_device() {
    if !root_or_skip("a_flush_reaches_the_device", "mount") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    File::create(&image).unwrap().set_len(32 << 20).unwrap();
    if !run("mkfs.ext4", &["-q", image.to_str().unwrap()]) {
        return skip("a_flush_reaches_the_device", "no mkfs.ext4");
    }
    let Some(mounted) = Mounted::new(&image, dir.path().join("mounted")) else {
        return skip("a_flush_reaches_the_device", "mount of a loop device is denied here");
    };
    let old = pattern(8 * page());
    std::fs::write(mounted.file(), &old).unwrap();
    File::open(mounted.file()).unwrap().sync_all().unwrap();

    let region = RegionOptions::new().offset(10).access(Access::ReadWrite).open(mounted.file()).unwrap();
    region.write_at(page() as u64, b"flushed").unwrap();
    region.write_at(6 * page() as u64, b"not yet").unwrap();
    assert_eq!(on_the_device(&image, dir.path(), "before"), old, "nothing is written before the flush");

    region.flush(page() as u64..page() as u64 + 7).unwrap();
    let mut expected = old;
    expected[page() + 10..page() + 17].copy_from_slice(b"flushed");
    let found = on_the_device(&image, dir.path(), "range");
    assert_eq!(found[..2 * page()], expected[..2 * page()]);

    region.flush(..).unwrap();
    expected[6 * page() + 10..6 * page() + 17].copy_from_slice(b"not yet");
    assert_eq!(on_the_device(&image, dir.path(), "whole"), expected);
}

/// Dirty pages of a file, and pages being written (cachestat(2)); `None` before Linux 6.5.
fn unwritten(file: &File) -> Option<(u64, u64)> {
    let (range, mut counts) = ([0_u64, 0], [0_u64; 5]);
    // SAFETY: cachestat reads two words and writes five.
    let result = unsafe { libc::syscall(451, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0) };
    (result == 0).then_some((counts[1], counts[2]))
}

#[test]
fn an_asynchronous_flush_starts_writing_if_the_region_keeps_its_file() {
    let file = file_with(&pattern(64 * page()));
    file.sync_all().unwrap();
    if !has("cachestat") {
        return;
    }
    let region =
        RegionOptions::new().access(Access::ReadWrite).map_owning(file.as_fd().try_clone_to_owned().unwrap()).unwrap();
    region.write_at(0, &pattern(64 * page())).unwrap();
    assert_eq!(unwritten(&file), Some((64, 0)), "dirty until somebody writes it");
    region.flush_async(..).unwrap();
    let start = Instant::now();
    // The kernel by itself waits for 30 s (vm.dirty_expire_centisecs); a busy disk may need longer for what was begun.
    while let Some((dirty @ 1.., _)) = unwritten(&file) {
        assert!(start.elapsed() < Duration::from_secs(25), "writing of {dirty} pages has not been started");
        std::thread::sleep(Duration::from_millis(5));
    }
    while unwritten(&file) != Some((0, 0)) {
        assert!(start.elapsed() < Duration::from_secs(300), "writing does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let without_file = RegionOptions::new().access(Access::ReadWrite).map(file.as_fd()).unwrap();
    without_file.write_at(0, b"x").unwrap();
    without_file.flush_async(..).unwrap();
    without_file.flush(..).unwrap();
    assert_eq!(unwritten(&file), Some((0, 0)));
}
