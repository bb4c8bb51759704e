//! One random transfer, made from a seed alone, and what must have become of its bytes.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::OnceLock;

use fastrand::Rng;
use zcio::{Error, ErrorKind, Mechanism, Side, Step, Transfer, Visibility};
use zcio_tests::{nonblocking, pattern};

use super::ends::{Drainer, Feeder, Kind, Near, Sink, Source};
use super::faults::{Rates, Tally, hook};

/// How a transfer is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drive {
    /// Step by step, the peers played by the test.
    Steps,
    /// `run`, the peers played by threads.
    Run,
    /// `run_watched` with a watcher that stops it now and then.
    Watched,
}

/// What is done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnError {
    GoOn,
    GiveUp,
}

#[derive(Clone, Debug)]
pub struct Case {
    seed: u64,
    source: Kind,
    sink: Kind,
    length: usize,
    /// Where the source starts, and whether that is said (true) or its position (false).
    from: (u64, bool),
    to: (u64, bool),
    /// How much the sink holds before, a file or memory.
    before: usize,
    append: bool,
    count: Option<u64>,
    mechanism: Option<Mechanism>,
    visibility: Visibility,
    drive: Drive,
    nonblocking: (bool, bool),
    on_error: OnError,
    rates: Rates,
}

/// The longest transfer, in bytes: longer than any buffer, pipe or window of the engine.
pub const MOST: usize = 3 << 20;

impl Case {
    /// `most` bounds the length in bytes; `threads` allows peers that are threads.
    pub fn random(seed: u64, most: usize, threads: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let source = rng.choice(Kind::SOURCES).unwrap();
        let sink = rng.choice(Kind::SINKS).unwrap();
        // Small ones are as interesting as large ones, and those around a page more than most.
        let length = match rng.u8(..6) {
            0 => rng.usize(..20),
            1 => rng.usize(4090..4103),
            2 => rng.usize(..=most),
            _ => rng.usize(..=most / 8),
        };
        // There is no empty buffer to freeze.
        let length = if source == Kind::Pages { length.max(1) } else { length };
        let has_offsets = source.is_file() || source.is_memory();
        let from = if has_offsets && rng.bool() { (rng.u64(..length as u64 + 10), rng.bool()) } else { (0, false) };
        // Memory has no position of its own.
        let from = (from.0, from.1 || (source.is_memory() && from.0 > 0));
        let append = sink.is_file() && rng.u8(..8) == 0;
        let before = match sink {
            _ if sink.is_file() => rng.usize(..9000),
            _ if sink.is_memory() => rng.usize(..length * 5 / 4 + 20),
            _ => 0,
        };
        let to = match sink {
            _ if sink.is_file() && !append && rng.bool() => (rng.u64(..9000), rng.bool()),
            _ if sink.is_memory() && rng.bool() => (rng.u64(..=before as u64), true),
            _ => (0, false),
        };
        let drive = match rng.u8(..4) {
            0 if threads => Drive::Run,
            1 if threads => Drive::Watched,
            _ => Drive::Steps,
        };
        Self {
            seed,
            source,
            sink,
            length,
            from,
            to,
            before,
            append,
            count: rng.bool().then(|| rng.u64(..length as u64 * 5 / 4 + 2)),
            mechanism: if rng.u8(..3) > 0 { rng.choice(Mechanism::ALL).copied() } else { None },
            visibility: if rng.u8(..4) == 0 { Visibility::Snapshot } else { Visibility::Aliased },
            drive,
            nonblocking: if drive == Drive::Steps { (true, true) } else { (rng.bool(), rng.bool()) },
            on_error: if rng.bool() { OnError::GoOn } else { OnError::GiveUp },
            rates: Rates::random(&mut rng),
        }
    }

    fn is_stream(&self) -> bool {
        !self.source.is_file() && !self.source.is_memory()
    }

