//! Is a relay faster than a loop of read(2) and write(2) through 64 KiB, and what does it cost?
//!
//! `cargo bench --bench relay`. Pairs of runs over loopback TCP, interleaved and in changing order; what counts is the
//! median of the ratios within the pairs, never an absolute figure. The receiver discards (`MSG_TRUNC`), so that the
//! relay's cost shows. The sender either writes from memory, which costs it a copy, or sends a cached file, which does
//! not; on a machine with two cores the first is as busy as the relay. CPU is that of the relaying thread.

mod common;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use common::tcp;
use nix::sys::socket::{MsgFlags, recv};
use zcio::{Endpoint, Relay};

const BYTES: u64 = 1 << 30;
const PIECE: usize = 64 << 20;
const PAIRS: usize = 15;

fn main() {
    // `cargo test --benches` passes no --bench: there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("relay against a 64 KiB read/write loop: {PAIRS} pairs of {} MiB, medians", BYTES >> 20);
    println!("sender    GB/s: loop  relay  ratio    CPU s/GB: loop  relay  ratio");
    for sender in [Sender::Write, Sender::Sendfile] {
        let (mut loops, mut relays) = (Vec::new(), Vec::new());
        let _warm = (run(sender, copy_loop), run(sender, relay));
        for pair in 0..PAIRS {
            if pair % 2 == 0 {
                loops.push(run(sender, copy_loop));
                relays.push(run(sender, relay));
            } else {
                relays.push(run(sender, relay));
                loops.push(run(sender, copy_loop));
            }
        }
        let ratio =
            |of: fn(&Cost) -> f64| median(std::iter::zip(&relays, &loops).map(|(relay, copy)| of(relay) / of(copy)));
        println!(
            "{:<15} {:>5.2} {:>6.2} {:>6.2} {:>17.3} {:>6.3} {:>6.2}",
            format!("{sender:?}"),
            median(loops.iter().map(Cost::speed)),
            median(relays.iter().map(Cost::speed)),
            ratio(Cost::speed),
            median(loops.iter().map(Cost::cpu)),
            median(relays.iter().map(Cost::cpu)),
            ratio(Cost::cpu),
        );
    }
}

/// How the bytes come.
#[derive(Clone, Copy, Debug)]
enum Sender {
    Write,
    Sendfile,
}

/// What one run cost.
struct Cost {
    wall: Duration,
    thread: Duration,
}

impl Cost {
    /// GB/s.
    fn speed(&self) -> f64 {
        BYTES as f64 / 1e9 / self.wall.as_secs_f64()
    }

    /// CPU seconds per GB.
    fn cpu(&self) -> f64 {
        self.thread.as_secs_f64() / (BYTES as f64 / 1e9)
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One run: a sender, the way between in this thread, a receiver.
fn run(sender: Sender, way: fn(&TcpStream, &TcpStream)) -> Cost {
    let ((left, client), (right, server)) = (tcp::pair(), tcp::pair());
    let bytes = vec![7; PIECE];
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let (began, thread) = (Instant::now(), thread_time());
    let sending = std::thread::spawn(move || send(sender, client, &bytes, file));
    let receiving = std::thread::spawn(move || discard(&server));
    way(&left, &right);
    let thread = thread_time().checked_sub(thread).unwrap();
    assert_eq!(receiving.join().unwrap(), BYTES);
    let wall = began.elapsed();
    sending.join().unwrap();
    Cost { wall, thread }
}

fn send(sender: Sender, mut client: TcpStream, bytes: &[u8], mut file: File) {
    for _ in 0..BYTES / PIECE as u64 {
        match sender {
            Sender::Write => client.write_all(bytes).unwrap(),
            Sender::Sendfile => {
                file.rewind().unwrap();
                let mut left = PIECE;
                while left > 0 {
                    left -= nix::sys::sendfile::sendfile(&client, &file, None, left).unwrap();
                }
            }
        }
    }
    // Closing ends both directions.
    client.shutdown(Shutdown::Write).unwrap();
}

fn discard(server: &TcpStream) -> u64 {
    let mut buffer = vec![0; 1 << 20];
    let mut received = 0;
    loop {
        match recv(server.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC).unwrap() {
            0 => break,
            count => received += count as u64,
        }
    }
    server.shutdown(Shutdown::Write).unwrap();
    received
}

fn copy_loop(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => break,
            count => to.write_all(&buffer[..count]).unwrap(),
        }
    }
    to.shutdown(Shutdown::Write).unwrap();
}

fn relay(from: &TcpStream, to: &TcpStream) {
    let report = Relay::new(Endpoint::new(from.as_fd()).unwrap(), Endpoint::new(to.as_fd()).unwrap()).run().unwrap();
    assert_eq!(report.forward.bytes, BYTES);
    if std::env::var_os("VERBOSE").is_some() {
        println!("{report:?}");
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the type that clock_gettime(2) writes.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
