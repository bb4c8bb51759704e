//! Batches in both ways, against what one transfer after the other would have delivered.

mod watched;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::*;
use crate::testing::has_uring;
use crate::{ErrorKind, Mechanism};

fn both_ways(mut test: impl FnMut(&mut Batch)) {
    if has_uring() {
        let mut ring = Batch::new();
        assert_eq!(ring.refusal(), None);
        test(&mut ring);
    }
    test(&mut Batch::looping());
}

fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|i| (seed * 31 + i % 251 + i / 251) as u8).collect()
}

/// Files of those sizes, and their contents one after the other.
fn files(sizes: &[usize]) -> (TempDir, Vec<PathBuf>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    let mut paths = Vec::new();
    for (index, &size) in sizes.iter().enumerate() {
        let path = dir.path().join(index.to_string());
        let bytes = pattern(index, size);
        std::fs::write(&path, &bytes).unwrap();
        all.extend(bytes);
        paths.push(path);
    }
    (dir, paths, all)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn nonblocking(fd: impl AsFd) {
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(fd, flags).unwrap();
}

/// Small, empty, exactly a slot, larger than one, much larger.
const SIZES: [usize; 12] = [1, 4096, 0, 100, 16383, 16384, 16385, 7, 1 << 20, 4096, 0, 12345];

/// A sink, and somebody who reads at its other end.
type Reader = (Box<dyn AsFd>, JoinHandle<Vec<u8>>);

/// One of each kind, blocking and not.
fn sinks() -> Vec<Reader> {
    let mut all: Vec<Reader> = Vec::new();
    for waits in [true, false] {
        let (near, far) = tcp_pair();
        all.push((Box::new(near), collect(far)));
        let (near, far) = UnixStream::pair().unwrap();
        all.push((Box::new(near), collect(far)));
        let (far, near) = std::io::pipe().unwrap();
        all.push((Box::new(near), collect(far)));
        if !waits {
            let streams = all.len() - 3;
            all[streams..].iter().for_each(|(near, _)| nonblocking(near.as_fd()));
        }
    }
    all
}

#[test]
fn items_for_one_sink_arrive_in_order_and_whole() {
    let sizes: Vec<usize> = SIZES.iter().cycle().take(300).copied().collect();
    let (_dir, paths, all) = files(&sizes);
    both_ways(|batch| {
        for (near, reader) in sinks() {
            let fd = near.as_fd();
            let items: Vec<_> = paths.iter().map(|path| Item::new(path.as_path(), fd)).collect();
            let report = batch.run(&items);
            for (result, &size) in report.items.iter().zip(&sizes) {
                let item = result.as_ref().unwrap();
                assert_eq!(item.bytes, size as u64);
                let small = batch.refusal().is_none() && (1..16384).contains(&size);
                assert_eq!(item.mechanism == Mechanism::Uring, small, "{size} bytes by {}", item.mechanism);
            }
            drop(near);
            assert!(reader.join().unwrap() == all, "other bytes");
        }
    });
}

#[test]
fn ranges_of_open_files_and_counts() {
    let (_dir, paths, all) = files(&[50_000]);
    let file = File::open(&paths[0]).unwrap();
    let ranges = [(0, 10), (49_999, 1), (16_000, 16_384), (100, 40_000), (49_990, 100), (60_000, 5), (7, 0)];
    both_ways(|batch| {
        let (near, far) = UnixStream::pair().unwrap();
        let reader = collect(far);
        let fd = near.as_fd();
        let mut items = Vec::new();
        let mut expected = Vec::new();
        for (offset, count) in ranges {
            items.push(Item::new(file.as_fd(), fd).offset(offset).count(count));
            items.push(Item::new(paths[0].as_path(), fd).offset(offset).count(count));
            let (from, to) = ((offset as usize).min(all.len()), (offset + count).min(all.len() as u64) as usize);
            expected.extend_from_slice(&all[from..to.max(from)]);
            expected.extend_from_slice(&all[from..to.max(from)]);
        }
        items.push(Item::new(file.as_fd(), fd).offset(45_000));
        items.push(Item::new(paths[0].as_path(), fd).offset(45_000));
        expected.extend_from_slice(&all[45_000..]);
        expected.extend_from_slice(&all[45_000..]);
        let report = batch.run(&items);
        drop(near);
        assert!(report.items.iter().all(Result::is_ok), "{report:?}");
        assert_eq!(report.items[8].as_ref().unwrap().bytes, 10, "a short one says so");
        assert!(reader.join().unwrap() == expected, "other bytes");
    });
}

#[test]
fn files_are_sinks_by_descriptor_and_by_path() {
    let (dir, paths, all) = files(&SIZES);
    both_ways(|batch| {
        for append in [false, true] {
            let path = dir.path().join("joined");
            std::fs::write(&path, b"before").unwrap();
            let mut joined = File::options().write(!append).append(append).open(&path).unwrap();
            if !append {
                joined.write_all(b"BEFORE").unwrap();
            }
            let copies: Vec<_> = (0..paths.len()).map(|index| dir.path().join(format!("copy{index}"))).collect();
            let mut items = Vec::new();
            for (path, copy) in paths.iter().zip(&copies) {
                items.push(Item::new(path.as_path(), joined.as_fd()));
                items.push(Item::new(path.as_path(), copy.as_path()));
            }
            let report = batch.run(&items);
            assert!(report.items.iter().all(Result::is_ok), "{report:?}");
            let before: &[u8] = if append { b"before" } else { b"BEFORE" };
            assert!(std::fs::read(&path).unwrap() == [before, &all].concat(), "append {append}: other bytes");
            // The descriptor's position has followed.
            joined.write_all(b"after").unwrap();
            assert!(std::fs::read(&path).unwrap() == [before, &all, b"after"].concat(), "append {append}");
            for (path, copy) in paths.iter().zip(&copies) {
                assert!(std::fs::read(path).unwrap() == std::fs::read(copy).unwrap());
            }
        }
    });
}

#[test]
fn one_items_failure_is_its_own() {
    let (dir, paths, _) = files(&[100, 200, 300]);
    both_ways(|batch| {
        let (near, far) = UnixStream::pair().unwrap();
        let reader = collect(far);
        let missing = dir.path().join("missing");
        let sources = [&paths[0], &missing, &paths[1], &dir.path().to_path_buf(), &paths[2]];
        let items: Vec<_> = sources.iter().map(|path| Item::new(path.as_path(), near.as_fd())).collect();
        let report = batch.run(&items);
        let kinds: Vec<_> = report.items.iter().map(|item| item.as_ref().err().map(Error::kind)).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::NotFound), None, Some(ErrorKind::IsDirectory), None]);
        assert_eq!(report.items[1].as_ref().unwrap_err().path(), Some(missing.as_path()));
        drop(near);
        // What failed has left nothing behind.
        assert_eq!(reader.join().unwrap(), [pattern(0, 100), pattern(1, 200), pattern(2, 300)].concat());
    });
}

