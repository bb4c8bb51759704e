//! `zcio recv`: what comes from a socket, or in on standard input, into a file or to standard output.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};

use super::failure::Failure;
use super::interruption::{self, interrupted};
use super::moving::{self, Move, Options};
use super::network::{self, Address};
use super::progress::Progress;
use crate::{Endpoint, Kind, Side, Transfer};

/// Receive what a socket gives, up to its end, into a file or to standard output.
///
/// The file is made, or emptied, when the first byte is there, and keeps what has arrived if the connection breaks or Ctrl-C
/// comes. On the wire nothing says how long it is: an orderly end counts as the whole unless --count says how much that is.
///
/// Who connects and ends without a byte, as a port scan does, changes no file: that is a failure, unless --count 0 says that
/// nothing is what is to come.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// HOST:PORT, unix:PATH, or `-` for standard input.
    #[arg(value_name = "SOURCE", value_parser = OsStringValueParser::new().try_map(address))]
    source: Address,
    /// The file; `-` for standard output.
    file: PathBuf,
    /// Return only when the bytes are on their disk.
    #[arg(long)]
    fsync: bool,
    #[command(flatten)]
    options: Options,
}

fn address(text: OsString) -> Result<Address, String> {
    Address::parse(text)
}

impl Arguments {
    /// Whether standard output carries the bytes.
    pub fn occupies_output(&self) -> bool {
        moving::is_standard(&self.file)
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let Arguments { source: address, file, fsync, options } = arguments;
    // First of all: a file that cannot be written is known before anybody has sent anything. Only what can be opened but once (a
    // FIFO) is kept: until the first byte comes the name may get another file.
    let sink = Some(moving::sink(file)?).filter(|sink| moving::is_standard(file) || sink.facts().kind != Kind::File);
    let progress = Progress::new("receiving", options.count);
    let socket: Option<(OwnedFd, String)> = match address {
        Address::Standard => None,
        _ => Some(moving::meet(address, options, &progress)?),
    };
    let source = match &socket {
        Some((socket, _)) => Endpoint::new(socket.as_fd()).map_err(crate::Error::whole)?,
        None => moving::source("-".as_ref())?,
    };
    let name = socket.as_ref().map_or("-", |(_, name)| name).to_owned();
    if sink.is_none() && options.count != Some(0) {
        wait_for_a_byte(&source, &name).inspect_err(|_| progress.clear())?;
    }
    let sink = sink.map_or_else(|| moving::sink(file), Ok)?;
    let is_file = sink.facts().kind == Kind::File;
    let mut receiving = Move::new(Transfer::new(source, sink), options, name, moving::shown(file));
    let report =
        receiving.run(&progress).map_err(|error| if is_file { receiving.keep_what_arrived(error) } else { error })?;
    if *fsync && is_file {
        progress.says("writing to the disk".to_owned());
        nix::unistd::fsync(receiving.transfer.descriptor(Side::Sink)).map_err(|errno| {
            progress.clear();
            Failure::os("fsync", &moving::shown(file), &errno.into()).after(report.bytes)
        })?;
    }
    if let Some((socket, _)) = &socket {
        network::end_in_order(socket.as_fd());
    }
    progress.done(report.bytes, report.elapsed, &format!("received by {}", report.mechanism));
    receiving.tell(&report, json, out)?;
    Ok(super::DONE)
}

/// Waits until a stream has its first byte; an error if it ends without.
fn wait_for_a_byte(source: &Endpoint<'_>, name: &str) -> io::Result<()> {
    let kind = source.facts().kind;
    let Some(fd) = source.descriptor().filter(|_| kind.is_stream()) else { return Ok(()) };
    loop {
        if interruption::pending().is_some() {
            return Err(interrupted("recv"));
        }
        let mut polled = [PollFd::new(fd, PollFlags::POLLIN)];
        // Whatever it answers, the next look says more.
        let _ = poll(&mut polled, PollTimeout::from(100u8));
        let found = polled[0].revents().unwrap_or(PollFlags::empty());
        let first = if kind.is_socket() {
            recv(fd.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)
        } else if found.contains(PollFlags::POLLIN) {
            Ok(1)
        } else if found.is_empty() {
            Err(Errno::EAGAIN)
        } else {
            // No writer is left.
            Ok(0)
        };
        match first {
            Ok(1..) => return Ok(()),
            Ok(0) => {
                let failure = Failure::new("recv", "the sender ended without a byte");
                return Err(failure.hint("the file is as it was; --count 0 expects nothing").into());
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(Failure::os("recv", name, &errno.into()).into()),
        }
    }
}
