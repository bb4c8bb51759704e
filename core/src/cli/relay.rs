//! `zcio relay`: whoever connects here is joined with a connection to there, in both directions, by [`Relay`].
//!
//! A thread a connection: each waits in poll(2) nearly all its life and needs little stack. A connection that breaks is
//! reset at both ends, is told of on standard error, and harms no other.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::builder::{OsStringValueParser, TypedValueParser};
use indicatif::DecimalBytes;

use super::documents::{self, ConnectionDocument, RelayDocument};
use super::failure::Failure;
use super::interruption;
use super::network::{self, Address, Listener};
use super::peers::Network;
use super::progress::{Progress, remark};
use crate::{Endpoint, Error, Relay, RelayReport};

/// Join whoever connects to an address with a connection to another, in both directions.
///
/// When one side ends its direction, that is passed on behind everything before it, and the other direction goes on. The command
/// runs until it is stopped; a broken connection is reset at both ends and does not stop it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where to listen: HOST:PORT (port 0: the system chooses) or unix:PATH. Without a host for this machine alone; *:PORT for all.
    #[arg(value_parser = OsStringValueParser::new().try_map(Address::parse))]
    listen: Address,
    /// Where to connect to: HOST:PORT or unix:PATH.
    #[arg(value_parser = OsStringValueParser::new().try_map(Address::parse))]
    target: Address,
    /// End after one connection; its failure is the command's.
    #[arg(long)]
    once: bool,
    /// Take connections from this address or network only (10.0.0.0/8); may be given more than once.
    #[arg(long, value_name = "ADDRESS", value_parser = Network::parse)]
    from: Vec<Network>,
    /// So many connections at once; the next ones wait until one of them ends.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    connections: Option<u64>,
    /// Reset a connection over which nothing has moved for so long.
    #[arg(long, value_name = "SECONDS", value_parser = network::seconds)]
    idle: Option<Duration>,
}

/// What one thread needs: the kernel's own work is not on this stack.
const STACK: usize = 256 << 10;

/// How often to look whether one of the connections that are allowed has ended.
const FULL: Duration = Duration::from_millis(10);

/// How long to leave a connection unanswered when this process has no descriptors left for it.
const NO_ROOM: Duration = Duration::from_millis(100);

/// What all connections add to.
#[derive(Default)]
struct Totals {
    open: AtomicU64,
    failed: AtomicU64,
    forward: AtomicU64,
    backward: AtomicU64,
    last: Mutex<Option<ConnectionDocument>>,
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let listener = Listener::bind(&arguments.listen, &arguments.from)?;
    let progress = Progress::new("listening", None);
    if progress.is_seen() || arguments.listen.leaves_choice() {
        remark(&format!("listening on {}", listener.address()));
    }
    let (totals, began) = (Totals::default(), Instant::now());
    let mut connections = 0;
    let ended = std::thread::scope(|scope| -> io::Result<()> {
        loop {
            while arguments.connections.is_some_and(|most| totals.open.load(Ordering::Relaxed) >= most) {
                interruption::check("accept")?;
                totals.show(&progress);
                std::thread::sleep(FULL);
            }
            let showing = || {
                totals.show(&progress);
                Ok(())
            };
            let (client, peer) = match listener.accept(&arguments.from, showing) {
                Err(error) if has_no_room(&error) => {
                    remark(&Failure::of(error).to_string());
                    std::thread::sleep(NO_ROOM);
                    continue;
                }
                accepted => accepted?,
            };
            connections += 1;
            totals.open.fetch_add(1, Ordering::Relaxed);
            let totals = &totals;
            let name = peer.clone();
            let serve = move || totals.serve(&client, peer, arguments);
            let thread = match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, serve) {
                // As many as the limits allow: this one is refused, the others go on.
                Err(error) if !arguments.once => {
                    totals.lose(&name, &Failure::os("clone", "", &error));
                    continue;
                }
                thread => thread?,
            };
            if arguments.once {
                while !thread.is_finished() {
                    totals.show(&progress);
                    std::thread::sleep(Duration::from_millis(10));
                }
                return thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        }
    });
    progress.clear();
    // Being stopped is how it usually ends, and what it has done is to be told then.
    let code = match (ended, interruption::pending()) {
        (_, Some(signal)) => super::INTERRUPTED + signal as u8,
        (ended, None) => ended.map(|()| super::DONE)?,
    };
    if json {
        documents::write(out, &totals.document(&listener, &arguments.target, connections, began.elapsed()))?;
    }
    Ok(code)
}

