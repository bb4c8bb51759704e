//! Whole files and streams: the routes on which bytes go from one descriptor to another.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use zcio::{Endpoint, Relay};

use super::ways::{self, Way};
use super::{Job, Moved};
use crate::routes::TCP_TO_FILE_DURABLE;

/// Sends a file over each connection, a thread each where there are many.
pub fn file_to_tcp(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (way, source, sink) = (ways::of(job.method, job.route())?, job.source()?, job.sink()?);
    let (times, connections): (u64, u64) = (job.number("times")?, job.number("connections")?);
    let mut sockets = (0..connections).map(|_| TcpStream::connect(&sink)).collect::<Result<Vec<_>, _>>()?;
    job.timed(|| {
        if let [socket] = sockets.as_mut_slice() {
            return send(way, &source, socket, times);
        }
        let each: Vec<_> = thread::scope(|scope| {
            let started: Vec<_> =
                sockets.iter_mut().map(|socket| scope.spawn(|| send(way, &source, socket, times))).collect();
            started.into_iter().map(|sender| sender.join().expect("no sender panics")).collect::<Result<_>>()
        })?;
        let bytes = each.iter().map(|moved| moved.bytes).sum();
        Ok(Moved { bytes, mechanism: each.first().and_then(|moved| moved.mechanism), digest: None })
    })
}

fn send(way: Way, source: &str, socket: &mut TcpStream, times: u64) -> Result<Moved> {
    let mut moved = Moved::default();
    for _ in 0..times {
        add(&mut moved, way.run(&mut File::open(source)?, socket, u64::MAX)?);
    }
    wait_for_receiver(socket)?;
    Ok(moved)
}

/// Ends the sending side and waits until the receiver has everything.
pub fn wait_for_receiver(socket: &mut TcpStream) -> Result<()> {
    socket.shutdown(Shutdown::Write)?;
    if socket.read(&mut [0])? != 0 {
        bail!("the receiver sent something");
    }
    Ok(())
}

/// Receives into a file, the same one again where there are several in the stream.
pub fn tcp_to_file(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (way, sink) = (ways::of(job.method, job.route())?, job.sink()?);
    let (times, bytes): (u64, u64) = (job.number("times")?, job.number("bytes")?);
    let durable = job.route() == TCP_TO_FILE_DURABLE;
    let by_hand = !matches!(way, Way::Zcio(_));
    let mut socket = TcpStream::connect(job.source()?)?;
    job.timed(|| {
        let mut moved = Moved::default();
        for _ in 0..times {
            let mut file = ways::create(&sink)?;
            // The end of the stream is the end of the only file.
            add(&mut moved, way.run(&mut socket, &mut file, if times == 1 { u64::MAX } else { bytes })?);
            match (durable, by_hand) {
                (true, true) => file.sync_all()?,
                (true, false) => file.sync_data()?,
                (false, _) => {}
            }
        }
        Ok(moved)
    })
}

/// Hands on everything, in one direction by hand, in both with zcio's relay.
pub fn relay(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (way, source, sink) = (ways::of(job.method, job.route())?, job.source()?, job.sink()?);
    let (mut source, mut sink) = (TcpStream::connect(source)?, TcpStream::connect(sink)?);
    job.timed(|| {
        if matches!(way, Way::Zcio(_)) {
            let report = Relay::new(Endpoint::new(source.as_fd())?, Endpoint::new(sink.as_fd())?).run()?;
            let mechanism = Some(report.forward.mechanism.name());
            return Ok(Moved { bytes: report.forward.bytes, mechanism, digest: None });
        }
        let mut moved = Moved::default();
        add(&mut moved, way.run(&mut source, &mut sink, u64::MAX)?);
        wait_for_receiver(&mut sink)?;
        Ok(moved)
    })
}

/// Copies a file, over the same new one where it is done several times.
pub fn file_to_file(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (way, source, sink) = (ways::of(job.method, job.route())?, job.source()?, job.sink()?);
    let times: u64 = job.number("times")?;
    job.timed(|| {
        let mut moved = Moved::default();
        for _ in 0..times {
            add(&mut moved, way.run(&mut File::open(&source)?, &mut ways::create(&sink)?, u64::MAX)?);
        }
        Ok(moved)
    })
}

/// Writes a file into a pipe.
pub fn file_to_pipe(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (way, source) = (ways::of(job.method, job.route())?, job.source()?);
    let times: u64 = job.number("times")?;
    let mut pipe = OpenOptions::new().write(true).open(job.sink()?)?;
    job.timed(move || {
        let mut moved = Moved::default();
        for _ in 0..times {
            add(&mut moved, way.run(&mut File::open(&source)?, &mut pipe, u64::MAX)?);
        }
        Ok(moved)
    })
}

fn add(moved: &mut Moved, (bytes, mechanism): (u64, Option<&'static str>)) {
    moved.bytes += bytes;
    moved.mechanism = mechanism.or(moved.mechanism);
}
