//! The question: does a batch send a thousand small files faster than open, sendfile and close of each one?
//!
//! Ways are measured in turn, round by round, so that what else the machine does meets all of them; the answer is the median
//! of each round's ratio. The receiver drops what arrives (`MSG_TRUNC`), so that the sender's cost is what shows.
//!
//! `cargo bench -p zcio --bench batch [files] [bytes] [rounds]`

mod common;

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Instant;

use zcio::{Batch, Endpoint, Item, Transfer};

/// Reads and drops everything.
fn drain(far: &TcpStream) {
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        // SAFETY: the buffer is as long as said; with MSG_TRUNC nothing is written to it.
        let got = unsafe { libc::recv(far.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_TRUNC) };
        if got <= 0 {
            return;
        }
    }
}

/// The bare system calls.
fn bare(paths: &[PathBuf], sink: BorrowedFd<'_>, bytes: usize) {
    for path in paths {
        let file = File::open(path).unwrap();
        let mut left = bytes;
        while left > 0 {
            left -= nix::sys::sendfile::sendfile(sink, &file, None, left).unwrap();
        }
    }
}

/// A transfer for each file.
fn transfers(paths: &[PathBuf], sink: BorrowedFd<'_>) {
    let end = Endpoint::new(sink).unwrap();
    for path in paths {
        Transfer::new(Endpoint::open(path).unwrap(), end.borrow()).run().unwrap();
    }
}

fn batch(batch: &mut Batch, paths: &[PathBuf], sink: BorrowedFd<'_>, count: Option<usize>) {
    let items = paths.iter().map(|path| Item::new(path.as_path(), sink));
    let items: Vec<_> = items.map(|item| count.map_or(item, |count| item.count(count as u64))).collect();
    let report = batch.run(&items);
    assert!(report.items.iter().all(Result::is_ok));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn cpu() -> f64 {
    // SAFETY: a structure of zeroes is valid, and is what getrusage fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let (files, bytes, rounds) = (number(0, 1000), number(1, 4096), number(2, 21));
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..files).map(|index| dir.path().join(format!("{index:05}"))).collect();
    for path in &paths {
        std::fs::write(path, vec![7; bytes]).unwrap();
    }
    let (near, far) = common::tcp::pair();
    let drain = std::thread::spawn(move || drain(&far));

    let mut ring = Batch::new();
    println!("{files} files of {bytes} bytes to one TCP socket, {rounds} rounds; ring: {:?}", ring.refusal().is_none());
    let names = ["open+sendfile+close", "a transfer each", "batch", "batch, sizes known", "batch made for one run"];
    let mut seconds = vec![Vec::new(); names.len()];
    let mut busy = vec![Vec::new(); names.len()];
    for round in 0..=rounds {
        for way in 0..names.len() {
            let (started, used) = (Instant::now(), cpu());
            match way {
                0 => bare(&paths, near.as_fd(), bytes),
                1 => transfers(&paths, near.as_fd()),
                2 => batch(&mut ring, &paths, near.as_fd(), None),
                3 => batch(&mut ring, &paths, near.as_fd(), Some(bytes)),
                _ => batch(&mut Batch::new(), &paths, near.as_fd(), None),
            }
            // The first round warms the caches.
            if round > 0 {
                seconds[way].push(started.elapsed().as_secs_f64());
                busy[way].push(cpu() - used);
            }
        }
    }
    for (way, name) in names.iter().enumerate() {
        let ratio = seconds[0].iter().zip(&seconds[way]).map(|(bare, other)| bare / other).collect();
        println!(
            "{name:24} {:7.2} us a file, {:7.2} us CPU a file, {:5.2} x open+sendfile+close",
            median(seconds[way].clone()) * 1e6 / files as f64,
            median(busy[way].clone()) * 1e6 / files as f64,
            median(ratio),
        );
    }
    drop(near);
    drain.join().unwrap();
}
