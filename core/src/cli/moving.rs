//! What `send` and `recv` share: how the two sides meet, and the pieces that the bytes go in.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::documents::{self, TransferDocument};
use super::failure::{self, Failure};
use super::interruption::wait_while;
use super::network::{self, Address, Listener, is_input, is_output};
use super::peers::Network;
use super::progress::remark;
use super::standard;
use super::watchdog::Watchdog;
use crate::{Endpoint, Mechanism, Report, Transfer, Visibility};

/// How it is to be done, the same for both directions.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Wait there for one connection instead of making it.
    #[arg(long)]
    pub listen: bool,
    /// Take a connection from this address or network only (10.0.0.0/8); may be given more than once.
    #[arg(long, value_name = "ADDRESS", requires = "listen", value_parser = Network::parse)]
    pub from: Vec<Network>,
    /// Exactly this many bytes; a source that ends before is an error.
    #[arg(long, value_name = "BYTES")]
    pub count: Option<u64>,
    /// Use this mechanism and no other.
    #[arg(long, value_name = "NAME", value_parser = mechanisms())]
    pub mechanism: Option<Mechanism>,
    /// Give up when nothing has moved for so long.
    #[arg(long, value_name = "SECONDS", value_parser = network::seconds)]
    pub timeout: Option<Duration>,
    /// Plain bytes, for another program at the other side (nc, curl). Where they end is then the connection's end, and a part may
    /// look like the whole.
    #[arg(long, conflicts_with = "framed")]
    pub raw: bool,
    /// Over standard input or output, speak to a zcio at the other side (behind ssh, say), as over sockets; they carry plain bytes
    /// otherwise.
    #[arg(long)]
    pub framed: bool,
}

impl Options {
    /// Whether the bytes over such a connection are framed.
    pub fn frames(&self, far: &Far) -> bool {
        if far.is_socket() { !self.raw } else { self.framed }
    }
}

fn mechanisms() -> impl clap::builder::TypedValueParser<Value = Mechanism> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    let names = Mechanism::ALL.iter().map(|mechanism| mechanism.name());
    PossibleValuesParser::new(names).map(|name| name.parse().expect("one of the names"))
}

