//! Transfers inside one block device: ranges that overlap are refused, as they are inside one file, and others arrive.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag};
use zcio::{Endpoint, ErrorKind, Transfer};
use zcio_tests::mounts::LoopDevice;
use zcio_tests::pattern;

const SIZE: usize = 2 << 20;

fn opened(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn a_block_device_as_both_ends() {
    let bytes = pattern(SIZE);
    let Some(device) = LoopDevice::over(&bytes) else { return };
    // A node of its own for the same device: what counts is the device.
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let number = opened(device.path()).metadata().unwrap().rdev();
    nix::sys::stat::mknod(&node, SFlag::S_IFBLK, Mode::S_IRUSR | Mode::S_IWUSR, number).unwrap();
    let move_inside = |from: usize, to: usize, count: Option<u64>| {
        let (source, sink) = (opened(device.path()), opened(&node));
        let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
        let mut moving = Transfer::new(ends.0, ends.1).offset(from as u64).sink_offset(to as u64);
        let result = match count {
            Some(count) => moving.count(count).run(),
            None => moving.run(),
        };
        sink.sync_all().unwrap();
        result
    };
    for (from, to, count) in [(0, 4096, Some(8192)), (4096, 0, Some(8192)), (0, SIZE / 2, None), (0, 0, None)] {
        let error = move_inside(from, to, count).unwrap_err();
        assert_eq!((error.kind(), error.moved()), (ErrorKind::InvalidInput, 0), "{from} to {to}: {error}");
    }
    assert_eq!(move_inside(0, SIZE / 2, Some(SIZE as u64 / 2)).unwrap().bytes, SIZE as u64 / 2);
    assert_eq!(move_inside(SIZE - 8192, 4096, None).unwrap().bytes, 8192);
    let mut expected = bytes.clone();
    expected.copy_within(..SIZE / 2, SIZE / 2);
    expected.copy_within(SIZE - 8192.., 4096);
    assert!(std::fs::read(device.image()).unwrap() == expected, "other bytes");
}
