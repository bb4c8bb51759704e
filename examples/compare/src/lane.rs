//! A running lane: a child process that answers the protocol of [`crate::protocol`], and the kernel's clock of its CPU time.
//!
//! Whatever ends a lane's life early becomes an error that names the lane; a lane is never restarted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

use crate::protocol::Message;
use crate::roster::{Language, Method};
use crate::route::Route;

/// How long a lane may take to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// One method of one language on one runtime, in a process of its own.
#[derive(Debug)]
pub struct Lane {
    /// Its language.
    pub language: Language,
    /// The language with what tells its runtimes apart: `Java 17`. Ratios are taken among lanes with the same name here.
    pub runtime: String,
    /// The runtime's full version, as the lane says it.
    pub version: String,
    /// What it does.
    pub method: &'static Method,
    child: Child,
    answers: BufReader<ChildStdout>,
    cpu_clock: ClockId,
}

/// What one transfer took.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Bytes that the lane counted.
    pub bytes: u64,
    /// Wall time in nanoseconds, by the lane's clock.
    pub wall_ns: u64,
    /// CPU time of the lane's process in nanoseconds, all its threads, user and system.
    pub cpu_ns: u64,
    /// The mechanism that zcio reported; `None` in other lanes.
    pub mechanism: Option<String>,
}

impl Lane {
    /// Starts the process and does not wait for its `hello`, so that slow starters can start beside each other.
    pub fn spawn(language: Language, runtime: &str, method: &'static Method, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let answers = child.stdout.take().expect("it was asked to be a pipe");
        Ok(Self {
            language,
            runtime: runtime.to_string(),
            version: String::new(),
            method,
            cpu_clock: clock_getcpuclockid(Pid::from_raw(child.id() as i32)).context("clock_getcpuclockid")?,
            child,
            answers: BufReader::new(answers),
        })
    }

    /// Waits for `hello`. An error means that the lane cannot run here, and says why.
    pub fn greet(&mut self) -> Result<()> {
        self.version = self.expect("hello")?.need("runtime")?.to_string();
        Ok(())
    }

    /// How it is called in messages and, with its route, in the table.
    pub fn title(&self, route: Route) -> String {
        format!("{} · {}", self.runtime, self.method.label(route).unwrap_or(self.method.name))
    }

    /// Hands over a job and returns when the lane is ready to go, its connection open.
    pub fn prepare(&mut self, job: &Message) -> Result<()> {
        self.say(job)?;
        self.expect("ready").map(drop)
    }

    /// Says `go` and waits until the work is done.
    pub fn go(&mut self) -> Result<Sample> {
        let before = self.cpu_time()?;
        self.say(&Message::new("go"))?;
        let done = self.expect("done")?;
        let cpu = self.cpu_time()?.saturating_sub(before);
        Ok(Sample {
            bytes: done.need("bytes")?.parse().context("bytes")?,
            wall_ns: done.need("wall_ns")?.parse::<u64>().context("wall_ns")?.max(1),
            cpu_ns: cpu.as_nanos() as u64,
            mechanism: done.get("mechanism").map(str::to_string),
        })
    }

    fn cpu_time(&self) -> Result<Duration> {
        Ok(clock_gettime(self.cpu_clock).context("the clock of the lane's CPU time")?.into())
    }

    fn say(&mut self, message: &Message) -> Result<()> {
        let requests = self.child.stdin.as_mut().expect("it was asked to be a pipe and is closed only by drop");
        writeln!(requests, "{message}").context("the lane has ended")
    }

    fn expect(&mut self, word: &str) -> Result<Message> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the lane ended without an answer ({})", self.child.wait()?);
        }
        let answer = Message::parse(&line)?;
        if answer.word == "failed" {
            bail!("{}", answer.get("message").unwrap_or("the lane failed without a message"));
        }
        ensure!(answer.word == word, "the lane said \"{answer}\" instead of \"{word}\"");
        Ok(answer)
    }
}

impl Drop for Lane {
    /// Ends its requests, which ends the lane, so that it can clean up; a lane that is stuck in a job is killed.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // Both fail only if it has ended after all.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
