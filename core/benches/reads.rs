//! Random reads of 4 KiB into memory: what many at a time cost against pread(2), from the page cache and past it.
//!
//! `FOLDER=/mnt/disk` says where the file is, here beside the crate otherwise: a disk, because tmpfs has none to wait for.
#![allow(missing_docs)]

mod common;

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::thread;

use common::{Lane, Sample, compare, rounds};
use zcio::region::guard;
use zcio::{AlignedBuffer, Endpoint, ReadAt, Reads, Region};

const LENGTH: usize = 4096;
const FILE: usize = 512 << 20;
const CACHED: usize = 64 << 20;
const DEPTH: usize = 32;
/// Reads a round.
const COUNT: usize = 8192;

/// Places all over the first `size` bytes, others in each round.
struct Places(u64);

impl Places {
    fn next(&mut self, size: usize) -> Vec<u64> {
        let mut place = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % (size / LENGTH) as u64 * LENGTH as u64
        };
        (0..COUNT).map(|_| place()).collect()
    }
}

fn sample(work: impl FnOnce()) -> Sample {
    Sample::of((COUNT * LENGTH) as u64, work)
}

/// Where every lane reads to: each read has memory of its own.
fn memory() -> AlignedBuffer {
    AlignedBuffer::new(COUNT * LENGTH).unwrap()
}

fn one_by_one<'a>(name: &'a str, file: &'a File, size: usize) -> Lane<'a> {
    let (mut places, mut memory) = (Places(1), memory());
    let run = move || {
        let places = places.next(size);
        sample(|| {
            for (&place, part) in places.iter().zip(memory.chunks_exact_mut(LENGTH)) {
                file.read_exact_at(part, place).unwrap();
            }
        })
    };
    Lane { name, run: Box::new(run) }
}

fn by_threads<'a>(name: &'a str, file: &'a File, size: usize) -> Lane<'a> {
    let (mut places, mut memory) = (Places(1), memory());
    let run = move || {
        let places = places.next(size);
        sample(|| {
            thread::scope(|scope| {
                let shares = places.chunks(COUNT / DEPTH).zip(memory.chunks_mut(COUNT / DEPTH * LENGTH));
                for (places, memory) in shares {
                    scope.spawn(move || {
                        for (&place, part) in places.iter().zip(memory.chunks_exact_mut(LENGTH)) {
                            file.read_exact_at(part, place).unwrap();
                        }
                    });
                }
            });
        })
    };
    Lane { name, run: Box::new(run) }
}

fn reads<'a>(name: &'a str, file: &'a File, size: usize, depth: usize) -> Lane<'a> {
    let (mut places, mut memory, mut reads) = (Places(1), memory(), Reads::new(depth).unwrap());
    let run = move || {
        let (places, end) = (places.next(size), Endpoint::new(file).unwrap());
        sample(|| {
            let parts = places.iter().zip(memory.chunks_exact_mut(LENGTH));
            let mut asked: Vec<_> = parts.map(|(&place, part)| ReadAt::new(&end, place, part)).collect();
            let report = reads.run(&mut asked);
            assert!(report.reads.iter().all(|read| read.as_ref().is_ok_and(|&count| count == LENGTH)));
        })
    };
    Lane { name, run: Box::new(run) }
}

fn by_region<'a>(name: &'a str, region: &'a Region, size: usize) -> Lane<'a> {
    let (mut places, mut memory) = (Places(1), memory());
    let run = move || {
        let places = places.next(size);
        sample(|| {
            for (&place, part) in places.iter().zip(memory.chunks_exact_mut(LENGTH)) {
                assert_eq!(region.read_at(place, part).unwrap(), LENGTH);
            }
        })
    };
    Lane { name, run: Box::new(run) }
}

fn main() {
    let folder = std::env::var("FOLDER").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    let mut named = tempfile::NamedTempFile::new_in(folder).unwrap();
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    (0..FILE >> 20).for_each(|_| std::io::Write::write_all(&mut named, &block).unwrap());
    named.as_file().sync_all().unwrap();
    let file = File::open(named.path()).unwrap();
    let region = Region::open(named.path()).unwrap();

    compare(
        "4 KiB at random, from the page cache",
        rounds(),
        vec![
            one_by_one("pread", &file, CACHED),
            one_by_one("pread (control)", &file, CACHED),
            reads("Reads, depth 1", &file, CACHED, 1),
            reads("Reads, depth 32", &file, CACHED, DEPTH),
            by_region("Region::read_at", &region, CACHED),
        ],
    );
    guard::install().unwrap();
    compare(
        "the same with the guard",
        rounds(),
        vec![
            one_by_one("pread", &file, CACHED),
            one_by_one("pread (control)", &file, CACHED),
            by_region("Region::read_at", &region, CACHED),
        ],
    );
    let direct = File::options().read(true).custom_flags(libc::O_DIRECT).open(named.path());
    let Ok(direct) = direct else { return println!("no direct I/O here: skipped") };
    if let Some(refusal) = Reads::new(DEPTH).unwrap().refusal() {
        println!("without a ring: {refusal:?}");
    }
    compare(
        "4 KiB at random, past the page cache",
        rounds(),
        vec![
            by_threads("32 threads, pread", &direct, FILE),
            by_threads("32 threads (control)", &direct, FILE),
            reads("Reads, depth 32", &direct, FILE, DEPTH),
        ],
    );
}