#[test]
fn a_file_whose_content_is_made_on_reading_is_whole() {
    both_ways(|batch| {
        // Longer than a page, so that read(2) gives it in pieces: none of them is the end.
        let path = Path::new("/proc/kallsyms");
        // More than once: it changes when a module is loaded meanwhile.
        let whole = |_| {
            let (near, far) = UnixStream::pair().unwrap();
            let reader = collect(far);
            let report = batch.run(&[Item::new(path, near.as_fd())]);
            drop(near);
            let received = reader.join().unwrap();
            assert_eq!(report.items[0].as_ref().unwrap().bytes, received.len() as u64);
            received == std::fs::read(path).unwrap()
        };
        assert!((0..5).any(whole));
    });
}

#[test]
fn a_closed_peer_fails_its_own_items_only() {
    let (_dir, paths, _) = files(&[4096; 200]);
    both_ways(|batch| {
        let (dead, peer) = UnixStream::pair().unwrap();
        // A child that another test starts may have it open for a moment still.
        peer.shutdown(Shutdown::Both).unwrap();
        let (near, far) = tcp_pair();
        let reader = collect(far);
        let items: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(index, path)| Item::new(path.as_path(), if index % 2 == 0 { near.as_fd() } else { dead.as_fd() }))
            .collect();
        let report = batch.run(&items);
        drop(near);
        for (index, item) in report.items.iter().enumerate() {
            match item {
                Ok(item) => assert_eq!((index % 2, item.bytes), (0, 4096)),
                Err(error) => assert_eq!((index % 2, error.kind(), error.moved()), (1, ErrorKind::PeerClosed, 0)),
            }
        }
        let expected: Vec<_> = (0..200).step_by(2).flat_map(|index| pattern(index, 4096)).collect();
        assert!(reader.join().unwrap() == expected, "other bytes");
    });
}

