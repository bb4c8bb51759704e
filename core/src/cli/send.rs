//! `zcio send`: a file, or what comes in on standard input, to a socket or to standard output.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::stat::fstat;
use nix::unistd::{Whence, lseek};

use super::failure::Failure;
use super::frames::Frames;
use super::moving::{self, Far, Move, Options};
use super::network::{self, Address};
use super::progress::Progress;
use super::watchdog::Watchdog;
use crate::sys::unsent::unread;
use crate::{Endpoint, Kind, Visibility};

/// Send a file to `zcio recv`, or to standard output.
///
/// Done means that the receiver has every byte where it belongs. With --raw the receiver may be another program; done means then
/// that its kernel has acknowledged every byte (TCP), or that it has read it (unix). After an error, Ctrl-C or the end of the
/// process the receiver does not take the part for the whole (with --raw: over TCP, where the connection is reset).
///
/// The connection is not encrypted: who is on the way can read and change the bytes. Without a host, --listen takes connections
/// of this machine alone; *:PORT takes them from everywhere.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// HOST:PORT, unix:PATH, or `-` for standard output.
    #[arg(value_name = "TARGET", value_parser = OsStringValueParser::new().try_map(Address::target))]
    target: Address,
    /// Begin at this byte of the file.
    #[arg(long, value_name = "BYTE")]
    offset: Option<u64>,
    /// Changes to the file after the end of the command must not show in bytes that are still on their way.
    #[arg(long)]
    snapshot: bool,
    #[command(flatten)]
    options: Options,
}

impl Arguments {
    /// Whether standard output carries the bytes.
    pub fn occupies_output(&self) -> bool {
        self.target == Address::Standard
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let waiting = Progress::new("opening", None);
    let source = moving::source(&arguments.file, &Watchdog::new(&waiting, arguments.options.timeout))?;
    let progress = Progress::new("sending", expected(&source, arguments));
    let sent = send(arguments, &source, &progress, json, out);
    sent.inspect_err(|_| progress.clear()).map(|()| super::DONE)
}

fn send(
    arguments: &Arguments,
    source: &Endpoint<'_>,
    progress: &Progress,
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Arguments { file, target, offset, snapshot, options } = arguments;
    let watchdog = Watchdog::new(progress, options.timeout);
    let far = Far::meet(target, || moving::sink("-".as_ref(), &watchdog), options, &watchdog)?;
    let visibility = if *snapshot { Visibility::Snapshot } else { Visibility::Aliased };
    let mut sending = Move::new(options, &watchdog, moving::shown(file), far.name.clone()).visibility(visibility);
    let raw = !options.frames(&far);
    if raw {
        let moved = sending.piece(source.borrow(), far.end(), *offset, options.count)?;
        if let Some(count) = options.count.filter(|&count| moved < count) {
            return Err(sending.short(count));
        }
        progress.says("waiting for the receiver".to_owned());
    } else {
        let frames = Frames::to(far.fd(), far.is_socket(), &watchdog)?;
        progress.says("sending".to_owned());
        pieces(&frames, source, *offset, &far, options.count, &mut sending, &watchdog)?;
        frames.end()?;
    }
    far.finish(raw, &watchdog)?;
    sending.tell("sent", json, out)
}

/// Sends piece after piece until the source ends, or the count is reached.
fn pieces(
    frames: &Frames<'_>,
    source: &Endpoint<'_>,
    offset: Option<u64>,
    far: &Far,
    count: Option<u64>,
    sending: &mut Move<'_>,
    watchdog: &Watchdog<'_>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let at = offset.map(|offset| offset + sending.moved());
        let left = count.map_or(u64::MAX, |count| count - sending.moved());
        let next = if left == 0 { Next::End } else { next(source, at, left, &mut bytes, watchdog)? };
        let (piece, length, at) = match next {
            Next::There(length) => (source.borrow(), length.min(left), at),
            Next::Taken => (Endpoint::bytes(&bytes), bytes.len() as u64, None),
            Next::End => break,
        };
        frames.announce(length)?;
        if sending.piece(piece, far.end(), at, Some(length))? < length {
            let failure = Failure::new("send", format!("the source ended {length} bytes earlier than it had said"));
            return Err(failure.after(sending.moved()).into());
        }
    }
    match count {
        Some(count) if sending.moved() < count => Err(sending.short(count)),
        // Nothing was to be sent: that is a piece, too, with a report.
        _ if sending.moved() == 0 => sending.piece(source.borrow(), far.end(), offset, Some(0)).map(drop),
        _ => Ok(()),
    }
}

/// What a source has next.
enum Next {
    /// So many bytes are there.
    There(u64),
    /// It does not say how many there are: these have been read.
    Taken,
    End,
}

/// What is read at once of a source that does not say how much it has.
const UNKNOWN: u64 = 64 << 10;

fn next(
    source: &Endpoint<'_>,
    offset: Option<u64>,
    left: u64,
    bytes: &mut Vec<u8>,
    watchdog: &Watchdog<'_>,
) -> io::Result<Next> {
    let fd = source.descriptor().expect("a file or stream has a descriptor");
    let failed = |operation: &str, errno: Errno| io::Error::from(Failure::os(operation, "", &errno.into()));
    let kind = source.facts().kind;
    if kind.is_seekable() {
        let at = match offset {
            Some(offset) => offset,
            None => lseek(fd, 0, Whence::SeekCur).map_err(|errno| failed("lseek", errno))? as u64,
        };
        let size = size(source, fd).map_err(|errno| failed("fstat", errno))?;
        if size > at {
            return Ok(Next::There(size - at));
        }
    } else {
        watchdog.wait("read", fd, PollFlags::POLLIN)?;
        // A terminal says how much it has as well, but takes the end of a line for it.
        let there = if kind.is_stream() { unread(fd).map_err(|errno| failed("ioctl", errno))? } else { 0 };
        if there > 0 {
            return Ok(Next::There(there));
        }
    }
    bytes.resize(left.min(UNKNOWN) as usize, 0);
    loop {
        let read = match offset {
            Some(offset) => nix::sys::uio::pread(fd, bytes, offset as i64),
            None => nix::unistd::read(fd, bytes),
        };
        match read {
            Ok(0) => return Ok(Next::End),
            Ok(count) => {
                bytes.truncate(count);
                return Ok(Next::Taken);
            }
            Err(Errno::EINTR) => watchdog.check("read")?,
            Err(Errno::EAGAIN) => drop(watchdog.wait("read", fd, PollFlags::POLLIN)?),
            Err(errno) => return Err(failed("read", errno)),
        }
    }
}

/// How long a file is, if it is to be believed: a file of sysfs(5) says 4,096 and gives less. It has no blocks; nor has a file
/// that is one hole, or is kept beside its name, and reading one that is small costs nothing.
fn size(source: &Endpoint<'_>, fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    if source.facts().kind == Kind::BlockDevice {
        return Ok(source.facts().size);
    }
    let found = fstat(fd)?;
    let size = found.st_size as u64;
    Ok(if found.st_blocks == 0 && size <= UNKNOWN { 0 } else { size })
}

/// The bytes that a source will give, if it says so.
fn expected(source: &Endpoint<'_>, arguments: &Arguments) -> Option<u64> {
    let facts = source.facts();
    let size =
        (facts.kind == Kind::File && !network::is_input(&arguments.file) && facts.size > 0).then_some(facts.size);
    let rest = size.map(|size| size.saturating_sub(arguments.offset.unwrap_or(0)));
    match (rest, arguments.options.count) {
        (Some(rest), Some(count)) => Some(rest.min(count)),
        (rest, count) => rest.or(count),
    }
}
