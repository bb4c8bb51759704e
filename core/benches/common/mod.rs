//! Paired measurement: every lane once a round, so that what disturbs one disturbs its neighbours; then medians, and the
//! median of the ratios within each round. Absolute figures of one machine mean little; the ratios are the result.
//!
//! The order within a round is drawn anew each time: a lane that always follows the same one inherits its state (which
//! processor the peer is on, how much memory is free).
//!
//! The other end is a process of its own, so that this process's CPU time is the lane's alone.
#![allow(missing_docs, dead_code)]

pub mod tcp;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One thing to be measured: moves `bytes` and answers with the time it took.
pub struct Lane<'a> {
    pub name: &'a str,
    pub run: Box<dyn FnMut() -> Sample + 'a>,
}

#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub bytes: u64,
    pub wall: Duration,
    pub cpu: Duration,
}

impl Sample {
    /// Measures a piece of work that moves `bytes`.
    pub fn of(bytes: u64, work: impl FnOnce()) -> Self {
        let (cpu, wall) = (process_cpu(), Instant::now());
        work();
        Self { bytes, wall: wall.elapsed(), cpu: process_cpu().saturating_sub(cpu) }
    }

    fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e9 / self.wall.as_secs_f64()
    }

    fn cpu_seconds_per_gigabyte(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.bytes as f64 / 1e9)
    }
}

/// CPU time of this process, all threads.
fn process_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs the lanes in turn and prints the table; the first lane is what the others are compared with.
///
/// `LANES=a,b` keeps only the lanes whose names contain one of these words.
pub fn compare(title: &str, rounds: usize, mut lanes: Vec<Lane<'_>>) {
    if let Ok(words) = std::env::var("LANES") {
        lanes.retain(|lane| words.split(',').any(|word| lane.name.contains(word)));
        if lanes.is_empty() {
            return;
        }
    }
    let mut samples: Vec<Vec<Sample>> = lanes.iter().map(|_| Vec::new()).collect();
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    for round in 0..=rounds {
        shuffle(&mut order);
        for &index in &order {
            let sample = (lanes[index].run)();
            // Round 0 warms up.
            if round > 0 {
                samples[index].push(sample);
            }
        }
    }
    println!("\n{title} ({rounds} rounds; ratios against \"{}\", medians of the rounds)", lanes[0].name);
    println!("{:<28} {:>9} {:>10} {:>9} {:>9}", "lane", "GB/s", "CPU s/GB", "speed", "CPU");
    for (lane, own) in lanes.iter().zip(&samples) {
        let ratio = |of: fn(&Sample) -> f64| median(own.iter().zip(&samples[0]).map(|(a, b)| of(a) / of(b)));
        println!(
            "{:<28} {:>9.2} {:>10.3} {:>8.2}x {:>8.2}x",
            lane.name,
            median(own.iter().map(Sample::gigabytes_per_second)),
            median(own.iter().map(Sample::cpu_seconds_per_gigabyte)),
            ratio(Sample::gigabytes_per_second),
            ratio(Sample::cpu_seconds_per_gigabyte),
        );
    }
}

/// Fisher–Yates, with the seeds that the standard library draws for its hash maps.
fn shuffle(order: &mut [usize]) {
    for last in (1..order.len()).rev() {
        let random = RandomState::new().build_hasher().finish();
        order.swap(last, (random % (last as u64 + 1)) as usize);
    }
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Rounds: at least 15, or what `ROUNDS` says.
pub fn rounds() -> usize {
    std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(15)
}

/// A file of that many bytes in the page cache.
pub fn cached_file(bytes: usize) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    let mut left = bytes;
    while left > 0 {
        let count = left.min(block.len());
        file.write_all(&block[..count]).unwrap();
        left -= count;
    }
    file.sync_all().unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file
}

/// The process at the other end of the connections.
pub struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    /// A peer that drains with `MSG_TRUNC`, which discards without copying, and answers one byte at the end.
    pub fn that_drains() -> Self {
        Self::start("drain".into())
    }

    /// A peer that sends that many bytes from memory.
    pub fn that_sends(bytes: u64) -> Self {
        Self::start(format!("send {bytes}"))
    }

    fn start(role: String) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env("ZCIO_BENCH_PEER", role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = [0; 2];
        child.stdout.as_mut().unwrap().read_exact(&mut port).unwrap();
        Self { child, port: u16::from_le_bytes(port) }
    }

    pub fn connect(&self) -> TcpStream {
        tcp::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything was sent: waits until the peer has taken it.
pub fn finish(mut socket: &TcpStream) {
    socket.shutdown(Shutdown::Write).unwrap();
    socket.read_exact(&mut [0]).unwrap();
}

/// To be called first in `main`: does not return in the process that is a peer.
///
/// `PIN=same` keeps this process and its peer on one processor, `PIN=apart` each on one of its own. Without it the scheduler
/// moves them.
pub fn be_peer_if_asked() {
    let role = std::env::var("ZCIO_BENCH_PEER");
    match (std::env::var("PIN").as_deref(), &role) {
        (Ok("apart"), Ok(_)) => pin(1),
        (Ok("apart"), Err(_)) | (Ok("same"), _) => pin(0),
        (Ok(other), _) => panic!("PIN is same or apart, not {other}"),
        (Err(_), _) => {}
    }
    let Ok(role) = role else { return };
    let listener = tcp::listen();
    let mut out = std::io::stdout();
    out.write_all(&listener.local_addr().unwrap().port().to_le_bytes()).unwrap();
    out.flush().unwrap();
    let block = vec![1u8; 1 << 20];
    for socket in listener.incoming() {
        let mut socket = socket.unwrap();
        if let Some(bytes) = role.strip_prefix("send ") {
            let mut left: usize = bytes.parse().unwrap();
            while left > 0 {
                let Ok(sent) = socket.write(&block[..left.min(block.len())]) else { break };
                left -= sent;
            }
        } else {
            drain(&socket);
            let _ = socket.write_all(&[1]);
        }
    }
    std::process::exit(0);
}

fn pin(processor: usize) {
    // SAFETY: a set of processors is plain bits, and the pointer is to a local of the right size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        assert_eq!(
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set),
            0,
            "processor {processor}"
        );
    }
}

fn drain(socket: &TcpStream) {
    loop {
        // SAFETY: with MSG_TRUNC a TCP socket writes nothing to the buffer, which may then be null.
        let count = unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), 1 << 20, libc::MSG_TRUNC) };
        if count <= 0 {
            return;
        }
    }
}
