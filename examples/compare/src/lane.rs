//! A running lane: a child process that answers the protocol of [`crate::protocol`].
//!
//! Whatever ends a lane's life early becomes a [`Failed`] that names the lane. It costs what was being measured, and the lane
//! starts again for the next: a wrong byte ends the program, a lane that gives up does not.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::calls::Counting;
use crate::families::{Language, Method};
use crate::outside::Process;
use crate::pin::{Pin, Pinned, Side};
use crate::protocol::Message;
use crate::routes::Route;

/// How long a lane may take to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// That a lane gave up, in its own words.
#[derive(Debug)]
pub struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

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
    /// To start it again.
    command: Command,
    pin: Pin,
    child: Child,
    answers: BufReader<ChildStdout>,
    process: Process,
    counting: bool,
}

/// What one run took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Bytes that the lane counted.
    pub bytes: u64,
    /// Wall time in nanoseconds, by the lane's clock.
    pub wall_ns: u64,
    /// CPU time of the lane's process in nanoseconds, all its threads, user and system.
    pub cpu_ns: u64,
    /// Context switches of the lane's threads; `None` where /proc does not say.
    pub context_switches: Option<u64>,
    /// The most memory the lane's process had resident, in bytes.
    pub peak_bytes: Option<u64>,
    /// The mechanism that zcio reported; `None` in other lanes.
    pub mechanism: Option<String>,
    /// What the lane says of the bytes it looked at, on the routes where nobody else sees them.
    #[serde(skip)]
    pub digest: Option<u64>,
    /// Every system call of the lane's process, in a run that counted them.
    #[serde(skip)]
    pub system_calls: Option<u64>,
}

impl Lane {
    /// Starts the process and does not wait for its `hello`, so that slow starters can start beside each other.
    pub fn spawn(
        language: Language,
        runtime: &str,
        method: &'static Method,
        pin: Pin,
        mut command: Command,
    ) -> Result<Self> {
        let (child, answers) = begin(&mut command, pin)?;
        Ok(Self {
            language,
            runtime: runtime.to_string(),
            version: String::new(),
            method,
            command,
            pin,
            process: Process::new(child.id())?,
            child,
            answers,
            counting: false,
        })
    }

    /// Ends what is left of the process and starts another.
    pub fn start_again(&mut self) -> Result<()> {
        self.end();
        (self.child, self.answers) = begin(&mut self.command, self.pin)?;
        self.process = Process::new(self.child.id())?;
        self.greet()
    }

    /// Waits for `hello`. An error means that the lane cannot run here, and says why.
    pub fn greet(&mut self) -> Result<()> {
        let hello = self.expect("hello")?;
        self.version = hello.need("runtime")?.to_string();
        if let Some(process) = hello.get("process") {
            self.process = Process::new(process.parse().context("process")?)?;
        }
        Ok(())
    }

    /// How it is called in messages and, with its route, in the table.
    pub fn title(&self, route: &dyn Route) -> String {
        format!("{} · {}", self.runtime, self.method.label(route.name()).unwrap_or(self.method.name))
    }

    /// Hands over a job and returns when the lane is ready to go, its connections open.
    pub fn prepare(&mut self, job: &Message) -> Result<()> {
        self.say(job)?;
        self.expect("ready").map(drop)
    }

    /// Hands over a job to a lane that is a server itself, and returns where it listens.
    pub fn prepare_server(&mut self, job: &Message) -> Result<SocketAddr> {
        self.say(job)?;
        self.expect("ready")?.need("listening")?.parse().context("listening")
    }

    /// Says `go` and waits until the work is done.
    pub fn go(&mut self) -> Result<Sample> {
        self.measured(|lane| {
            lane.say(&Message::new("go"))?;
            let done = lane.expect("done")?;
            Ok((done.need("bytes")?.parse().context("bytes")?, done.need("wall_ns")?.parse().context("wall_ns")?, done))
        })
    }

    /// Measures a lane that is a server while `client` is served; the client counts the bytes, and keeps the time.
    pub fn serve(&mut self, client: impl FnOnce() -> Result<u64>) -> Result<Sample> {
        self.measured(|_| {
            let started = Instant::now();
            let bytes = client()?;
            Ok((bytes, started.elapsed().as_nanos() as u64, Message::new("done")))
        })
    }

    /// Runs `body` with the system calls counted. Nothing else may be read from the sample.
    pub fn counting_calls<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.counting = true;
        let outcome = body(self);
        self.counting = false;
        outcome
    }

    fn measured(&mut self, work: impl FnOnce(&mut Self) -> Result<(u64, u64, Message)>) -> Result<Sample> {
        let counting = if self.counting { Some(Counting::of(self.process.id())?) } else { None };
        self.process.reset_peak();
        let before = self.process.usage()?;
        let (bytes, wall_ns, done) = work(self)?;
        let used = before.until(self.process.usage()?);
        Ok(Sample {
            bytes,
            wall_ns: wall_ns.max(1),
            cpu_ns: used.cpu_ns,
            context_switches: used.switches,
            peak_bytes: self.process.peak_bytes(),
            mechanism: done.get("mechanism").map(str::to_string),
            digest: done.get("digest").map(str::parse).transpose().context("digest")?,
            system_calls: counting.map(Counting::end).transpose()?,
        })
    }

    fn say(&mut self, message: &Message) -> Result<()> {
        let requests = self.child.stdin.as_mut().expect("it was asked to be a pipe and is closed only by drop");
        writeln!(requests, "{message}").map_err(|error| Failed(format!("the lane has ended: {error}")).into())
    }

    fn expect(&mut self, word: &str) -> Result<Message> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(Failed(format!("the lane ended without an answer ({})", self.child.wait()?)).into());
        }
        let answer = Message::parse(&line)?;
        if answer.word == "failed" {
            let message = answer.get("message").unwrap_or("the lane failed without a message");
            return Err(Failed(message.to_string()).into());
        }
        ensure!(answer.word == word, "the lane said \"{answer}\" instead of \"{word}\"");
        Ok(answer)
    }

    /// CPU time that its process has used so far, in nanoseconds.
    pub fn cpu_ns(&self) -> Result<u64> {
        self.process.cpu_ns()
    }

    /// Ends its requests, which ends the lane, so that it can clean up; a lane that is stuck in a job is killed.
    fn end(&mut self) {
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

impl Drop for Lane {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a lane's process where lanes run.
fn begin(command: &mut Command, pin: Pin) -> Result<(Child, BufReader<ChildStdout>)> {
    let _pinned = Pinned::here(pin, Side::Lane)?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let answers = child.stdout.take().expect("it was asked to be a pipe");
    Ok((child, BufReader::new(answers)))
}