    /// Runs it and checks every byte. Panics with the case if one is not where it belongs.
    pub fn check(&self, tally: &Rc<Tally>) {
        let bytes = &bytes()[..self.length];
        let threads = self.drive != Drive::Steps;
        let mut source = Source::new(self.source, bytes, threads);
        // A file's content before is unlike any pattern that could be moved over it.
        let mut sink = Sink::new(self.sink, &vec![0xee; self.before], self.append, threads);
        self.place(&source, &sink);
        let played = self.play(&mut source, &mut sink, tally);
        let moved = played.moved as usize;
        let available = &bytes[bytes.len().min(self.from.0 as usize)..];
        let wanted = self.count.map_or(available.len(), |count| available.len().min(count as usize));
        let wanted = if self.sink.is_memory() { wanted.min(self.before - self.to.0 as usize) } else { wanted };
        if played.error.is_none() {
            assert_eq!(moved, wanted, "{self:?}: finished with another count");
        }
        assert!(moved <= wanted, "{self:?}: {moved} bytes moved of {wanted}");
        self.check_positions(&source, &sink, played.moved);
        assert!(sink.received() == self.expected(&available[..moved]), "{self:?}: other bytes after {moved}");
        if self.is_stream() {
            let rest = source.rest();
            let whole = [&bytes[..moved], &played.undelivered, &rest].concat();
            assert!(whole == bytes, "{self:?}: {moved} + {} + {} bytes", played.undelivered.len(), rest.len());
        } else {
            assert!(played.undelivered.is_empty(), "{self:?}: a source with offsets keeps its bytes");
        }
    }

    /// Positions are set where no offset is given, and to 1 where one is: they must stay there.
    fn place(&self, source: &Source, sink: &Sink) {
        let seek = |mut file: &File, (start, given): (u64, bool)| {
            file.seek(SeekFrom::Start(if given { 1 } else { start })).unwrap();
        };
        match source.near.file() {
            Some(file) if self.source.is_file() => seek(file, self.from),
            Some(stream) if self.nonblocking.0 => nonblocking(stream),
            _ => {}
        }
        match sink.near.file() {
            Some(file) if self.sink.is_file() => seek(file, self.to),
            Some(stream) if self.nonblocking.1 => nonblocking(stream),
            _ => {}
        }
    }

    fn check_positions(&self, source: &Source, sink: &Sink, moved: u64) {
        let expected = |(start, given)| if given { 1 } else { start + moved };
        if let (true, Some(mut file)) = (self.source.is_file(), source.near.file()) {
            assert_eq!(file.stream_position().unwrap(), expected(self.from), "{self:?}: the source's position");
        }
        if let (true, Some(mut file)) = (self.sink.is_file() && !self.append, sink.near.file()) {
            assert_eq!(file.stream_position().unwrap(), expected(self.to), "{self:?}: the sink's position");
        }
    }

    /// What must have arrived, or be in the sink file, when these bytes have been moved.
    fn expected(&self, moved: &[u8]) -> Vec<u8> {
        let mut expected = vec![0xee; self.before];
        let start = if self.append { self.before } else { self.to.0 as usize };
        if !moved.is_empty() {
            expected.resize(expected.len().max(start + moved.len()), 0);
            expected[start..start + moved.len()].copy_from_slice(moved);
        }
        expected
    }

    fn play(&self, source: &mut Source, sink: &mut Sink, tally: &Rc<Tally>) -> Played {
        let from = source.near.file().map_or(-1, AsRawFd::as_raw_fd);
        let to = sink.near.file().map_or(-1, AsRawFd::as_raw_fd);
        let ends = [(from, self.is_stream()), (to, !self.sink.is_file())];
        let hook = hook(Rng::with_seed(self.seed ^ 0xfa17), self.rates, ends, tally.clone());
        let mut transfer = self.transfer(&source.near, &mut sink.near);
        let mut rng = Rng::with_seed(self.seed ^ 0x5eed);
        zcio::inject::with(hook, || {
            let error = (0..).find_map(|turn: u32| {
                assert!(turn < 10_000_000, "{self:?}: comes to no end");
                match self.turn(&mut transfer, &mut rng, &mut source.feeder, &mut sink.drainer) {
                    Ok(false) => None,
                    Ok(true) => Some(None),
                    Err(error) => {
                        assert_eq!(error.moved(), bytes_moved(&transfer), "{self:?}: {error}");
                        self.gives_up(&error, turn).then_some(Some(error))
                    }
                }
            });
            let (moved, error) = (bytes_moved(&transfer), error.flatten());
            Played { moved, error, undelivered: transfer.take_undelivered().unwrap() }
        })
    }