/// A file or standard input to read from. Opening a FIFO waits for its writer.
pub(super) fn source(path: &Path, watchdog: &Watchdog<'_>) -> io::Result<Endpoint<'static>> {
    if is_input(path) {
        standard::must_be_open(libc::STDIN_FILENO, "standard input")?;
        return owning(io::stdin().as_fd());
    }
    let path = path.to_path_buf();
    wait_while("open", &|| watchdog.check("open"), move || Endpoint::open(path).map_err(crate::Error::whole))
}

/// Standard output, or what is no regular file, to write to. Opening a FIFO waits for its reader.
pub(super) fn sink(path: &Path, watchdog: &Watchdog<'_>) -> io::Result<Endpoint<'static>> {
    if is_output(path) {
        standard::must_be_open(libc::STDOUT_FILENO, "standard output")?;
        return owning(io::stdout().as_fd());
    }
    let path = path.to_path_buf();
    wait_while("open", &|| watchdog.check("open"), move || Endpoint::create(path).map_err(crate::Error::whole))
}

fn owning(fd: BorrowedFd<'_>) -> io::Result<Endpoint<'static>> {
    Endpoint::owning(fd.try_clone_to_owned()?).map_err(crate::Error::whole)
}

/// The far side: a connection, or a standard stream.
pub(super) struct Far {
    socket: Option<OwnedFd>,
    stream: Endpoint<'static>,
    /// Who is there.
    pub name: String,
}

impl Far {
    /// A connection to or from that address. `standard` is the stream that `-` stands for.
    pub fn meet(
        address: &Address,
        standard: impl FnOnce() -> io::Result<Endpoint<'static>>,
        options: &Options,
        watchdog: &Watchdog<'_>,
    ) -> io::Result<Self> {
        if *address == Address::Standard {
            return Ok(Self { socket: None, stream: standard()?, name: "-".to_owned() });
        }
        let (socket, name) = if options.listen {
            let listener = Listener::bind(address, &options.from)?;
            if watchdog.progress.is_seen() || address.leaves_choice() {
                remark(&format!("listening on {}", listener.address()));
            }
            listener.accept(&options.from, || watchdog.check("accept"))?
        } else {
            (network::connect(address, &|| watchdog.check("connect"))?, address.to_string())
        };
        if watchdog.progress.is_seen() && network::is_remote(socket.as_fd()) {
            remark("the connection is not encrypted: who is on the way can read and change the bytes");
        }
        watchdog.restart();
        let stream = owning(socket.as_fd())?;
        Ok(Self { socket: Some(socket), stream, name })
    }

    pub fn is_socket(&self) -> bool {
        self.socket.is_some()
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.descriptor().expect("a stream has a descriptor")
    }

    /// The stream as an end.
    pub fn end(&self) -> Endpoint<'_> {
        self.stream.borrow()
    }

    /// All has gone well. Of plain bytes, the peer's kernel (TCP) or the peer (unix) has them all when this returns.
    pub fn finish(self, sent_raw: bool, watchdog: &Watchdog<'_>) -> io::Result<()> {
        match &self.socket {
            Some(socket) if sent_raw => network::finish(socket.as_fd(), watchdog),
            Some(socket) => {
                network::end_in_order(socket.as_fd());
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// All the pieces of one run of the command.
pub(super) struct Move<'a> {
    options: &'a Options,
    watchdog: &'a Watchdog<'a>,
    visibility: Visibility,
    source: String,
    sink: String,
    began: Instant,
    total: Option<Report>,
}

impl<'a> Move<'a> {
    /// With the names of its ends.
    pub fn new(options: &'a Options, watchdog: &'a Watchdog<'a>, source: String, sink: String) -> Self {
        let (visibility, began) = (Visibility::default(), Instant::now());
        Self { options, watchdog, visibility, source, sink, began, total: None }
    }

    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Bytes delivered so far.
    pub fn moved(&self) -> u64 {
        self.total.as_ref().map_or(0, |report| report.bytes)
    }

    /// Moves one piece; gives back its length, which may be less than the count.
    pub fn piece(
        &mut self,
        source: Endpoint<'_>,
        sink: Endpoint<'_>,
        offset: Option<u64>,
        count: Option<u64>,
    ) -> io::Result<u64> {
        let before = self.moved();
        let mut transfer = Transfer::new(source, sink).visibility(self.visibility);
        if let Some(offset) = offset {
            transfer = transfer.offset(offset);
        }
        if let Some(count) = count {
            transfer = transfer.count(count);
        }
        if let Some(mechanism) = self.options.mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        let report = transfer.run_watched(|bytes| self.watchdog.look(before + bytes)).map_err(|error| {
            // Whoever read the output is gone, as when it was a document.
            if self.sink == "-" && error.errno() == Some(libc::EPIPE) {
                failure::about_output(Errno::EPIPE.into())
            } else if self.watchdog.is_over() {
                self.watchdog.timed_out("transfer").into()
            } else {
                Failure::of(error.whole()).with_more(before).into()
            }
        })?;
        let moved = report.bytes;
        match &mut self.total {
            None => self.total = Some(report),
            Some(total) => total.add(report),
        }
        Ok(moved)
    }

    /// A count that was not reached.
    pub fn short(&self, requested: u64) -> io::Error {
        Failure::new("transfer", format!("the source ended before {requested} bytes")).after(self.moved()).into()
    }

    /// Says what was done.
    pub fn tell(self, done: &str, json: bool, out: &mut dyn Write) -> io::Result<()> {
        let Some(mut report) = self.total else { unreachable!("an end without a byte is a piece without one") };
        (report.elapsed, report.requested) = (self.began.elapsed(), self.options.count);
        self.watchdog.progress.done(report.bytes, report.elapsed, &format!("{done} by {}", report.mechanism));
        if json { documents::write(out, &TransferDocument::new(self.source, self.sink, &report)) } else { Ok(()) }
    }
}

impl Report {
    /// Counts another transfer between the same ends.
    fn add(&mut self, piece: Self) {
        self.bytes += piece.bytes;
        self.system_calls += piece.system_calls;
        self.waits += piece.waits;
        for attempt in piece.attempts {
            if !self.attempts.iter().any(|noted| noted.mechanism == attempt.mechanism) {
                self.attempts.push(attempt);
            }
        }
        (self.mechanism, self.copies) = (piece.mechanism, piece.copies);
    }
}

/// A path as documents write it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