#[test]
fn a_peer_that_closes_in_the_middle_leaves_a_count_for_each() {
    let (_dir, paths, all) = files(&[10_000; 300]);
    both_ways(|batch| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let mut half = vec![0; 1_004_999];
            far.read_exact(&mut half).unwrap();
            half
        });
        let items: Vec<_> = paths.iter().map(|path| Item::new(path.as_path(), near.as_fd())).collect();
        let report = batch.run(&items);
        let half = reader.join().unwrap();
        assert!(half == all[..half.len()], "other bytes");
        let moved: Vec<_> =
            report.items.iter().map(|item| item.as_ref().map_or_else(Error::moved, |item| item.bytes)).collect();
        assert!(moved.iter().sum::<u64>() >= half.len() as u64, "{moved:?}");
        let first = report.items.iter().position(Result::is_err).unwrap();
        assert!(moved[..first].iter().all(|&moved| moved == 10_000));
        assert!(moved[first] < 10_000 && moved[first + 1..].iter().all(|&moved| moved == 0), "{moved:?}");
    });
}

#[test]
fn items_behind_a_sink_that_takes_nothing_for_a_while_are_made_once() {
    // Each sink takes a part, stops, and goes on: items for the others are over before those in front of them.
    let sizes: Vec<usize> = (0..400).map(|index| 16384 - index).collect();
    let (_dir, paths, all) = files(&sizes);
    both_ways(|batch| {
        let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
        for (near, _) in &pairs {
            nonblocking(near);
        }
        let readers: Vec<_> = pairs
            .iter()
            .enumerate()
            .map(|(index, (_, far))| {
                let mut far = far.try_clone().unwrap();
                std::thread::spawn(move || {
                    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 100_000]);
                    loop {
                        std::thread::sleep(std::time::Duration::from_millis([3, 0, 1][index]));
                        match far.read(&mut buffer).unwrap() {
                            0 => return bytes,
                            count => bytes.extend_from_slice(&buffer[..count]),
                        }
                    }
                })
            })
            .collect();
        let items: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(index, path)| Item::new(path.as_path(), pairs[index / 5 % 3].0.as_fd()))
            .collect();
        let report = batch.run_watched(&items, |_| std::ops::ControlFlow::Continue(()));
        for (result, &size) in report.items.iter().zip(&sizes) {
            assert_eq!(result.as_ref().unwrap().bytes, size as u64);
        }
        drop(items);
        drop(pairs);
        let mut expected = vec![Vec::new(); 3];
        let mut at = 0;
        for (index, &size) in sizes.iter().enumerate() {
            expected[index / 5 % 3].extend_from_slice(&all[at..at + size]);
            at += size;
        }
        for (reader, expected) in readers.into_iter().zip(expected) {
            assert!(reader.join().unwrap() == expected);
        }
    });
}
