//! The routes on which the lane itself looks at the bytes: a checksum over a whole file, and blocks at random places.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::OFlag;
use zcio::region::guard;
use zcio::{AlignedBuffer, Endpoint, ReadAt, Reads, Region, RegionOptions};

use super::{Job, Moved, mapping, ring};
use crate::routes::mapped_sum::sum;
use crate::routes::random_read::{BLOCK, blocks, digest};
use crate::routes::{MAPPED_SUM, RANDOM_READ_DIRECT};

/// The CRC-32 of a file, or the sum of its words.
pub fn scan(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (method, source) = (job.method, job.source()?);
    let times: u64 = job.number("times")?;
    let look = if job.route() == MAPPED_SUM { sum } else { |bytes: &[u8]| crc32fast::hash(bytes).into() };
    job.timed(|| {
        let mut moved = Moved::default();
        for _ in 0..times {
            let file = File::open(&source)?;
            let (bytes, digest) = match method {
                "std" => read(file)?,
                _ => mapping::scan(&file, method == "zcio", look)?,
            };
            moved.bytes += bytes;
            moved.digest = Some(digest);
        }
        Ok(moved)
    })
}

fn read(mut file: File) -> Result<(u64, u64)> {
    let mut buffer = vec![0; 256 << 10];
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hasher.finalize().into())),
            count => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
}

/// Reads that are asked for in one call.
const A_CALL: usize = 64;

/// Where blocks come from.
enum Blocks {
    File(File),
    Region(Region),
}

/// Blocks at random places: `depth` at a time, by as many threads, or by one with `io_uring`.
pub fn random(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (method, source, direct) = (job.method, job.source()?, job.route() == RANDOM_READ_DIRECT);
    let (count, depth): (u64, u64) = (job.number("blocks")?, job.number("depth")?);
    let check = job.request.need("check")?.to_string();
    let file = open(&source, direct)?;
    let places: Vec<u64> = blocks(count, file.metadata()?.len() / BLOCK).collect();
    if method == "zcio_reads" {
        let mut reads = Reads::new(depth as usize)?;
        return job.timed(|| {
            let digest = many(&mut reads, &file, &places, &check)?;
            Ok(Moved { bytes: count * BLOCK, mechanism: None, digest: Some(digest) })
        });
    }
    let (mut ring, from) = match method {
        "uring" => (Some(ring::Reader::new(depth as usize)?), Blocks::File(file)),
        "raw" | "control" => (None, Blocks::File(file)),
        "zcio" if direct => (None, Blocks::File(file)),
        "zcio" => {
            guard::install()?;
            (None, Blocks::Region(RegionOptions::new().open(&source)?))
        }
        _ => bail!("no such method: {method}"),
    };
    job.timed(|| {
        let digest = match (&mut ring, &from) {
            (Some(ring), Blocks::File(file)) => ring.read(file, &places, &check)?,
            _ if depth == 1 => read_blocks(&from, &places, &check)?,
            _ => in_threads(&from, &places, depth as usize, &check)?,
        };
        Ok(Moved { bytes: count * BLOCK, mechanism: None, digest: Some(digest) })
    })
}

fn open(path: &str, direct: bool) -> Result<File> {
    let flags = if direct { OFlag::O_DIRECT.bits() } else { 0 };
    OpenOptions::new().read(true).custom_flags(flags).open(path).with_context(|| format!("cannot open {path}"))
}

fn many(reads: &mut Reads, file: &File, places: &[u64], check: &str) -> Result<u64> {
    let mut memory = AlignedBuffer::new(A_CALL * BLOCK as usize)?;
    let end = Endpoint::new(file)?;
    let mut sum = 0_u64;
    for places in places.chunks(A_CALL) {
        let blocks = memory.chunks_exact_mut(BLOCK as usize);
        let mut asked: Vec<_> =
            places.iter().zip(blocks).map(|(place, block)| ReadAt::new(&end, place * BLOCK, block)).collect();
        for read in reads.run(&mut asked).reads {
            if read? != BLOCK as usize {
                bail!("the file has become shorter");
            }
        }
        let blocks = memory.chunks_exact(BLOCK as usize).take(places.len());
        sum = blocks.fold(sum, |sum, block| sum.wrapping_add(digest(block, check)));
    }
    Ok(sum)
}

fn in_threads(from: &Blocks, places: &[u64], depth: usize, check: &str) -> Result<u64> {
    thread::scope(|scope| {
        let share = places.len().div_ceil(depth);
        let readers: Vec<_> =
            places.chunks(share).map(|share| scope.spawn(|| read_blocks(from, share, check))).collect();
        let mut sums = readers.into_iter().map(|reader| reader.join().expect("no reader panics"));
        sums.try_fold(0_u64, |sum, part| Ok(sum.wrapping_add(part?)))
    })
}

fn read_blocks(from: &Blocks, places: &[u64], check: &str) -> Result<u64> {
    // Aligned, as O_DIRECT wants it.
    let mut block = AlignedBuffer::new(BLOCK as usize)?;
    let mut sum = 0_u64;
    for place in places {
        match from {
            Blocks::File(file) => file.read_exact_at(&mut block, place * BLOCK)?,
            Blocks::Region(region) => {
                if region.read_at(place * BLOCK, &mut block)? != BLOCK as usize {
                    bail!("the region ends inside block {place}");
                }
            }
        }
        sum = sum.wrapping_add(digest(&block, check));
    }
    Ok(sum)
}