    fn transfer<'a>(&self, source: &'a Near, sink: &'a mut Near) -> Transfer<'a> {
        let mut transfer = Transfer::new(source.endpoint(), sink.sink());
        transfer = transfer.visibility(self.visibility);
        if self.from.1 {
            transfer = transfer.offset(self.from.0);
        }
        if self.to.1 {
            transfer = transfer.sink_offset(self.to.0);
        }
        if let Some(count) = self.count {
            transfer = transfer.count(count);
        }
        if let Some(mechanism) = self.mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        transfer
    }

    /// One call of the transfer, and what its peers do between two calls. True: it is over.
    fn turn(
        &self,
        transfer: &mut Transfer<'_>,
        rng: &mut Rng,
        feeder: &mut Feeder,
        drainer: &mut Drainer,
    ) -> Result<bool, Error> {
        match self.drive {
            Drive::Run => {
                let report = transfer.run()?;
                assert_eq!(report.bytes, bytes_moved(transfer));
                Ok(true)
            }
            Drive::Watched => {
                let watch = |_| if rng.u8(..10) == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
                transfer.run_watched(watch).map(|_| true)
            }
            Drive::Steps => {
                let before = bytes_moved(transfer);
                let step = transfer.step()?;
                let moved = bytes_moved(transfer) - before;
                match step {
                    Step::Moved(count) => assert_eq!(count, moved, "{self:?}"),
                    Step::Done | Step::Completing => assert_eq!(moved, 0, "{self:?}"),
                    Step::Blocked(Side::Source) => feeder.feed(rng.usize(1..200_000)),
                    Step::Blocked(Side::Sink) => drainer.drain(rng.usize(1..200_000)),
                }
                if step == Step::Completing {
                    drainer.drain(rng.usize(1..200_000));
                }
                Ok(step == Step::Done)
            }
        }
    }

    /// Whether to leave it at this error; panics if there was no reason for it.
    fn gives_up(&self, error: &Error, turn: u32) -> bool {
        let injected = match error.kind() {
            ErrorKind::Cancelled => self.drive == Drive::Watched,
            ErrorKind::StorageFull => self.rates.failed > 0 && error.errno() == Some(libc::ENOSPC),
            ErrorKind::Os => self.rates.failed > 0 && error.errno() == Some(libc::EIO),
            ErrorKind::Refused => self.mechanism.is_some() && self.rates.refused > 0,
            _ => false,
        };
        // A named mechanism may not be for these ends: it says so without any fault, too.
        let by_nature = !injected && self.mechanism.is_some() && self.clean_refusal() == Some(error.kind());
        assert!(injected || by_nature, "{self:?}: {error}");
        // A refusal by nature hides among the injected ones: it would never end.
        let in_vain = error.kind() == ErrorKind::Refused && turn > 1000;
        by_nature || in_vain || self.on_error == OnError::GiveUp
    }

    /// How the named mechanism answers without any fault, if it does not work.
    fn clean_refusal(&self) -> Option<ErrorKind> {
        let reads_on = self.mechanism == Some(Mechanism::ZerocopySend) && self.source == Kind::Bytes;
        if reads_on && self.drive == Drive::Steps {
            return Some(ErrorKind::Impossible);
        }
        let bytes = &bytes()[..self.length];
        let clean = Self { drive: Drive::Run, rates: Rates::NONE, ..self.clone() };
        let source = Source::new(self.source, bytes, true);
        let mut sink = Sink::new(self.sink, &vec![0xee; self.before], self.append, true);
        clean.place(&source, &sink);
        // The hook belongs to this thread.
        let run = || clean.transfer(&source.near, &mut sink.near).run().err().map(|error| error.kind());
        let kind = std::thread::scope(|scope| scope.spawn(run).join().unwrap());
        sink.received();
        source.rest();
        kind.filter(|kind| matches!(kind, ErrorKind::Refused | ErrorKind::Impossible))
    }
}

/// The bytes of every case, from their beginning.
fn bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| pattern(MOST))
}

/// How a case went.
struct Played {
    moved: u64,
    /// The error it was left at; `None`: it came to its end.
    error: Option<Error>,
    undelivered: Vec<u8>,
}

fn bytes_moved(transfer: &Transfer<'_>) -> u64 {
    transfer.report().map_or(0, |report| report.bytes)
}
