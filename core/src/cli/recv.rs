//! `zcio recv`: what comes from a socket, or in on standard input, into a file or to standard output.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use super::failure::Failure;
use super::moving::{self, Move, Options};
use super::network::Address;
use super::progress::Progress;
use crate::{Endpoint, Kind, Side, Transfer};

/// Receive what a socket gives, up to its end, into a file or to standard output.
///
/// The file is emptied when the sender is there, and keeps what has arrived if the connection breaks or Ctrl-C comes. On
/// the wire nothing says how long it is: an orderly end counts as the whole unless --count says how much that is.
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
    // First of all: a file that cannot be written is known before anybody has sent anything.
    let sink = moving::sink(file)?;
    let progress = Progress::new("receiving", options.count);
    let socket: Option<(OwnedFd, String)> = match address {
        Address::Standard => None,
        _ => Some(moving::meet(address, options, &progress)?),
    };
    let source = match &socket {
        Some((socket, _)) => Endpoint::new(socket.as_fd()).map_err(crate::Error::whole)?,
        None => moving::source("-".as_ref())?,
    };
    let is_file = sink.facts().kind == Kind::File;
    let name = socket.as_ref().map_or("-", |(_, name)| name).to_owned();
    let descriptor = socket.as_ref().map(|(socket, _)| socket.as_fd());
    let mut receiving = Move::new(Transfer::new(source, sink), options, name, moving::shown(file), descriptor);
    let report =
        receiving.run(&progress).map_err(|error| if is_file { receiving.keep_what_arrived(error) } else { error })?;
    if *fsync && is_file {
        progress.says("writing to the disk".to_owned());
        nix::unistd::fsync(receiving.transfer.descriptor(Side::Sink)).map_err(|errno| {
            progress.clear();
            Failure::os("fsync", &moving::shown(file), &errno.into()).after(report.bytes)
        })?;
    }
    progress.done(report.bytes, report.elapsed, &format!("received by {}", report.mechanism));
    receiving.tell(&report, json, out)?;
    Ok(super::DONE)
}
