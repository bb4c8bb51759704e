//! From a file to one TCP receiver, and to many at once.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};

use super::{Axis, Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::{self, Check, Peer};
use crate::pin::{Pin, Pinned, Side};
use crate::places::Place;
use crate::protocol::Message;
use crate::subject::Content;

/// What each of many connections is sent.
const EACH: u64 = 1 << 20;

/// One receiver.
pub struct One;
/// Many receivers.
pub struct Many;

impl Route for One {
    fn name(&self) -> &'static str {
        super::FILE_TO_TCP
    }

    fn title(&self) -> &'static str {
        "file → TCP"
    }

    fn about(&self) -> &'static str {
        "A cached file is opened, sent over loopback and closed, until the receiver has taken the last byte."
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        run(self, bench, lane, (point, 1), check)
    }
}

impl Route for Many {
    fn name(&self) -> &'static str {
        super::FILE_TO_TCP_CONNECTIONS
    }

    fn title(&self) -> &'static str {
        "file → TCP, many connections"
    }

    fn about(&self) -> &'static str {
        "A cached file of 1 MiB is sent over each of so many connections at the same time, until every receiver has all \
         of it; a thread each, or an event loop, as the lane is."
    }

    fn axis(&self) -> Axis {
        Axis::Connections
    }

    fn file_bytes(&self, _: u64) -> u64 {
        EACH
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        run(self, bench, lane, (EACH, point), check)
    }
}

fn run(route: &dyn Route, bench: &Bench<'_>, lane: &mut Lane, size: (u64, u64), check: Check) -> Result<Sample> {
    let (bytes, connections) = size;
    let subject = bench.subjects.get(Place::Here, bytes)?;
    let times = if connections == 1 { bench.times(subject.bytes) } else { 1 };
    let peer = Peer::listen()?;
    let request = job(route, subject.text()?, &peer.address()?.to_string())?
        .with("times", times)?
        .with("connections", connections)?;
    let (sample, arrived) = if lane.method.is_server {
        served(bench.pin, lane, &request, (connections, times), check)?
    } else {
        lane.prepare(&request)?;
        let streams = (0..connections).map(|_| peer.accept()).collect::<Result<_>>()?;
        peer::beside(lane, bench.pin, streams, |_, stream| peer::receive(stream, check))?
    };
    let wanted = match check {
        Check::Content => subject.content(times)?,
        Check::Count => Content::counted(subject.bytes * times),
    };
    arrived.iter().try_for_each(|content| content.expect(&wanted))?;
    claimed(sample, subject.bytes * times * connections)
}

/// A lane that is a server is asked by HTTP, each connection `times` times after each other, and the client is the clock.
fn served(
    pin: Pin,
    lane: &mut Lane,
    request: &Message,
    (connections, times): (u64, u64),
    check: Check,
) -> Result<(Sample, Vec<Content>)> {
    let server = lane.prepare_server(request)?;
    let path = request.need("source")?.rsplit('/').next().unwrap_or_default().to_string();
    let mut arrived = Vec::new();
    let sample = lane.serve(|| {
        arrived = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..connections)
                .map(|_| {
                    scope.spawn(|| {
                        let _pinned = Pinned::here(pin, Side::Peer)?;
                        get(server, &path, times, check)
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().expect("the client does not panic")).collect::<Result<_>>()
        })?;
        Ok(arrived.iter().map(|content| content.bytes).sum())
    })?;
    Ok((sample, arrived))
}

/// Asks `times` times over connections of their own, as HTTP/1.0 wants it, so that the end of the stream is the end of the
/// file and can be taken as cheaply as from every other lane.
fn get(server: SocketAddr, path: &str, times: u64, check: Check) -> Result<Content> {
    let mut whole = Vec::new();
    let mut bytes = 0;
    for _ in 0..times {
        let mut stream = TcpStream::connect(server)?;
        write!(stream, "GET /{path} HTTP/1.0\r\n\r\n")?;
        // A buffer of one byte takes the header's lines and nothing of the body.
        let mut lines = BufReader::with_capacity(1, &stream);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        ensure!(line.contains(" 200 "), "the server said {}", line.trim());
        while line != "\r\n" {
            line.clear();
            ensure!(lines.read_line(&mut line)? > 0, "the server's answer ends in its header");
        }
        match check {
            Check::Content => {
                std::io::copy(&mut &stream, &mut whole).context("the client failed")?;
            }
            Check::Count => bytes += peer::receive(&stream, check)?.bytes,
        }
    }
    match check {
        Check::Content => crate::subject::hash(whole.as_slice()),
        Check::Count => Ok(Content::counted(bytes)),
    }
}
