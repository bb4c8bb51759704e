//! Random reads by `io_uring(7)`, by hand: the fewest system calls a single thread can make.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use io_uring::{IoUring, opcode, types};
use zcio::AlignedBuffer;

use crate::routes::random_read::{BLOCK, digest};

/// A ring and a buffer for each read in flight.
pub struct Reader {
    ring: IoUring,
    buffers: Vec<AlignedBuffer>,
}

impl Reader {
    /// For that many reads at a time.
    pub fn new(depth: usize) -> Result<Self> {
        let ring = IoUring::new(depth.next_power_of_two() as u32).context("io_uring is refused here")?;
        let buffers = (0..depth).map(|_| AlignedBuffer::new(BLOCK as usize)).collect::<Result<_, _>>()?;
        Ok(Self { ring, buffers })
    }

    /// Reads those blocks and adds up their digests.
    pub fn read(&mut self, file: &File, places: &[u64], check: &str) -> Result<u64> {
        let mut waiting = places.iter();
        let mut sum = 0_u64;
        let mut in_flight = 0;
        for slot in 0..self.buffers.len() {
            if let Some(&place) = waiting.next() {
                self.submit(file, slot, place)?;
                in_flight += 1;
            }
        }
        while in_flight > 0 {
            self.ring.submit_and_wait(1)?;
            let finished: Vec<_> = self.ring.completion().collect();
            for entry in finished {
                let slot = entry.user_data() as usize;
                ensure!(entry.result() == BLOCK as i32, "a read gave {}", entry.result());
                sum = sum.wrapping_add(digest(&self.buffers[slot], check));
                in_flight -= 1;
                if let Some(&place) = waiting.next() {
                    self.submit(file, slot, place)?;
                    in_flight += 1;
                }
            }
        }
        Ok(sum)
    }

    fn submit(&mut self, file: &File, slot: usize, place: u64) -> Result<()> {
        let buffer = &mut self.buffers[slot];
        let read = opcode::Read::new(types::Fd(file.as_raw_fd()), buffer.as_mut_ptr(), BLOCK as u32)
            .offset(place * BLOCK)
            .build()
            .user_data(slot as u64);
        // SAFETY: the buffer is BLOCK bytes long, is not looked at until its completion, and outlives the ring's use of it:
        // `read` returns only when nothing is in flight, or with an error that ends the lane's process.
        unsafe { self.ring.submission().push(&read) }.context("the ring is full")
    }
}
