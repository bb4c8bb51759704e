//! Reads by a ring: as many in flight as are wanted, and a new one begun for each that is answered.
//!
//! What a ring does not do, for whatever reason, is asked of pread(2), and its answer counts: errors are the same either way.

use nix::errno::Errno;

use super::by_threads::Reader;
use super::piece::{BOUNCE, Piece};
use super::run::{Filled, Run, take};
use crate::buffer::AlignedBuffer;
use crate::endpoint::Entered;
use crate::mechanisms::uring::filling::Filling;
use crate::mechanisms::uring::ring::Ring;
use crate::sys::SpanMut;

/// Makes all the reads, or as many as it can before the ring breaks or the watcher stops it.
pub(super) fn run(run: &mut Run<'_, '_>, ring: &mut Ring, depth: usize, bounce: &mut Option<AlignedBuffer>) {
    let is_direct = run.is_direct();
    if is_direct && bounce.is_none() {
        *bounce = AlignedBuffer::new(depth * BOUNCE).ok();
    }
    let buffer = bounce.as_mut().map(|buffer| SpanMut::from(&mut buffer[..]));
    let depth = depth.min(run.reads.len());
    ring.filling(|filling| {
        let flights = (0..depth).map(|_| None).collect();
        let (idle, again, entered) = ((0..depth).rev().collect(), Vec::new(), Vec::new());
        let reader = Reader::default();
        InFlight { run, filling, buffer, flights, idle, again, entered, next: 0, begun: 0, reader, is_direct }.work();
    });
}

/// The reads in flight. Each has a slot, by whose number its answers are known.
struct InFlight<'r, 'a, 'm: 's, 'f, 's> {
    run: &'r mut Run<'a, 'm>,
    filling: &'r mut Filling<'f, 's>,
    /// For direct reads that are not aligned: a part for each slot.
    buffer: Option<SpanMut<'s>>,
    flights: Vec<Option<Flight<'s>>>,
    /// Slots without a read.
    idle: Vec<usize>,
    /// Slots of reads that have more to ask for.
    again: Vec<usize>,
    /// The files that operations are queued for, which stay what they are until the kernel has taken those.
    entered: Vec<(usize, Entered)>,
    /// The first read that has not begun.
    next: usize,
    /// Operations that are queued or in flight.
    begun: usize,
    reader: Reader,
    /// Whether some of the files are read past the page cache.
    is_direct: bool,
}

struct Flight<'s> {
    read: usize,
    /// Bytes that are in its memory.
    done: usize,
    piece: Piece,
    /// Where the kernel puts the piece.
    into: SpanMut<'s>,
    filled: Filled,
}

impl InFlight<'_, '_, '_, '_, '_> {
    fn work(mut self) {
        loop {
            for slot in std::mem::take(&mut self.again) {
                if let Some(flight) = self.flights[slot].take() {
                    self.ask(slot, flight.read, flight.done, flight.filled);
                }
            }
            // A few at a time, where it is the disk that answers: it works at those while the next are queued, and nobody is woken
            // for each answer.
            let few = if self.is_direct { self.flights.len().div_ceil(8) } else { self.flights.len() };
            let full = self.begun + few;
            while self.next < self.run.reads.len()
                && self.begun < full
                && let Some(slot) = self.idle.pop()
            {
                self.next += 1;
                self.begin(slot, self.next - 1);
            }
            if self.begun == 0 {
                break;
            }
            let want = match self.next < self.run.reads.len() {
                true if self.idle.is_empty() => few.min(self.begun),
                true => 0,
                false => self.begun,
            };
            let entered = self.filling.enter(&mut self.run.calls, want);
            self.entered.clear();
            while let Some((slot, answer)) = self.filling.next() {
                self.begun -= 1;
                self.answer(slot as usize, answer);
            }
            // What has not been taken by now would be without the hold on its file later.
            if entered.is_err() || self.filling.has_queued() {
                break;
            }
            let (progress, signal) = (self.run.progress, entered == Ok(false));
            let watcher = &mut self.run.watcher;
            if if signal { watcher.ask(progress) } else { watcher.ask_if_due(progress) } {
                self.stop();
                break;
            }
        }
        self.run.calls.made += self.reader.calls.made;
    }

    fn begin(&mut self, slot: usize, read: usize) {
        let (asked, source) = (&self.run.reads[read], self.run.source(read));
        let checked = source.check(asked.offset, asked.into.len());
        match checked.and_then(|()| Filled::new(asked)) {
            Ok(filled) if asked.into.len() > 0 => self.ask(slot, read, 0, filled),
            other => {
                self.run.finish_read(read, other.map(|_| 0));
                self.idle.push(slot);
            }
        }
    }

    /// Queues the next piece of a read.
    fn ask(&mut self, slot: usize, read: usize, done: usize, filled: Filled) {
        let (asked, source) = (&self.run.reads[read], self.run.source(read));
        let piece = Piece::next(asked.offset, asked.into, done, source.block);
        let into = match self.buffer {
            _ if !piece.bounced => asked.into.part(done as u64, piece.length as u64),
            Some(buffer) => buffer.part((slot * BOUNCE) as u64, piece.length as u64),
            // No memory for all of them.
            None => return self.alone(slot, read, filled),
        };
        let number = self.run.number(read);
        if source.end.is_held() && self.entered.iter().all(|entered| entered.0 != number) {
            match source.end.enter() {
                Ok(entered) => self.entered.push((number, entered)),
                Err(error) => {
                    self.run.finish_read(read, Err(error.after(done as u64)));
                    return self.idle.push(slot);
                }
            }
        }
        let fd = source.end.fd();
        match self.run.calls.offer("read", fd, into.len()) {
            Ok(length) => self.filling.read(fd, piece.at, into.part(0, length as u64), slot as u64),
            Err(_) => return self.alone(slot, read, filled),
        }
        self.begun += 1;
        self.flights[slot] = Some(Flight { read, done, piece, into, filled });
    }

    fn answer(&mut self, slot: usize, answer: Result<usize, Errno>) {
        let Some(mut flight) = self.flights[slot].take() else { return };
        let (asked, source) = (&self.run.reads[flight.read], self.run.source(flight.read));
        let Ok(count) = answer else { return self.alone(slot, flight.read, flight.filled) };
        let result = match take(asked, source, (flight.piece, flight.into), count, &mut flight.done) {
            Ok(false) => {
                self.flights[slot] = Some(flight);
                return self.again.push(slot);
            }
            Ok(true) => flight.filled.answer(asked, flight.done),
            Err(error) => Err(error),
        };
        self.run.finish_read(flight.read, result);
        self.idle.push(slot);
    }

    /// Asks pread(2) for a read from its beginning on: its memory may be anything before.
    fn alone(&mut self, slot: usize, read: usize, filled: Filled) {
        drop(filled);
        let result = self.reader.read(&self.run.reads[read], self.run.source(read));
        self.run.finish_read(read, result);
        self.idle.push(slot);
    }

    /// Takes what is there when the rest is cancelled.
    fn stop(&mut self) {
        self.filling.cancel(&mut self.run.calls);
        while let Some((slot, answer)) = self.filling.next() {
            if answer.is_ok() {
                self.answer(slot as usize, answer);
            }
        }
    }
}
