//! A sparse file of more than 4 GiB with islands of data, some of them across the 2 GiB and 4 GiB borders.

use std::fs::File;
use std::io::Read;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use zcio::{Endpoint, Transfer};
use zcio_tests::{pattern, tcp_pair};

const SIZE: u64 = (4 << 30) + (64 << 20);
const ISLAND: usize = 300_001;

/// Where data is; everything else is hole.
fn islands() -> Vec<u64> {
    vec![0, (1 << 30) - 3, (1 << 31) - 4097, (1 << 32) - 150_000, (4 << 30) + (32 << 20) + 1, SIZE - ISLAND as u64]
}

fn sparse_file() -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(SIZE).unwrap();
    for (index, at) in islands().into_iter().enumerate() {
        file.write_all_at(&island(index), at).unwrap();
    }
    file
}

fn island(index: usize) -> Vec<u8> {
    let mut bytes = pattern(ISLAND);
    bytes.rotate_left(index * 1000);
    bytes
}

/// Compares a stream with what the sparse file must hold, a chunk at a time.
fn assert_content(mut from: impl Read) {
    const CHUNK: usize = 1 << 20;
    let (mut chunk, mut at) = (vec![0; CHUNK], 0u64);
    while at < SIZE {
        from.read_exact(&mut chunk).unwrap();
        let mut expected = vec![0; CHUNK];
        for (index, start) in islands().into_iter().enumerate() {
            let (from, to) = (start.max(at), (start + ISLAND as u64).min(at + CHUNK as u64));
            if from < to {
                let island = island(index);
                expected[(from - at) as usize..(to - at) as usize]
                    .copy_from_slice(&island[(from - start) as usize..(to - start) as usize]);
            }
        }
        assert!(chunk == expected, "other bytes in the MiB at {at}");
        at += CHUNK as u64;
    }
    assert_eq!(from.read(&mut chunk).unwrap(), 0, "bytes behind the end");
}

#[test]
fn more_than_four_gib_from_file_to_tcp() {
    let source = sparse_file();
    let (near, far) = tcp_pair();
    let receiver = std::thread::spawn(move || assert_content(far));
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
    let report = Transfer::new(ends.0, ends.1).run().unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    receiver.join().unwrap();
    assert_eq!(report.bytes, SIZE);
}

#[test]
fn more_than_four_gib_from_file_to_file() {
    let (source, sink) = (sparse_file(), tempfile::tempfile().unwrap());
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let report = Transfer::new(ends.0, ends.1).offset(0).sink_offset(0).run().unwrap();
    assert_eq!(report.bytes, SIZE);
    assert_content(sink);
}

#[test]
fn a_range_across_four_gib() {
    let (source, sink) = (sparse_file(), tempfile::tempfile().unwrap());
    let ends = (Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
    let report = Transfer::new(ends.0, ends.1).offset((1 << 32) - 150_000).count(ISLAND as u64).run().unwrap();
    assert_eq!(report.bytes, ISLAND as u64);
    assert!(zcio_tests::content(&sink) == island(3));
}
