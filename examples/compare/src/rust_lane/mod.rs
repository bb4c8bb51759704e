//! The Rust lane: one method behind the protocol of [`crate::protocol`].
//!
//! It is this same program, started again as `compare lane METHOD`. What a method does on a route is in the modules here;
//! they must do nothing in the timed part that a program would not do to move those bytes.

mod hand_over;
pub mod mapping;
mod moving;
pub mod nginx;
mod reading;
mod ring;
mod small;
mod ways;
mod wrong;

use std::io::{self, BufRead, StdinLock, Write};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::families::rust::{WRONG_BYTE, WRONG_COUNT};
use crate::protocol::Message;
use crate::routes::{
    FILE_TO_FILE, FILE_TO_FILE_TMPFS, FILE_TO_FILE_XFS, FILE_TO_PIPE, FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS, HAND_OVER,
    MAP_CLOSE, MAPPED_SCAN, MAPPED_SUM, RANDOM_READ, RANDOM_READ_DIRECT, RELAY, SMALL_FILES, SMALL_RANGES, TCP_TO_FILE,
    TCP_TO_FILE_DURABLE,
};

/// What was moved: bytes, zcio's name of the way, and what the lane saw where only it looks.
#[derive(Default)]
pub struct Moved {
    bytes: u64,
    mechanism: Option<&'static str>,
    digest: Option<u64>,
}

/// A job, and the way to say that it may begin.
pub struct Job<'a> {
    method: &'a str,
    request: Message,
    done_before: u32,
    requests: &'a mut StdinLock<'static>,
}

impl Job<'_> {
    fn route(&self) -> &str {
        self.request.get("route").unwrap_or_default()
    }

    fn source(&self) -> Result<String> {
        self.request.need("source").map(str::to_string)
    }

    fn sink(&self) -> Result<String> {
        self.request.need("sink").map(str::to_string)
    }

    /// A number of the job; 1 if it does not say.
    fn number<T: FromStr + From<u8>>(&self, name: &str) -> Result<T> {
        match self.request.get(name) {
            None => Ok(T::from(1)),
            Some(text) => text.parse().ok().with_context(|| format!("{name}={text} is no number")),
        }
    }

    /// Everything is open: waits for `go` and times the work.
    fn timed(&mut self, work: impl FnOnce() -> Result<Moved>) -> Result<(Moved, Duration)> {
        say(&Message::new("ready"))?;
        next(self.requests)?.context("the requests ended before `go`")?;
        let start = Instant::now();
        let moved = work()?;
        Ok((moved, start.elapsed()))
    }
}

/// Serves jobs until standard input ends.
pub fn serve(method: &str) -> Result<()> {
    if method == "nginx" {
        return nginx::serve();
    }
    say(&Message::new("hello").with("runtime", "Rust")?)?;
    let mut requests = io::stdin().lock();
    let mut done_before = 0;
    while let Some(request) = next(&mut requests)? {
        let mut job = Job { method, request, done_before, requests: &mut requests };
        let (moved, wall) = match run(&mut job) {
            Ok(done) => done,
            Err(error) => return fail(&error),
        };
        let mut done = Message::new("done").with("bytes", moved.bytes)?.with("wall_ns", wall.as_nanos())?;
        if let Some(mechanism) = moved.mechanism {
            done = done.with("mechanism", mechanism)?;
        }
        if let Some(digest) = moved.digest {
            done = done.with("digest", digest)?;
        }
        say(&done)?;
        done_before += 1;
    }
    Ok(())
}

fn run(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    if [WRONG_BYTE, WRONG_COUNT].contains(&job.method) {
        return wrong::run(job);
    }
    match job.route() {
        FILE_TO_TCP | FILE_TO_TCP_CONNECTIONS => moving::file_to_tcp(job),
        TCP_TO_FILE | TCP_TO_FILE_DURABLE => moving::tcp_to_file(job),
        RELAY => moving::relay(job),
        FILE_TO_FILE | FILE_TO_FILE_XFS | FILE_TO_FILE_TMPFS => moving::file_to_file(job),
        FILE_TO_PIPE => moving::file_to_pipe(job),
        SMALL_FILES => small::files(job),
        SMALL_RANGES => small::ranges(job),
        MAPPED_SCAN | MAPPED_SUM => reading::scan(job),
        MAP_CLOSE => mapping::map_close(job),
        RANDOM_READ | RANDOM_READ_DIRECT => reading::random(job),
        HAND_OVER => hand_over::run(job),
        route => bail!("no such route: {route}"),
    }
}

fn fail(error: &anyhow::Error) -> Result<()> {
    let message = format!("{error:#}").replace(['\t', '\n', '\r'], " ");
    say(&Message::new("failed").with("message", message)?)
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
