//! Mapped memory, by hand and by zcio's regions. The unsafe code of this program is here and in [`super::ring`].
//!
//! A mapped file can be changed or cut short by others, and then every reference to it is unsound. The files here were made
//! by this program for this run, in a folder of its own, and nobody changes them while a lane looks.

use std::fs::File;
use std::hint::black_box;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Result;
use memmap2::{Mmap, MmapOptions};
use zcio::{RegionOptions, View};

use super::{Job, Moved};

const PAGE: usize = 4096;
/// What [`map_close`] maps of the file.
const LENGTH: usize = 64 << 10;

/// Looks at a whole file through a mapping; returns how many bytes it has, and what was seen.
pub fn scan(file: &File, by_zcio: bool, look: fn(&[u8]) -> u64) -> Result<(u64, u64)> {
    if by_zcio {
        let region = RegionOptions::new().map(file.as_fd())?;
        let view = region.view(..)?;
        // SAFETY: the view keeps the mapping; see the module for why nobody changes it.
        let bytes = unsafe { std::slice::from_raw_parts(view.as_ptr(), view.len()) };
        return Ok((bytes.len() as u64, look(bytes)));
    }
    // SAFETY: see the module.
    let mapped = unsafe { Mmap::map(file)? };
    Ok((mapped.len() as u64, look(&mapped)))
}

/// Looks at one byte of every page and returns how many bytes there are.
pub fn touch(view: &View) -> u64 {
    black_box(sum_of_firsts(view));
    view.len() as u64
}

fn sum_of_firsts(view: &View) -> u64 {
    let at = |place: usize| {
        // SAFETY: inside the view, which keeps the mapping; a byte may be any value, also one that changes.
        unsafe { view.as_ptr().add(place).read_volatile() }
    };
    (0..view.len()).step_by(PAGE).map(|place| u64::from(at(place))).sum()
}

/// Maps, touches and closes, again and again.
pub fn map_close(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let by_zcio = job.method == "zcio";
    let times: u64 = job.number("times")?;
    let file = File::open(job.source()?)?;
    job.timed(|| {
        let options = RegionOptions::new().length(LENGTH as u64);
        let mut digest = 0_u64;
        for _ in 0..times {
            digest += if by_zcio {
                let region = options.map(file.as_fd())?;
                let firsts = sum_of_firsts(&region.view(..)?);
                region.close()?;
                firsts
            } else {
                // SAFETY: see the module.
                let mapped = unsafe { MmapOptions::new().len(LENGTH).map(&file)? };
                black_box(&mapped).iter().step_by(PAGE).map(|&byte| u64::from(byte)).sum()
            };
        }
        Ok(Moved { bytes: LENGTH as u64 * times, mechanism: None, digest: Some(digest) })
    })
}