impl Totals {
    /// Serves one connection to its end, and tells of its failure if nobody else will.
    fn serve(&self, client: &OwnedFd, peer: String, arguments: &Arguments) -> io::Result<()> {
        let name = peer.clone();
        let served = self.join(client, peer, &arguments.target, arguments.idle);
        match served {
            Err(error) if !arguments.once => {
                self.lose(&name, &Failure::of(error));
                Ok(())
            }
            served => {
                self.open.fetch_sub(1, Ordering::Relaxed);
                self.failed.fetch_add(u64::from(served.is_err()), Ordering::Relaxed);
                served
            }
        }
    }

    /// A connection has failed.
    fn lose(&self, peer: &str, failure: &Failure) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed);
        if interruption::pending().is_none() {
            remark(&format!("{peer}: {failure}"));
        }
    }

    fn join(&self, client: &OwnedFd, peer: String, target: &Address, idle: Option<Duration>) -> io::Result<()> {
        let began = Instant::now();
        let server = network::connect(target, &|| match idle.filter(|&idle| began.elapsed() >= idle) {
            Some(idle) => Err(silent("connect", idle).into()),
            None => interruption::check("connect"),
        })?;
        let mut relay = Relay::new(
            Endpoint::new(client.as_fd()).map_err(crate::Error::whole)?,
            Endpoint::new(server.as_fd()).map_err(crate::Error::whole)?,
        );
        let (mut seen, mut since, mut is_idle) = ((0, 0), Instant::now(), false);
        let outcome = relay.run_watched(|forward, backward| {
            if seen != (forward, backward) {
                since = Instant::now();
            }
            self.count(&mut seen, forward, backward);
            is_idle = idle.is_some_and(|idle| since.elapsed() >= idle);
            if is_idle { ControlFlow::Break(()) } else { interruption::look() }
        });
        let report = relay.report();
        self.count(&mut seen, report.forward.bytes, report.backward.bytes);
        drop(relay);
        let outcome = outcome.map_err(|error| whole(error, &report));
        if outcome.is_ok() {
            network::end_in_order(client.as_fd());
            network::end_in_order(server.as_fd());
        }
        *self.last.lock().expect("nobody panics with it") = Some(ConnectionDocument::new(peer, &report));
        if is_idle {
            let moved = report.forward.bytes + report.backward.bytes;
            return Err(silent("relay", idle.unwrap_or_default()).after(moved).into());
        }
        outcome.map(drop).map_err(crate::Error::whole)
    }

    fn count(&self, seen: &mut (u64, u64), forward: u64, backward: u64) {
        self.forward.fetch_add(forward - seen.0, Ordering::Relaxed);
        self.backward.fetch_add(backward - seen.1, Ordering::Relaxed);
        *seen = (forward, backward);
    }

    fn show(&self, progress: &Progress) {
        let [forward, backward] = [&self.forward, &self.backward].map(|bytes| bytes.load(Ordering::Relaxed));
        if progress.is_seen() {
            let open = self.open.load(Ordering::Relaxed);
            progress.says(format!("{open} open, → {} ← {}", DecimalBytes(forward), DecimalBytes(backward)));
        }
        // Whoever waits for connections sees the signal itself.
        let _ = progress.watch(forward + backward);
    }

    fn document(self, listener: &Listener, target: &Address, connections: u64, elapsed: Duration) -> RelayDocument {
        RelayDocument {
            listening: listener.address(),
            target: target.to_string(),
            connections,
            failed: self.failed.into_inner(),
            forward: self.forward.into_inner(),
            backward: self.backward.into_inner(),
            last: self.last.into_inner().expect("nobody panics with it"),
            elapsed: elapsed.as_secs_f64(),
        }
    }
}

/// The failure of a connection over which nothing has moved for so long.
fn silent(operation: &str, idle: Duration) -> Failure {
    Failure::new(operation, format!("nothing moved for {idle:?}"))
}

/// The failure of a connection, with the bytes of both directions.
fn whole(error: Error, report: &RelayReport) -> Error {
    error.after(report.forward.bytes + report.backward.bytes)
}

/// Whether a connection could not be taken because this process or machine has no descriptor or memory for it just now.
fn has_no_room(error: &io::Error) -> bool {
    let failure = error.get_ref().and_then(|inner| inner.downcast_ref::<Failure>());
    failure.is_some_and(|failure| {
        [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].map(Some).contains(&failure.errno())
    })
}
