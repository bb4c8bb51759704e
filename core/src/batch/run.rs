//! A batch at work: the items, their sinks, what has become of each; and one transfer after the other, for whatever a ring
//! does not do.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use nix::poll::PollFlags;

use super::item::{End, Item, ItemReport};
use super::watcher::{BatchProgress, Watcher};
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::step::{Side, Visibility};
use crate::sys::SyscallCounter;
use crate::transfer::Transfer;
use crate::waiting::{Waited, wait};

/// The items of a batch and their results.
pub(super) struct Run<'a, 'fd> {
    pub items: &'a [Item<'fd>],
    visibility: Visibility,
    results: Vec<Option<Result<ItemReport>>>,
    sinks: Descriptors<'fd>,
    sources: Descriptors<'fd>,
    /// Why nothing more may be written to a sink, beside the sink.
    broken: HashMap<usize, Error>,
    pub calls: SyscallCounter,
    pub waits: u64,
    /// Of the items that are over.
    progress: BatchProgress,
    watcher: Watcher<'a>,
    open: Opener<'a>,
}

/// Opens a path as its caller wants it.
pub(super) type Open<'a> = &'a mut (dyn FnMut(&Path, Side) -> Result<Endpoint<'static>> + 'a);

struct Opener<'a>(Option<Open<'a>>);

impl Opener<'_> {
    fn path(&mut self, path: &Path, side: Side) -> Result<Endpoint<'static>> {
        match (&mut self.0, side) {
            (Some(open), _) => open(path, side),
            (None, Side::Source) => Endpoint::open(path),
            (None, Side::Sink) => Endpoint::create(path),
        }
    }
}

/// The ends that are descriptors, each one asked for its facts once.
#[derive(Default)]
struct Descriptors<'fd> {
    ends: Vec<Endpoint<'fd>>,
    index: HashMap<RawFd, usize>,
    /// The one that was asked for last: often the next one, too.
    last: Option<(RawFd, usize)>,
}

impl<'fd> Descriptors<'fd> {
    /// The number of an end; `None` for one that has no descriptor yet, or never.
    fn get(&mut self, end: End<'fd>) -> Result<Option<usize>> {
        let Some(fd) = end.descriptor() else { return Ok(None) };
        let raw = fd.as_raw_fd();
        if let Some((_, index)) = self.last.filter(|last| last.0 == raw) {
            return Ok(Some(index));
        }
        let index = if let Some(&index) = self.index.get(&raw) {
            index
        } else {
            self.ends.push(match end {
                End::Endpoint(end) => lend(end)?,
                End::Path(_) | End::New(_) | End::Descriptor(_) => Endpoint::new(fd)?,
            });
            self.index.insert(raw, self.ends.len() - 1);
            self.ends.len() - 1
        };
        self.last = Some((raw, index));
        Ok(Some(index))
    }
}

