//! Every kind of end, as source and as sink, in every operation, driven in every way, while something happens to it: it is
//! closed and its number given to another file, cut, grown, replaced by name, left by its peer. What arrives are bytes of its
//! own source; a success has all of them, an error counts them; no other file is read or changed; nothing hangs or is left.
//!
//! A copy's ends are paths, which it opens itself: see `copy_beside_others.rs`.
//!
//! What happens, happens between two steps, and no clock says when: the hold of the end beside it does it.

mod copies;
mod moment;
mod place;
mod rooms;
mod sinks;
mod sources;
mod works;

use std::collections::HashSet;
use std::sync::Arc;

use moment::Moment;
use place::{LENGTH, OLD, OTHER, Place, SOURCE, content};
use sinks::{Sink, sink};
use sources::{Event, Source, source};
use works::{Drive, Work, work};
use zcio::endpoint::Made;
use zcio::{Endpoint, ErrorKind, Kind, Mechanism};
use zcio_tests::watchdog;

/// Kinds of descriptors that have no row of their own, and why.
fn is_elsewhere(kind: Kind) -> bool {
    // Of the first, which takes an administrator and is used as a file is, see `places.rs`; of terminals and `/dev/null`, see
    // `terminal.rs`; the others are no ends of transfers (`refusals.rs`).
    matches!(kind, Kind::BlockDevice | Kind::CharDevice | Kind::Directory | Kind::Other)
}

