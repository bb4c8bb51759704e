//! Memory as the source: written or sent from where it is, without a buffer of ours.
//!
//! Memory that may be written again goes by an operation that is over when the step returns. Memory that nobody can write
//! is sent by reference, and kept until the kernel has let go of it.

use nix::errno::Errno;

use super::delivery::Place;
use super::ring::OnSignal;
use super::{Uring, WRITE, never_waits};
use crate::endpoint::Kind;
use crate::mechanisms::uring::operations::{Op, Sending, Target, Then};
use crate::mechanisms::{Advance, Route, Stop};
use crate::sys::Span;

/// The most one operation is asked for; the length is 32 bits wide.
const MOST: u64 = 1 << 30;
/// … and the most that is pinned by one zero-copy send.
const MOST_PINNED: u64 = 1 << 20;

impl Uring {
    pub(super) fn advance_memory(
        &mut self,
        memory: Span<'_>,
        at: u64,
        route: &mut Route<'_>,
        limit: u64,
    ) -> Result<Advance, Stop> {
        let rest = memory.part(at, u64::MAX);
        let frozen = route.source_end.frozen().filter(|_| route.sink_facts().kind == Kind::Tcp);
        let by_reference = frozen.filter(|_| self.verdict.is_zero_copy());
        let most = if by_reference.is_some() { MOST_PINNED } else { MOST };
        let length = limit.min(most).min(rest.len() as u64) as usize;
        if length == 0 {
            return Ok(Advance::Ended);
        }
        let place = Place::of(route)?;
        let (file, nonblocking) = (Target::Descriptor(route.sink()), never_waits(route.sink_end.facts()));
        let op = Op { file, at: place.at, nowait: nonblocking, then: Then::Any, tag: WRITE };
        let answer = if let Some(pages) = by_reference {
            self.verdict.sending(true, 0);
            let start = memory.len() - rest.len();
            self.ring().send_pages(op, pages, start..start + length, nonblocking);
            self.ring().answer(route.calls, WRITE, OnSignal::Cancel)
        } else {
            let socket = route.sink_facts().kind.is_socket();
            let send = socket.then_some(Sending { nonblocking, zero_copy: false });
            self.ring().lend(route.calls, op, rest.part(0, length as u64), send)
        };
        self.reap();
        let (moved, stopped): (usize, Option<Result<usize, Errno>>) = (answer.unwrap_or(0), Some(answer));
        let outcome = self.outcome(route, moved, length, stopped)?;
        place.advance(route, moved).map(|()| outcome)
    }
}