impl<'a, 'fd> Run<'a, 'fd> {
    pub fn new(items: &'a [Item<'fd>], visibility: Visibility, watcher: Watcher<'a>, open: Option<Open<'a>>) -> Self {
        Self {
            items,
            visibility,
            results: items.iter().map(|_| None).collect(),
            sinks: Descriptors::default(),
            sources: Descriptors::default(),
            broken: HashMap::new(),
            calls: SyscallCounter::default(),
            waits: 0,
            progress: BatchProgress::default(),
            watcher,
            open: Opener(open),
        }
    }

    /// Whether there is a watcher, for whose sake no call may wait for a peer.
    pub fn is_watched(&self) -> bool {
        self.watcher.is_there()
    }

    /// Asks the watcher, if it is time to, whether to stop.
    pub fn is_to_stop(&mut self) -> bool {
        self.watcher.ask_if_due(self.progress)
    }

    /// Whether an item is over.
    pub fn is_over(&self, item: usize) -> bool {
        self.results[item].is_some()
    }

    /// An item is over.
    pub fn finish_item(&mut self, item: usize, result: Result<ItemReport>) {
        if self.results[item].is_none() {
            self.progress.items += 1;
            self.progress.bytes += result.as_ref().map_or_else(Error::moved, |report| report.bytes);
        }
        self.results[item] = Some(result);
    }

    /// An item went wrong at its sink, with so many bytes of it delivered: nothing more is written there.
    pub fn sink_failed(&mut self, item: usize, sink: usize, error: Error) {
        self.broken.insert(sink, error.clone().after(0));
        self.finish_item(item, Err(error));
    }

    /// Why nothing more may be written to that sink.
    pub fn broken(&self, sink: usize) -> Option<&Error> {
        self.broken.get(&sink)
    }

    /// The number of the sink of an item whose sink has a descriptor; `None` for a path, or if it is not open.
    pub fn sink_of(&mut self, item: usize) -> Option<usize> {
        let known = self.sinks.ends.len();
        let sink = self.sinks.get(self.items[item].sink).ok()??;
        if sink == known && self.is_watched() {
            self.keep_awake(sink);
        }
        Some(sink)
    }

    /// Nobody can be asked while a call sleeps, so a socket in blocking mode is switched until the batch is over. A pipe, which
    /// is often another program's as well, is opened once more.
    fn keep_awake(&mut self, sink: usize) {
        let sink = &mut self.sinks.ends[sink];
        // One that cannot be switched is not open any more, and will say so itself.
        let Ok(_held) = sink.enter() else { return };
        if sink.facts().kind == Kind::Pipe {
            sink.open_pipe_again_awake(&mut self.calls);
        } else {
            let _ = sink.unblock(&mut self.calls);
        }
    }

    /// A sink by its number.
    pub fn sink(&self, sink: usize) -> &Endpoint<'fd> {
        &self.sinks.ends[sink]
    }

    /// The position of a sink that is a file.
    pub fn position(&mut self, sink: usize) -> Option<u64> {
        self.calls.position(self.sinks.ends[sink].descriptor()?).ok()
    }

    /// Moves the position of a sink that is a file. A position that could be asked for can be set.
    pub fn seek(&mut self, sink: usize, to: u64) {
        let _ = self.sinks.ends[sink].descriptor().map(|fd| self.calls.seek(fd, to));
    }

    /// Waits until a sink is ready, or the watcher says stop.
    pub fn wait_for(&mut self, sink: usize) {
        let end = &self.sinks.ends[sink];
        let Some(fd) = end.descriptor() else { return };
        loop {
            // One that is lost says so at the next write.
            let Ok(held) = end.enter() else { return };
            self.waits += 1;
            let waited = wait(fd, PollFlags::POLLOUT, self.watcher.timeout(), &mut self.calls);
            drop(held);
            let waited = match waited {
                // An error of poll(2) is answered by trying again: the next write says it better.
                Ok(Waited::Ready) | Err(_) => return,
                Ok(waited) => waited,
            };
            // So is an error of the socket: it does not sleep in its writes.
            if self.watcher.ask(self.progress) || waited == Waited::Error {
                return;
            }
        }
    }

    /// The item's error when the watcher has said stop, with so many bytes of it delivered.
    pub fn cancelled(moved: u64) -> Error {
        Error::new(ErrorKind::Cancelled, "stopped by the caller").after(moved)
    }

    /// The source of an item whose source has a descriptor.
    pub fn source_of(&mut self, item: usize) -> Option<&Endpoint<'fd>> {
        let source = self.sources.get(self.items[item].source).ok()??;
        Some(&self.sources.ends[source])
    }

    /// An item was delivered: its result, after both its ends were asked whether they are still what they were.
    pub fn confirm(&mut self, item: usize, sink: usize, report: ItemReport) -> Result<ItemReport> {
        let mut calls = SyscallCounter::default();
        let source = self.source_of(item).map_or(Ok(()), |source| source.check(&mut calls));
        let ends = source.and_then(|()| self.sink(sink).check(&mut calls));
        self.calls.made += calls.made;
        ends.map_err(|error| error.after(report.bytes)).map(|()| report)
    }

    /// Makes one transfer after the other of the items that are not over.
    pub fn one_by_one(&mut self) {
        for item in 0..self.items.len() {
            if !self.is_over(item) {
                self.is_to_stop();
                self.transfer(item);
            }
        }
    }

    /// Makes a transfer of an item.
    pub fn transfer(&mut self, item: usize) {
        if self.watcher.has_stopped() {
            return self.finish_item(item, Err(Self::cancelled(0)));
        }
        let sink = self.sink_of(item);
        if let Some(error) = sink.and_then(|sink| self.broken.get(&sink)) {
            let error = error.clone();
            return self.finish_item(item, Err(error));
        }
        let result = self.try_transfer(item);
        // Who was interrupted while it opened a path may have been told to stop.
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            self.watcher.ask(self.progress);
        }
        if let (Some(sink), Err(error)) = (sink, &result)
            && error.moved() > 0
        {
            let message = format!("an earlier item was left in the middle: {}", error.message());
            self.broken.insert(sink, Error::new(ErrorKind::Cancelled, message));
        }
        self.finish_item(item, result);
    }

    fn try_transfer(&mut self, item: usize) -> Result<ItemReport> {
        let Item { source, sink, offset, count } = self.items[item];
        let source = match source {
            End::Path(path) => {
                // open(2) now, close(2) at the end.
                self.calls.made += 2;
                self.open.path(path, Side::Source)?
            }
            End::New(path) => {
                return Err(
                    Error::new(ErrorKind::InvalidInput, "a file that is yet to be made is no source").at(Some(path))
                );
            }
            End::Descriptor(_) => {
                let index = self.sources.get(source)?.expect("a descriptor has a number");
                self.sources.ends[index].borrow()
            }
            End::Endpoint(end) => end.borrow(),
        };
        let sink = match sink {
            End::Path(path) => {
                self.calls.made += 2;
                self.open.path(path, Side::Sink)?
            }
            End::New(path) => {
                self.calls.made += 2;
                Endpoint::create_new(path)?
            }
            End::Descriptor(_) => {
                let index = self.sinks.get(sink)?.expect("a descriptor has a number");
                self.sinks.ends[index].borrow()
            }
            End::Endpoint(end) => lend(end)?,
        };
        // A path may turn out to be something without offsets; a transfer says so if one was asked for.
        let has_offsets = source.facts().kind.is_seekable() || source.facts().kind == Kind::Memory || offset > 0;
        let mut transfer = Transfer::new(source, sink).visibility(self.visibility);
        if has_offsets {
            transfer = transfer.offset(offset);
        }
        if let Some(count) = count {
            transfer = transfer.count(count);
        }
        let (progress, watcher) = (self.progress, &mut self.watcher);
        let result = if watcher.is_there() {
            transfer.run_watched(|more| {
                let progress = BatchProgress { bytes: progress.bytes + more, ..progress };
                if watcher.ask(progress) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        } else {
            transfer.run()
        };
        if let Some(report) = transfer.report() {
            self.calls.made += report.system_calls;
            self.waits += report.waits;
        }
        let report = result?;
        Ok(ItemReport { bytes: report.bytes, requested: report.requested, mechanism: report.mechanism })
    }

    /// The results, the number of system calls, and how many of them were waits.
    pub fn finish(mut self) -> (Vec<Result<ItemReport>>, u64, u64) {
        self.restore();
        let results = std::mem::take(&mut self.results).into_iter().map(|result| result.expect("every item is over"));
        (results.collect(), self.calls.made, self.waits)
    }

    /// Sinks that were in blocking mode are again.
    fn restore(&mut self) {
        for sink in &mut self.sinks.ends {
            sink.block(&mut self.calls);
        }
    }
}

/// What would never get its name is refused: its bytes would be gone with it.
fn lend<'a>(end: &'a Endpoint<'_>) -> Result<Endpoint<'a>> {
    if end.is_without_name() {
        let message = "a new file gets its name from a transfer of its own: give the batch its path";
        return Err(Error::new(ErrorKind::Impossible, message).at(end.path()));
    }
    Ok(end.borrow())
}

impl Drop for Run<'_, '_> {
    /// After a panic of the watcher, too.
    fn drop(&mut self) {
        self.restore();
    }
}
