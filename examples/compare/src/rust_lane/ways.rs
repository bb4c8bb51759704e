//! The ways bytes go from one descriptor to another, and which method uses which on which route.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;

use anyhow::{Result, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, splice};
use nix::sys::sendfile::sendfile;
use zcio::{Endpoint, Mechanism, Transfer};

use crate::routes::{FILE_TO_PIPE, FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS, RELAY};

/// The most that one of these calls is asked for: below the kernel's own limit of 2 GiB less a page.
const MOST: usize = 1 << 30;
/// A pipe that splice can work with; the default of 64 KiB is filled by a few segments of TCP.
const PIPE: usize = 1 << 20;

/// One of them.
#[derive(Clone, Copy)]
pub enum Way {
    /// What the standard library does.
    IoCopy,
    /// read(2) and write(2) through a buffer of that size.
    Loop(usize),
    /// sendfile(2).
    Sendfile,
    /// splice(2) through a pipe of our own.
    SpliceThroughPipe,
    /// splice(2) into a sink that is a pipe.
    SpliceIntoPipe,
    /// zcio, with its own choice or a named mechanism.
    Zcio(Option<Mechanism>),
}

/// What that method does on that route.
pub fn of(method: &str, route: &str) -> Result<Way> {
    Ok(match (method, route) {
        ("std", _) => Way::IoCopy,
        ("raw" | "control", FILE_TO_TCP | FILE_TO_TCP_CONNECTIONS) => Way::Sendfile,
        ("raw" | "control", FILE_TO_PIPE) => Way::SpliceIntoPipe,
        ("raw" | "control", RELAY) => Way::Loop(64 << 10),
        ("raw" | "control", _) => Way::Loop(256 << 10),
        ("splice", _) => Way::SpliceThroughPipe,
        ("zcio", _) => Way::Zcio(None),
        ("zcio_direct", _) => Way::Zcio(Some(Mechanism::DirectIo)),
        _ => bail!("no such method on {route}: {method}"),
    })
}

impl Way {
    /// Moves `limit` bytes, or all if there are fewer, and says how many, and by what if that is zcio's choice.
    pub fn run<R, W>(self, source: &mut R, sink: &mut W, limit: u64) -> Result<(u64, Option<&'static str>)>
    where
        R: Read + AsFd,
        W: Write + AsFd,
    {
        let bytes = match self {
            Self::IoCopy if limit == u64::MAX => io::copy(source, sink)?,
            Self::IoCopy => io::copy(&mut source.take(limit), sink)?,
            Self::Loop(length) => by_loop(source, sink, limit, length)?,
            Self::Sendfile => repeat(limit, |most| sendfile(&sink, &source, None, most))?,
            Self::SpliceIntoPipe => {
                repeat(limit, |most| splice(&source, None, &sink, None, most, SpliceFFlags::empty()))?
            }
            Self::SpliceThroughPipe => through_pipe(source, sink, limit)?,
            Self::Zcio(mechanism) => {
                let mut transfer = Transfer::new(Endpoint::new(source.as_fd())?, Endpoint::new(sink.as_fd())?);
                if limit != u64::MAX {
                    transfer = transfer.count(limit);
                }
                if let Some(mechanism) = mechanism {
                    transfer = transfer.mechanism(mechanism);
                }
                let report = transfer.run()?;
                return Ok((report.bytes, Some(report.mechanism.name())));
            }
        };
        Ok((bytes, None))
    }
}

fn by_loop(source: &mut impl Read, sink: &mut impl Write, limit: u64, length: usize) -> Result<u64> {
    let mut buffer = vec![0; length];
    let mut moved = 0;
    while moved < limit {
        let most = (limit - moved).min(length as u64) as usize;
        match source.read(&mut buffer[..most]) {
            Ok(0) => break,
            Ok(count) => {
                sink.write_all(&buffer[..count])?;
                moved += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(moved)
}

/// Calls until the limit or the end is reached.
fn repeat(limit: u64, mut call: impl FnMut(usize) -> nix::Result<usize>) -> Result<u64> {
    let mut moved = 0;
    while moved < limit {
        match call((limit - moved).min(MOST as u64) as usize) {
            Ok(0) => break,
            Ok(count) => moved += count as u64,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(moved)
}

fn through_pipe(source: &impl AsFd, sink: &impl AsFd, limit: u64) -> Result<u64> {
    let (read, write): (PipeReader, PipeWriter) = io::pipe()?;
    fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE as i32))?;
    repeat(limit, |most| {
        let held = splice(source, None, &write, None, most.min(PIPE), SpliceFFlags::empty())?;
        let mut left = held;
        while left > 0 {
            left -= splice(&read, None, sink, None, left, SpliceFFlags::empty())?;
        }
        Ok(held)
    })
}

/// A file that is made or emptied, for what needs its descriptor.
pub fn create(path: &str) -> Result<File> {
    Ok(File::create(path)?)
}
