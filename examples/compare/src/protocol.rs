//! What `compare` and a lane say to each other. This is its only description; every lane follows it.
//!
//! A lane is a process that serves one method of one language. It reads requests from its standard input and answers on
//! its standard output, one line each; its standard error is the user's. A line is a word and fields `name=value`, all
//! separated by tabs, so no value may contain a tab or a line feed. Unknown fields are to be ignored.
//!
//! ```text
//! lane     hello   runtime=CPython 3.11.7
//! compare  job     route=file_to_tcp   source=/a/file      sink=127.0.0.1:4711     times=16
//! compare  job     route=tcp_to_file   source=127.0.0.1:4711   sink=/a/new/file    times=16   bytes=65536
//! compare  job     route=random_read   source=/a/file      sink=digest   blocks=32768   depth=16   check=count
//! lane     ready
//! compare  go
//! lane     done    bytes=128651445   wall_ns=31415926   mechanism=sendfile
//! lane     failed  message=…                              (instead of any of its lines; then it ends)
//! ```
//!
//! * The fields of a job are its route's own: see [`crate::routes`]. A number that is not there is 1. `times` says how often
//!   the same is done within one run, because a clock is too coarse for one small file.
//! * Where only the lane sees the bytes, it says `digest=`: a CRC-32 of the whole file, or the sum over the blocks.
//! * A lane that is a server (nginx) says `process=` with its greeting, and answers a job with `ready listening=ADDRESS`:
//!   then a client asks it for the file by its name, by HTTP, and keeps the time; there is no `go`.
//! * Before `ready` the lane opens its TCP connection, if the route has one. It opens files only after `go`, because that
//!   is part of what a program has to do to move them.
//! * `wall_ns` is read from the lane's own monotonic clock, from `go` until the work is over. For `file_to_tcp` that is
//!   when the receiver has everything: the lane ends its sending side and reads until the receiver closes, which it does
//!   after the last byte. Otherwise a lane could be done while megabytes wait in socket buffers. For the other routes it
//!   is when the last byte has been written and the new file is closed. Nothing is synced to the disk.
//! * `bytes` is what the lane itself counted. `mechanism` is what zcio reported, and is absent in other lanes.
//! * CPU time is no field: `compare` reads the kernel's clock of the lane's process (`clock_getcpuclockid(3)`) when it
//!   says `go` and when it is told `done`. That is `CLOCK_PROCESS_CPUTIME_ID` of that process, in nanoseconds and the
//!   same for every language; the JVM's own `getProcessCpuTime` counts in steps of 10 ms (measured on 17 and 25).
//! * The end of its standard input ends the lane.

use std::fmt;

use anyhow::{Context, Result, bail};

/// One line: a word and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `hello`, `job`, `ready`, `go`, `done` or `failed`.
    pub word: String,
    fields: Vec<(String, String)>,
}

impl Message {
    /// A line with that word and no fields yet.
    pub fn new(word: &str) -> Self {
        Self { word: word.to_string(), fields: Vec::new() }
    }

    /// Adds a field. Fails on a value that would break the line.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Result<Self> {
        let value = value.to_string();
        if value.contains(['\t', '\n', '\r']) {
            bail!("{name} {value:?} contains a tab or a line break, which the lanes' protocol cannot carry");
        }
        self.fields.push((name.to_string(), value));
        Ok(self)
    }

    /// Takes a line apart; `line` may end with its line feed.
    pub fn parse(line: &str) -> Result<Self> {
        let mut parts = line.trim_end_matches(['\n', '\r']).split('\t');
        let mut message = Self::new(parts.next().unwrap_or_default());
        for part in parts {
            let (name, value) =
                part.split_once('=').with_context(|| format!("field {part:?} without '=' in {line:?}"))?;
            message.fields.push((name.to_string(), value.to_string()));
        }
        Ok(message)
    }

    /// The value of a field, if it is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field that must be there.
    pub fn need(&self, name: &str) -> Result<&str> {
        self.get(name).with_context(|| format!("no field {name:?} in \"{self}\""))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, "\t{name}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_the_way_there_and_back() {
        let message = Message::new("job").with("route", "file_to_tcp").unwrap().with("source", "/a b/c=d").unwrap();
        let parsed = Message::parse(&format!("{message}\n")).unwrap();
        assert_eq!(parsed, message);
        assert_eq!(parsed.need("source").unwrap(), "/a b/c=d");
        assert_eq!(parsed.get("sink"), None);
    }

    #[test]
    fn what_would_break_a_line_is_refused() {
        assert!(Message::new("job").with("source", "/a\tb").is_err());
        assert!(Message::new("job").with("source", "/a\nb").is_err());
        assert!(Message::parse("done\tbytes").is_err());
    }
}
