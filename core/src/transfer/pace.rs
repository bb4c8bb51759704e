//! How much one step moves into a sink in blocking mode while somebody watches.
//!
//! Such a sink holds the thread inside one system call until everything has been taken, however slowly its reader takes it:
//! a timeout of the socket (`SO_SNDTIMEO`, socket(7)) is for each 64 KiB in there, and sixteen mebibytes have 256 of them.
//! No watcher can be called meanwhile. So a step is made half as long when the last one took too long, and twice as long
//! when it did not. What was learned from a fast reader is wrong once, when it gets slow; hence the limit.

use std::time::Duration;

/// What a step may take at most; less than what is left of the promised 100 ms when a wait of 50 ms comes before it.
const LONG: Duration = Duration::from_millis(20);

/// What the kernel takes at once; a step of less would be no shorter.
const LEAST: u64 = 64 << 10;
/// A system call for so many bytes costs nothing that could be measured.
const MOST: u64 = 1 << 20;

/// See the module's introduction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    now: u64,
    floor: u64,
    ceiling: u64,
}

impl Default for Pace {
    /// Nobody watches.
    fn default() -> Self {
        Self { now: u64::MAX, floor: u64::MAX, ceiling: u64::MAX }
    }
}

impl Pace {
    pub fn watched() -> Self {
        Self { now: 4 * LEAST, floor: LEAST, ceiling: MOST }
    }

    /// For a terminal that could not be made to say that it is full: what it is sure to take when poll(2) calls it ready.
    pub fn one_byte() -> Self {
        Self { now: 1, floor: 1, ceiling: 1 }
    }

    /// The most the next step may move.
    pub fn most(self) -> u64 {
        self.now
    }

    /// A step took so long.
    pub fn learn(&mut self, took: Duration) {
        self.now =
            if took > LONG { (self.now / 2).max(self.floor) } else { self.now.saturating_mul(2).min(self.ceiling) };
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Read;
    use std::ops::ControlFlow;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use crate::{Endpoint, Transfer};

    /// Counts bytes, not time: a busy machine makes the reader slower still, and then even less may be moved between two looks.
    #[test]
    fn a_slow_reader_does_not_keep_the_watcher_waiting() {
        const SIZE: u64 = 8 << 20;
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let (mut taken, mut buffer) = (0, vec![0; 64 << 10]);
            // 64 KiB every 10 ms: sixteen mebibytes would take two and a half seconds.
            while let Ok(count @ 1..) = far.read(&mut buffer) {
                taken += count as u64;
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            taken
        });
        let (before, looks, longest) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
        let stopped = Transfer::new(ends.0, ends.1).run_watched(|moved| {
            // The first steps fill the socket's buffer.
            if moved > 1 << 20 {
                longest.set(longest.get().max(moved - before.get()));
            }
            before.set(moved);
            looks.set(looks.get() + 1);
            if moved > SIZE / 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        drop(near);
        let moved = stopped.unwrap_err().moved();
        assert_eq!(moved, reader.join().unwrap());
        // It stopped in the middle, after many looks, not after the whole file in one call.
        assert!(moved < SIZE && looks.get() >= 5 && longest.get() <= 1 << 20, "{moved}, {looks:?}, {longest:?}");
    }
}
