//! `zcio send`: a file, or what comes in on standard input, to a socket or to standard output.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use super::moving::{self, Move, Options};
use super::network::{self, Address};
use super::progress::Progress;
use crate::{Endpoint, Transfer, Visibility};

/// Send a file to a socket, or to standard output.
///
/// Done means that the receiver's kernel has acknowledged every byte (TCP), or the receiver has read it (unix). After an
/// error, Ctrl-C or the end of the process a TCP connection is reset, so that the receiver does not take the part for the whole.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// HOST:PORT, unix:PATH, or `-` for standard output.
    #[arg(value_name = "TARGET", value_parser = OsStringValueParser::new().try_map(address))]
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

fn address(text: OsString) -> Result<Address, String> {
    Address::parse(text)
}

impl Arguments {
    /// Whether standard output carries the bytes.
    pub fn occupies_output(&self) -> bool {
        self.target == Address::Standard
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let Arguments { file, target, offset, snapshot, options } = arguments;
    let source = moving::source(file)?;
    let progress = Progress::new("sending", moving::expected(&source, file, *offset, options.count));
    let socket: Option<(OwnedFd, String)> = match target {
        Address::Standard => None,
        _ => Some(moving::meet(target, options, &progress)?),
    };
    let sink = match &socket {
        Some((socket, _)) => Endpoint::new(socket.as_fd()).map_err(crate::Error::whole)?,
        None => moving::sink("-".as_ref())?,
    };
    let mut transfer = Transfer::new(source, sink);
    if *snapshot {
        transfer = transfer.visibility(Visibility::Snapshot);
    }
    if let Some(offset) = offset {
        transfer = transfer.offset(*offset);
    }
    let name = socket.as_ref().map_or("-", |(_, name)| name).to_owned();
    let descriptor = socket.as_ref().map(|(socket, _)| socket.as_fd());
    let mut sending = Move::new(transfer, options, moving::shown(file), name);
    let report = sending.run(&progress)?;
    if let Some(socket) = descriptor {
        progress.says("waiting for the receiver".to_owned());
        network::finish(socket).inspect_err(|_| progress.clear())?;
    }
    progress.done(report.bytes, report.elapsed, &format!("sent by {}", report.mechanism));
    sending.tell(&report, json, out)?;
    Ok(super::DONE)
}