#[test]
fn every_end_in_every_operation() {
    let _dog = watchdog(240, "an end to which something happens");
    let (mut made, mut kinds) = (HashSet::new(), HashSet::new());
    let mut note = |end: &Endpoint<'_>| {
        made.insert(end.made());
        kinds.insert(end.facts().kind);
    };
    // What is made once and kept is there after the first time.
    source_case(sources::Row::Path, Event::Nothing, sinks::Row::Tcp, Work::Batch, Drive::Run, 0, &mut note).unwrap();
    let (before, mut wrong) = (left(), Vec::new());
    for event in Event::ALL {
        for (drive, work) in Drive::ALL.into_iter().flat_map(|drive| Work::all().map(move |work| (drive, work))) {
            // The mechanisms differ in what they do, not in who drives them.
            if matches!(work, Work::Transfer(Some(_))) && drive != Drive::Run {
                continue;
            }
            let after = if drive == Drive::Watched { 1 } else { 2 };
            for row in sources::Row::ALL {
                for beside in [sinks::Row::Tcp, sinks::Row::Pipe, sinks::Row::Descriptor] {
                    wrong.extend(source_case(row, event, beside, work, drive, after, &mut note).err());
                }
            }
            for row in sinks::Row::ALL {
                for beside in [sources::Row::Descriptor, sources::Row::Bytes, sources::Row::Unix] {
                    wrong.extend(sink_case(row, event, beside, work, drive, after, &mut note).err());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Memory that a connection still sends is given back when it has been. Four idle pipes are kept for the next time.
    while left().0 > before.0 + 2 * 4 || left().1 > before.1 {
        std::thread::yield_now();
    }
    must_be_every(&made, &kinds);
}

/// A new kind of end without a row fails.
fn must_be_every(made: &HashSet<Made>, kinds: &HashSet<Kind>) {
    let missing: Vec<_> = Made::EVERY.iter().filter(|one| !made.contains(one)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let missing: Vec<_> = Kind::EVERY.iter().filter(|&&kind| kinds.contains(&kind) == is_elsewhere(kind)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

/// Descriptors of this process, and mappings of files of these tests.
fn left() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ours = maps.lines().filter(|line| line.contains("/source") || line.contains("memfd:zcio"));
    (zcio_tests::open_descriptors(), ours.count())
}

fn source_case(
    row: sources::Row,
    event: Event,
    beside: sinks::Row,
    what: Work,
    drive: Drive,
    after: usize,
    note: &mut impl FnMut(&Endpoint<'_>),
) -> Result<(), String> {
    let place = Arc::new(Place::new());
    let Some(mut source) = source(row, event, &place) else { return Ok(()) };
    let mut sink = sink(beside, Event::Nothing, &place).unwrap();
    let moment = Moment::new(after, std::mem::replace(&mut source.happening, sources::nothing()));
    sink.end = sink.end.held(Arc::clone(&moment) as Arc<_>);
    let case = format!("{row:?} {event:?} to {beside:?}, {what:?} {drive:?}");
    note(&source.end);
    judge(&case, &place, source, sink, (event, Event::Nothing), what, drive, &moment)
}

fn sink_case(
    row: sinks::Row,
    event: Event,
    beside: sources::Row,
    what: Work,
    drive: Drive,
    after: usize,
    note: &mut impl FnMut(&Endpoint<'_>),
) -> Result<(), String> {
    let place = Arc::new(Place::new());
    let Some(mut sink) = sink(row, event, &place) else { return Ok(()) };
    let mut source = source(beside, Event::Nothing, &place).unwrap();
    let moment = Moment::new(after, std::mem::replace(&mut sink.happening, sources::nothing()));
    source.end = source.end.held(Arc::clone(&moment) as Arc<_>);
    let case = format!("{beside:?} to {row:?} {event:?}, {what:?} {drive:?}");
    note(&sink.end);
    judge(&case, &place, source, sink, (Event::Nothing, event), what, drive, &moment)
}

#[allow(clippy::too_many_arguments)] // All of one case.
fn judge(
    case: &str,
    place: &Place,
    source: Source,
    sink: Sink,
    (at_source, at_sink): (Event, Event),
    what: Work,
    drive: Drive,
    moment: &Moment,
) -> Result<(), String> {
    let check = |holds: bool, but: &str| if holds { Ok(()) } else { Err(format!("{case}: {but}")) };
    let is_new = sink.end.made() == Made::New;
    let is_memory = sink.end.facts().kind == Kind::Memory;
    let is_served = is_served(what, source.end.facts().kind, sink.end.facts().kind) && !(what == Work::Batch && is_new);
    let (told, result) = work(what, drive, source.end, sink.end);
    check(source.hold.iter().chain(&sink.hold).all(|hold| hold.is_empty()), "somebody is still inside")?;
    drop((source.kept, sink.kept));
    let arrived = sink.arrivals.bytes();
    check(place.is_untouched(), "another file was changed")?;
    let told = told as usize;
    // A file that others cut or grew has zeroes where it has nothing, and memory that is gone is not looked at.
    let zeroes = matches!(at_sink, Event::Cut | Event::Grown) || is_memory && arrived.is_empty();
    let own = content(SOURCE, 2 * LENGTH);
    // A batch does not empty what was there, and nobody empties memory.
    let written = &arrived[..if what == Work::Batch || is_memory { arrived.len().min(told) } else { arrived.len() }];
    // The kernel stores up to the page that is gone before it says so.
    let rest = is_memory.then(|| arrived.iter().zip(&own).zip(content(OLD, 2 * LENGTH)).skip(told));
    let is_untouched = |((byte, own), old): ((&u8, &u8), u8)| *byte == old || zeroes && (*byte == 0 || byte == own);
    let is_untouched = rest.into_iter().flatten().all(is_untouched);
    check(is_untouched, &format!("memory was written behind {told} bytes"))?;
    // … and the kernel clears pages that are on their way by reference, behind the end of a file that is cut.
    let may_be_zero = |place| zeroes || at_source == Event::Cut && place >= LENGTH / 2;
    let is_own = written
        .iter()
        .zip(&own)
        .enumerate()
        .all(|(place, (byte, own))| byte == own || *byte == 0 && may_be_zero(place));
    let is_old = told == 0 && result.is_err() && is_unwritten(at_sink, &arrived);
    check(is_own || is_old, &format!("bytes of others arrived: {result:?}"))?;
    if !zeroes && at_sink != Event::PeerGone && !is_old {
        check(told == written.len(), &format!("{told} bytes, says {result:?}, and {} arrived", arrived.len()))?;
    }
    match result {
        Ok(()) => check(told >= source.least, &format!("a success of {told} bytes")),
        Err(error) => {
            let expected = match error.kind() {
                // What does not serve is said before the first byte.
                ErrorKind::Impossible | ErrorKind::Refused | ErrorKind::InvalidInput if told == 0 => !is_served,
                ErrorKind::Closed => moment.has_come() && is_lost(at_source) | is_lost(at_sink),
                ErrorKind::Cancelled => what == Work::Batch && is_lost(at_source) | is_lost(at_sink),
                ErrorKind::PeerClosed => at_sink == Event::PeerGone,
                ErrorKind::Faulted => at_source == Event::Cut || is_memory && at_sink == Event::Cut,
                ErrorKind::AlreadyExists => told == 0 && matches!(at_sink, Event::Replaced | Event::Unlinked),
                _ => false,
            };
            check(expected, &format!("{error} after {told} bytes"))
        }
    }
}

/// Whether that is what a sink was before.
fn is_unwritten(event: Event, found: &[u8]) -> bool {
    let old = content(OLD, 2 * LENGTH);
    match event {
        Event::Grown | Event::Cut => {
            found.iter().zip(old.iter().chain(std::iter::repeat(&0))).all(|(byte, old)| *byte == *old || *byte == 0)
        }
        // One that did not have its name yet never got it.
        Event::Replaced | Event::Unlinked => old.starts_with(found) || found == content(OTHER, 2 * LENGTH),
        _ => old.starts_with(found),
    }
}

fn is_lost(event: Event) -> bool {
    matches!(event, Event::Lost | Event::Closed | Event::Left)
}

/// Whether that can be done with such ends at all.
fn is_served(what: Work, source: Kind, sink: Kind) -> bool {
    match what {
        Work::Transfer(None | Some(Mechanism::ReadWrite)) => true,
        // Each says what it cannot.
        Work::Transfer(Some(_)) => false,
        Work::FanOut => source != Kind::Memory && sink != Kind::Memory,
        Work::Relay => source.is_socket() && sink.is_socket(),
        Work::Batch => source.has_offsets(),
    }
}
