//! The Rust lane: one method behind the protocol of [`crate::protocol`].
//!
//! It is this same program, started again as `compare lane METHOD`, so that it can never be missing or out of date. The
//! two methods named `wrong_…` are wrong on purpose: tests use them to show that `compare` notices.

use std::fs::File;
use std::io::{self, BufRead, Read, StdinLock, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use zcio::{Endpoint, Transfer};

use crate::protocol::Message;
use crate::roster::{WRONG_BYTE, WRONG_COUNT, ZCIO};
use crate::route::Route;

/// What was moved: bytes, and zcio's name of the way.
struct Moved {
    bytes: u64,
    mechanism: Option<&'static str>,
}

/// Serves jobs until standard input ends.
pub fn serve(method: &str) -> Result<()> {
    say(&Message::new("hello").with("runtime", "Rust")?)?;
    let mut requests = io::stdin().lock();
    let mut jobs_done = 0;
    while let Some(job) = next(&mut requests)? {
        let (moved, wall) = match run(method, jobs_done, &job, &mut requests) {
            Ok(done) => done,
            Err(error) => {
                let message = format!("{error:#}").replace(['\t', '\n', '\r'], " ");
                return say(&Message::new("failed").with("message", message)?);
            }
        };
        let mut done = Message::new("done").with("bytes", moved.bytes)?.with("wall_ns", wall.as_nanos())?;
        if let Some(mechanism) = moved.mechanism {
            done = done.with("mechanism", mechanism)?;
        }
        say(&done)?;
        jobs_done += 1;
    }
    Ok(())
}

fn run(method: &str, jobs_done: u32, job: &Message, requests: &mut StdinLock<'_>) -> Result<(Moved, Duration)> {
    let route = Route::named(job.need("route")?).with_context(|| format!("no such route: {job}"))?;
    let (source, sink) = (job.need("source")?, job.need("sink")?);
    let mut socket = match route {
        Route::FileToTcp => Some(TcpStream::connect(sink)?),
        Route::TcpToFile => Some(TcpStream::connect(source)?),
        Route::FileToFile => None,
    };
    say(&Message::new("ready"))?;
    next(requests)?.context("the requests ended before `go`")?;
    let start = Instant::now();
    let moved = match (route, &mut socket) {
        (Route::FileToTcp, Some(socket)) => {
            let moved = transfer(method, jobs_done, &mut File::open(source)?, socket)?;
            socket.shutdown(Shutdown::Write)?;
            if socket.read(&mut [0])? != 0 {
                bail!("the receiver sent something");
            }
            moved
        }
        (_, Some(socket)) => transfer(method, jobs_done, socket, &mut File::create(sink)?)?,
        (_, None) => transfer(method, jobs_done, &mut File::open(source)?, &mut File::create(sink)?)?,
    };
    Ok((moved, start.elapsed()))
}

fn transfer<R, W>(method: &str, jobs_done: u32, source: &mut R, sink: &mut W) -> Result<Moved>
where
    R: Read + AsFd,
    W: Write + AsFd,
{
    let mut mechanism = None;
    let bytes = match method {
        "std" => io::copy(source, sink)?,
        ZCIO => {
            let report = Transfer::new(Endpoint::new(source.as_fd())?, Endpoint::new(sink.as_fd())?).run()?;
            mechanism = Some(report.mechanism.name());
            report.bytes
        }
        WRONG_BYTE | WRONG_COUNT => wrong(method, jobs_done, source, sink)?,
        _ => bail!("no such method: {method}"),
    };
    Ok(Moved { bytes, mechanism })
}

/// Changes one byte; or, from its second job on, leaves the last one out and claims that it did not.
fn wrong(method: &str, jobs_done: u32, source: &mut impl Read, sink: &mut impl Write) -> Result<u64> {
    let mut content = Vec::new();
    let claimed = source.read_to_end(&mut content)? as u64;
    if method == WRONG_BYTE {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    } else if jobs_done > 0 {
        content.pop();
    }
    sink.write_all(&content)?;
    Ok(claimed)
}

fn say(message: &Message) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{message}")?;
    Ok(out.flush()?)
}

fn next(requests: &mut StdinLock<'_>) -> Result<Option<Message>> {
    let mut line = String::new();
    match requests.read_line(&mut line)? {
        0 => Ok(None),
        _ => Message::parse(&line).map(Some),
    }
}
