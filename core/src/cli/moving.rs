//! What `send` and `recv` share: one transfer with its progress, and the ends it can have.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::documents::{self, TransferDocument};
use super::failure::{self, Failure};
use super::interruption::wait_for;
use super::network::{self, Address, Listener};
use super::progress::{Progress, remark};
use crate::{Endpoint, Kind, Mechanism, Report, Side, Transfer};

/// How it is to be done, the same for both directions.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Wait there for one connection instead of making it.
    #[arg(long)]
    pub listen: bool,
    /// Exactly this many bytes; a source that ends before is an error.
    #[arg(long, value_name = "BYTES")]
    pub count: Option<u64>,
    /// Use this mechanism and no other.
    #[arg(long, value_name = "NAME", value_parser = mechanisms())]
    pub mechanism: Option<Mechanism>,
}

fn mechanisms() -> impl clap::builder::TypedValueParser<Value = Mechanism> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    let names = Mechanism::ALL.iter().map(|mechanism| mechanism.name());
    PossibleValuesParser::new(names).map(|name| name.parse().expect("one of the names"))
}

/// `-`, which is what standard input and output are called on the command line.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

/// A file or standard input to read from. Opening a FIFO waits for its writer.
pub(super) fn source(path: &Path) -> io::Result<Endpoint<'static>> {
    if is_standard(path) {
        return owning(io::stdin().as_fd());
    }
    let path = path.to_path_buf();
    wait_for("open", move || Endpoint::open(path).map_err(crate::Error::whole))
}

/// A file or standard output to write to; emptied when the first byte is about to come.
pub(super) fn sink(path: &Path) -> io::Result<Endpoint<'static>> {
    if is_standard(path) {
        return owning(io::stdout().as_fd());
    }
    let path = path.to_path_buf();
    wait_for("open", move || Endpoint::create(path).map_err(crate::Error::whole))
}

fn owning(fd: BorrowedFd<'_>) -> io::Result<Endpoint<'static>> {
    Endpoint::owning(fd.try_clone_to_owned()?).map_err(crate::Error::whole)
}

/// A connection to or from that address, and the name of who is there.
pub(super) fn meet(address: &Address, options: &Options, progress: &Progress) -> io::Result<(OwnedFd, String)> {
    if !options.listen {
        return network::connect(address).map(|socket| (socket, address.to_string()));
    }
    let listener = Listener::bind(address)?;
    if progress.is_seen() || address.leaves_choice() {
        remark(&format!("listening on {}", listener.address()));
    }
    listener.accept(|| {})
}

/// A transfer as the command line describes it, with the names of its ends.
pub(super) struct Move<'a> {
    pub transfer: Transfer<'a>,
    source: String,
    sink: String,
}

impl<'a> Move<'a> {
    pub fn new(mut transfer: Transfer<'a>, options: &Options, source: String, sink: String) -> Self {
        if let Some(count) = options.count {
            transfer = transfer.count(count);
        }
        if let Some(mechanism) = options.mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        Self { transfer, source, sink }
    }

    /// Runs it. A count that was not reached is an error.
    pub fn run(&mut self, progress: &Progress) -> io::Result<Report> {
        let outcome = self.transfer.run_watched(|bytes| progress.watch(bytes)).map_err(|error| {
            // Whoever read the output is gone, as when it was a document.
            let about_output = self.sink == "-" && error.errno() == Some(libc::EPIPE);
            if about_output { failure::about_output(Errno::EPIPE.into()) } else { error.whole() }
        });
        let outcome = outcome.and_then(|report| match report.requested {
            Some(requested) if report.is_short() => {
                let reason = format!("the source ended before {requested} bytes");
                Err(Failure::new("transfer", reason).after(report.bytes).into())
            }
            _ => Ok(report),
        });
        outcome.inspect_err(|_| progress.clear())
    }

    /// Writes what was taken from the source and not delivered yet, so that a file keeps all that has arrived; gives back
    /// the failure that led here, with those bytes counted.
    pub fn keep_what_arrived(&mut self, error: io::Error) -> io::Error {
        let Ok(rest) = self.transfer.take_undelivered() else { return error };
        let sink = self.transfer.descriptor(Side::Sink);
        let mut kept = 0;
        while kept < rest.len() {
            match nix::unistd::write(sink, &rest[kept..]) {
                Ok(count @ 1..) => kept += count,
                Err(Errno::EINTR) => {}
                // The disk is full, most likely, and that is told already.
                Ok(0) | Err(_) => break,
            }
        }
        Failure::of(error).with_more(kept as u64).into()
    }

    /// Says what was done.
    pub fn tell(self, report: &Report, json: bool, out: &mut dyn Write) -> io::Result<()> {
        if json { documents::write(out, &TransferDocument::new(self.source, self.sink, report)) } else { Ok(()) }
    }
}

/// The bytes that a source will give, if it says so.
pub(super) fn expected(source: &Endpoint<'_>, path: &Path, offset: Option<u64>, count: Option<u64>) -> Option<u64> {
    let facts = source.facts();
    let size = (facts.kind == Kind::File && !is_standard(path) && facts.size > 0).then_some(facts.size);
    let rest = size.map(|size| size.saturating_sub(offset.unwrap_or(0)));
    match (rest, count) {
        (Some(rest), Some(count)) => Some(rest.min(count)),
        (rest, count) => rest.or(count),
    }
}

/// A path as documents write it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
