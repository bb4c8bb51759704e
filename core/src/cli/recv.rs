//! `zcio recv`: what comes from a socket, or in on standard input, into a file or to standard output.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, recv};

use super::failure::Failure;
use super::frames::{self, Frames};
use super::moving::{self, Far, Move, Options};
use super::network::{self, Address};
use super::progress::Progress;
use super::target::Target;
use super::watchdog::Watchdog;

/// Receive what `zcio send` sends, into a file or to standard output.
///
/// The file is written aside and gets its name when everything has come. What was there before stays until then, and stays for
/// good if the sender is killed, the connection breaks or Ctrl-C comes. A port scan changes nothing either, but ends the command.
///
/// With --raw the sender may be another program, and the end of its connection counts as the end of the bytes, unless --count
/// says how many there are. One who ends without a byte changes no file: that is a failure, unless --count 0 says that nothing
/// is to come.
///
/// The connection is not encrypted: who is on the way can read and change the bytes. Without a host, --listen takes connections
/// of this machine alone; *:PORT takes them from everywhere.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// HOST:PORT, unix:PATH, or `-` for standard input.
    #[arg(value_name = "SOURCE", value_parser = OsStringValueParser::new().try_map(Address::source))]
    source: Address,
    /// The file; `-` for standard output.
    file: PathBuf,
    /// Return only when the bytes are on their disk.
    #[arg(long)]
    fsync: bool,
    #[command(flatten)]
    options: Options,
}

impl Arguments {
    /// Whether standard output carries the bytes.
    pub fn occupies_output(&self) -> bool {
        network::is_output(&self.file)
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let progress = Progress::new("receiving", arguments.options.count);
    let received = receive(arguments, &progress, json, out);
    received.inspect_err(|_| progress.clear()).map(|()| super::DONE)
}

fn receive(arguments: &Arguments, progress: &Progress, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let Arguments { source: address, file, fsync, options } = arguments;
    let watchdog = Watchdog::new(progress, options.timeout);
    let target = Target::open(file, *fsync, &watchdog)?;
    let far = Far::meet(address, || moving::source("-".as_ref(), &watchdog), options, &watchdog)?;
    let mut receiving = Move::new(options, &watchdog, far.name.clone(), moving::shown(file));
    let frames = if options.frames(&far) { Some(Frames::from(far.fd(), far.is_socket(), &watchdog)?) } else { None };
    progress.says("receiving".to_owned());
    if let Some(frames) = &frames {
        pieces(frames, &far, &target, options.count, &mut receiving)?;
    } else {
        if target.is_file() && options.count != Some(0) {
            wait_for_a_byte(&far, &watchdog)?;
        }
        let moved = receiving.piece(far.end(), target.end()?, None, options.count)?;
        if let Some(count) = options.count.filter(|&count| moved < count) {
            return Err(receiving.short(count));
        }
    }
    if *fsync {
        progress.says("writing to the disk".to_owned());
    }
    target.complete(*fsync)?;
    if let Some(frames) = &frames {
        frames.confirm()?;
    }
    far.finish(false, &watchdog)?;
    receiving.tell("received", json, out)
}

/// Takes piece after piece until the sender says that there are no more.
fn pieces(
    frames: &Frames<'_>,
    far: &Far,
    target: &Target<'_>,
    count: Option<u64>,
    receiving: &mut Move<'_>,
) -> io::Result<()> {
    loop {
        let length = frames.next().map_err(|error| after(error, receiving.moved()))?;
        let sum = receiving.moved().checked_add(length);
        if sum.is_none_or(|sum| count.is_some_and(|count| sum > count)) {
            let more = Failure::new("recv", format!("the sender has more than {} bytes", count.unwrap_or(u64::MAX)));
            return Err(more.after(receiving.moved()).into());
        }
        if length == 0 && receiving.moved() > 0 {
            break;
        }
        if receiving.piece(far.end(), target.end()?, None, Some(length))? < length {
            return Err(frames::part().after(receiving.moved()).into());
        }
        if length == 0 {
            break;
        }
    }
    match count {
        Some(count) if receiving.moved() < count => Err(receiving.short(count)),
        _ => Ok(()),
    }
}

fn after(error: io::Error, moved: u64) -> io::Error {
    Failure::of(error).after(moved).into()
}

/// Waits until a stream has its first byte; an error if it ends without.
fn wait_for_a_byte(far: &Far, watchdog: &Watchdog<'_>) -> io::Result<()> {
    let kind = far.end().facts().kind;
    if !kind.is_stream() {
        return Ok(());
    }
    loop {
        let found = watchdog.wait("recv", far.fd(), PollFlags::POLLIN)?;
        let first = if kind.is_socket() {
            recv(far.fd().as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)
        } else {
            // Without POLLIN no writer is left.
            Ok(usize::from(found.contains(PollFlags::POLLIN)))
        };
        match first {
            Ok(1..) => return Ok(()),
            Ok(0) => {
                let failure = Failure::new("recv", "the sender ended without a byte");
                return Err(failure.hint("the file is as it was; --count 0 expects nothing").into());
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(Failure::os("recv", &far.name, &errno.into()).into()),
        }
    }
}
