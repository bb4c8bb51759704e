//! How many system calls a lane makes: counted by strace(1), in a run of its own that is not timed.
//!
//! A process under strace is many times slower, so nothing else may be read from such a run. Where there is no strace, or
//! it may not look (ptrace(2), Yama), the count is left blank with that reason.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::NamedTempFile;

/// A strace that counts the calls of one process and all its threads.
pub struct Counting {
    strace: Child,
    table: NamedTempFile,
}

impl Counting {
    /// Begins to count; returns when every thread is watched.
    pub fn of(process: i32) -> Result<Self> {
        let table = NamedTempFile::new()?;
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-o"])
            .arg(table.path())
            .args(["-p", &process.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start strace")?;
        let mut line = String::new();
        let mut messages = BufReader::new(strace.stderr.take().expect("it was asked to be a pipe"));
        messages.read_line(&mut line)?;
        if !line.contains("attached") {
            let _ = strace.wait();
            bail!("{}", line.trim().trim_start_matches("strace: "));
        }
        // What it says from now on (threads that come) must not fill the pipe.
        std::thread::spawn(move || messages.lines().for_each(drop));
        Ok(Self { strace, table })
    }

    /// Ends it and returns the number of calls.
    pub fn end(mut self) -> Result<u64> {
        kill(Pid::from_raw(self.strace.id() as i32), Signal::SIGINT).context("cannot end strace")?;
        self.strace.wait()?;
        let table = fs::read_to_string(self.table.path())?;
        Ok(total(&table))
    }
}

/// Why calls cannot be counted here; `None` if they can.
pub fn refusal() -> Option<String> {
    let mut idle = match Command::new("sleep").arg("10").spawn() {
        Ok(idle) => idle,
        Err(error) => return Some(format!("sleep(1): {error}")),
    };
    let counted = Counting::of(idle.id() as i32).and_then(Counting::end);
    let _ = idle.kill();
    let _ = idle.wait();
    counted.err().map(|error| format!("{error:#}"))
}

/// The fourth column of the last line; a process that made no call has no table at all.
fn total(table: &str) -> u64 {
    let line = table.lines().rev().find(|line| line.trim_end().ends_with(" total")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|calls| calls.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_fourth_column_with_errors_and_without() {
        let head = "% time     seconds  usecs/call     calls    errors syscall\n------ ---\n";
        let line = " 90.00    0.000010           1        10           sendfile\n------ ----------- ----\n";
        assert_eq!(total(&format!("{head}{line}100.00    0.000011           1        12           total\n")), 12);
        assert_eq!(total(&format!("{head}{line}100.00    0.000011           1        12         3 total\n")), 12);
        assert_eq!(total(""), 0);
    }
}
