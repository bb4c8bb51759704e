//! Every kind of end in a copy, which takes names: its own, or for what has none the one that `/proc/self/fd` gives it. While it
//! runs, the descriptor's number becomes somebody else's, the file is cut, grows, loses its name.
//!
//! The door that each system call passes makes it happen, before the second one that moves bytes.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use zcio::copy::Copy;
use zcio::error::Result;
use zcio::inject::{self, Fault};
use zcio::{CopyReport, Endpoint, ErrorKind, Kind, Reflink};
use zcio_tests::watchdog;

use super::place::{LENGTH, Place, SOURCE, content};
use super::sinks::{self, sink};
use super::sources::{self, Event, Happening, nothing, source};
use super::{is_unwritten, must_be_every};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Run,
    Watched,
    Apart,
    Atomic,
    New,
}

impl Way {
    const ALL: [Self; 5] = [Self::Run, Self::Watched, Self::Apart, Self::Atomic, Self::New];
}

#[test]
fn every_end_of_a_copy() {
    let _dog = watchdog(240, "a copy to whose end something happens");
    let (mut made, mut kinds) = (HashSet::new(), HashSet::new());
    let mut note = |end: &Endpoint<'_>| {
        made.insert(end.made());
        kinds.insert(end.facts().kind);
    };
    let mut wrong = Vec::new();
    for (way, event) in Way::ALL.into_iter().flat_map(|way| Event::ALL.map(|event| (way, event))) {
        for row in sources::Row::ALL {
            for beside in [sinks::Row::NewPath, sinks::Row::Path] {
                wrong.extend(case(way, (row, event), (beside, Event::Nothing), &mut note).err());
            }
        }
        for row in sinks::Row::ALL {
            wrong.extend(case(way, (sources::Row::Path, Event::Nothing), (row, event), &mut note).err());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    must_be_every(&made, &kinds);
}

fn case(
    way: Way,
    (from, at_source): (sources::Row, Event),
    (to, at_sink): (sinks::Row, Event),
    note: &mut impl FnMut(&Endpoint<'_>),
) -> std::result::Result<(), String> {
    let place = Arc::new(Place::new());
    let Some(mut source) = source(from, at_source, &place) else { return Ok(()) };
    let Some(mut sink) = sink(to, at_sink, &place) else { return Ok(()) };
    note(&source.end);
    note(&sink.end);
    let name = |name: &str, end: &Endpoint<'_>, is_named: bool| match end.descriptor() {
        Some(fd) if !is_named => Some(PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))),
        None if end.facts().kind == Kind::Memory => None,
        _ => Some(place.path(name)),
    };
    let source_name = match from {
        sources::Row::Fifo => name("fifo", &source.end, true),
        _ => name("source", &source.end, from == sources::Row::Path),
    };
    let is_named = matches!(to, sinks::Row::NewPath | sinks::Row::Path | sinks::Row::Fifo);
    // Memory has no name, and so no copy.
    let (Some(source_name), Some(sink_name)) = (source_name, name("sink", &sink.end, is_named)) else { return Ok(()) };
    let [at_one, at_other] = [&mut source.happening, &mut sink.happening].map(|one| std::mem::replace(one, nothing()));
    let has_come = std::rc::Rc::new(Cell::new(false));
    let result =
        copy(way, &Copy::new(source_name, sink_name), has_come.clone(), Box::new(move || (at_one(), at_other()).1));

    let case = format!("{from:?} {at_source:?} to {to:?} {at_sink:?}, {way:?}");
    let check = |holds: bool, but: &str| if holds { Ok(()) } else { Err(format!("{case}: {but}")) };
    let (made, is_regular) = (sink.end.made(), source.end.facts().kind == Kind::File);
    let to_regular = made == zcio::endpoint::Made::New || sink.end.facts().kind == Kind::File;
    drop((source.end, source.kept, sink.end, sink.kept));
    // Nobody writes to a FIFO any more.
    let named = || std::fs::read(place.path("sink")).unwrap();
    let arrived = sink.arrivals.bytes();
    // A copy goes to the name; a name that somebody else was quicker with is overwritten as any other.
    let renamed = matches!(at_sink, Event::Replaced | Event::Unlinked) && to == sinks::Row::NewPath;
    check(place.is_untouched() || renamed && !matches!(way, Way::New | Way::Atomic), "another file was changed")?;
    let error = match result {
        Ok(report) => {
            check(is_regular && to_regular, "a copy of what is no file")?;
            let arrived = if renamed || way == Way::Atomic { named() } else { arrived };
            let told = (report.bytes + report.holes) as usize;
            check(told >= source.least, &format!("a success of {told} bytes"))?;
            let zeroes = matches!(at_sink, Event::Cut | Event::Grown);
            let own = content(SOURCE, 2 * LENGTH);
            let is_own = arrived.iter().zip(&own).all(|(byte, own)| byte == own || zeroes && *byte == 0);
            check(
                is_own && (zeroes || arrived.len() == told),
                &format!("{told} bytes, but {} arrived", arrived.len()),
            )?;
            return check(has_come.get(), "nothing happened");
        }
        Err(error) => error,
    };
    check(error.moved() == 0 || renamed, &format!("{error} after {} bytes", error.moved()))?;
    check(renamed || is_unwritten(at_sink, &arrived), "a copy that failed was written")?;
    let expected = match error.kind() {
        ErrorKind::SpecialFile => !(is_regular && to_regular),
        ErrorKind::AlreadyExists => way == Way::New && (to != sinks::Row::NewPath || renamed),
        _ => false,
    };
    check(expected, &error.to_string())
}

fn copy(way: Way, copy: &Copy, has_come: std::rc::Rc<Cell<bool>>, event: Happening) -> Result<CopyReport> {
    let (mut event, mut calls) = (Some(event), 0);
    let hook = move |call: &inject::Call| {
        if call.length == 0 {
            return Fault::None;
        }
        calls += 1;
        if calls == 2
            && let Some(event) = event.take()
        {
            has_come.set(true);
            event();
        }
        Fault::Short(64 << 10)
    };
    inject::with(hook, || match way {
        Way::Run => copy.run(),
        Way::Watched => copy.run_watched(|_| ControlFlow::Continue(())),
        Way::Apart => copy.clone().reflink(Reflink::Never).run(),
        Way::Atomic => copy.clone().atomic(true).run(),
        Way::New => copy.clone().create_new(true).run(),
    })
}
