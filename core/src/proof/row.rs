//! A row of the table: one subject on one route, with what the article says, what the subject says of itself, and what was
//! measured.

use std::io;

use super::aliasing::{self, Seen, Step};
use super::article::Article;
use super::blocks::Blocks;
use super::cell::{Cell, Evidence};
use super::cost::{Cache, Cost, Section};
use super::ends::{Sink, Source};
use super::route::Route;
use super::setting::Setting;
use super::subject::Subject;
use crate::mechanism::Mechanism;
use crate::report::{KnownBy, Report};

/// How often the CPU copied each byte, between two bounds.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// let copies = row.copies.value().unwrap();
/// assert_eq!((copies.least, copies.most), (1, Some(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CopyCount {
    /// At least so often: an experiment says so.
    pub least: u8,
    /// At most so often; `None` if nothing says so.
    pub most: Option<u8>,
    /// What says so; it may be no more than the model.
    pub most_known_by: Option<Evidence>,
}

/// What a subject says of itself.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// let claim = row.claim.unwrap();
/// assert_eq!((claim.copies, claim.known_by), (Some(1), "model"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Claim {
    /// Copies by the CPU; `None`: it makes no claim.
    pub copies: Option<u8>,
    /// The name of what it has that from ([`KnownBy`]).
    pub known_by: &'static str,
}

/// One subject on one route.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// assert_eq!((row.subject.as_str(), row.contradiction), ("read_write", None));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Row {
    /// The route.
    pub route: Route,
    /// The mechanism's name, or that of another subject.
    pub subject: String,
    /// What the article says about this.
    pub article: Option<Article>,
    /// What its own report says.
    pub claim: Option<Claim>,
    /// What was measured.
    pub copies: Cell<CopyCount>,
    /// What a change made after the transfer showed.
    pub seen: Option<Seen>,
    /// The copies of its single system calls, where it is made of such.
    pub calls: Vec<Step>,
    /// System calls for the 16 KiB of that experiment, by its own count: a transfer that needs one round only.
    pub one_round: Cell<u64>,
    /// What the file system says about the sink's blocks, for a file made from a file.
    pub blocks: Option<Blocks>,
    /// The cost with the source in the page cache, or not being a file.
    pub warm: Cell<Cost>,
    /// The cost with the source on its disk alone.
    pub cold: Cell<Cost>,
    /// Where the claim and the measurement contradict each other: how.
    pub contradiction: Option<String>,
}

/// What the experiments about copies found.
struct Examined {
    seen: Seen,
    report: Report,
    calls: Vec<Step>,
    blocks: Option<Blocks>,
    /// Whether it is one of the engine's mechanisms, whose claims come from the model or from the kernel.
    has_model: bool,
}

impl Row {
    /// The bytes of the transfer that needs one round only.
    pub const ONE_ROUND: u64 = aliasing::LENGTH as u64;

    /// A row about which nothing is known but the reason.
    pub(super) fn unknown(route: Route, subject: &Subject, reason: &io::Error) -> Self {
        Self {
            route,
            subject: subject.name.clone(),
            article: subject.mechanism.and_then(|mechanism| route.article(mechanism)),
            claim: None,
            copies: Cell::unknown(reason),
            seen: None,
            calls: Vec::new(),
            one_round: Cell::unknown(reason),
            blocks: None,
            warm: Cell::unknown(reason),
            cold: Cell::unknown(reason),
            contradiction: None,
        }
    }

    pub(super) fn of(setting: &Setting, section: &Section<'_>, subject: &Subject) -> Self {
        let route = section.route;
        let examined = match examine(setting, route, subject) {
            Ok(examined) => examined,
            Err(error) => return Self::unknown(route, subject, &error),
        };
        let claim = examined.report.copies;
        let copies = examined.copies();
        let measure = |cache| Cell::of(section.measure(subject, cache), Evidence::Process);
        Self {
            route,
            subject: subject.name.clone(),
            article: subject.mechanism.and_then(|mechanism| route.article(mechanism)),
            claim: Some(Claim { copies: claim.count, known_by: claim.known_by.name() }),
            contradiction: copies.value().and_then(|copies| contradiction(claim.count, *copies)),
            copies,
            seen: Some(examined.seen),
            calls: examined.calls,
            one_round: Cell::known(examined.report.system_calls, Evidence::Engine),
            blocks: examined.blocks,
            warm: measure(Cache::Warm),
            cold: measure(Cache::Cold),
        }
    }
}

fn examine(setting: &Setting, route: Route, subject: &Subject) -> io::Result<Examined> {
    let (source, mut sink) = aliasing::ends(setting, route)?;
    if matches!(source, Source::Stream { .. }) && !aliasing::stream_is_shared(setting, route)? {
        return Err(io::Error::other("the stream does not hold the pages of the file that feeds it"));
    }
    let (seen, report) = aliasing::of_subject(subject, &source, &mut sink)?;
    let calls = match subject.mechanism {
        Some(mechanism) => aliasing::each_call(setting, route, mechanism)?,
        None => Vec::new(),
    };
    let blocks = match (&source, &sink) {
        (Source::File(_), Sink::File(_)) => Blocks::of(setting, route, subject)?,
        _ => None,
    };
    Ok(Examined { seen, report, calls, blocks, has_model: subject.mechanism.is_some() })
}

impl Examined {
    fn copies(&self) -> Cell<CopyCount> {
        let exactly = |count, known_by| Cell::Known {
            value: CopyCount { least: count, most: Some(count), most_known_by: Some(known_by) },
            known_by,
        };
        if self.blocks.is_some_and(Blocks::all_shared) {
            return exactly(0, Evidence::SharedExtents);
        }
        match self.seen {
            Seen::New => return exactly(0, Evidence::Aliasing),
            Seen::Mixed => return Cell::unknown("some pages were copied, and others not"),
            Seen::Old => {}
        }
        let claim = self.report.copies;
        // The disk has written these bytes into memory by itself: they are old, and no processor has copied them.
        if self.report.mechanism == Mechanism::DirectIo && claim.count == Some(0) {
            return exactly(0, Evidence::Model);
        }
        let by_calls: u8 = self.calls.iter().map(|step| step.copies).sum();
        let (least, known_by) = match claim.known_by {
            // Of one copy; what came before the send (a read), it does not know.
            KnownBy::Kernel => (1, Evidence::KernelVerdict),
            _ if by_calls > 0 => (by_calls, Evidence::AliasingOfEachCall),
            _ => (1, Evidence::Aliasing),
        };
        // That it was not more, only the model can say: old bytes look the same after two copies as after one.
        let most = claim.count.filter(|&count| self.has_model && count >= least);
        let most_known_by = most.map(|_| Evidence::Model);
        Cell::Known { value: CopyCount { least, most, most_known_by }, known_by }
    }
}

/// A claim outside what experiments allow. The model cannot contradict: it is where claims come from.
fn contradiction(claim: Option<u8>, measured: CopyCount) -> Option<String> {
    let claim = claim?;
    if claim < measured.least {
        return Some(format!("claims {claim} copies, and at least {} was made", measured.least));
    }
    let most = measured.most.filter(|_| measured.most_known_by != Some(Evidence::Model))?;
    (claim > most).then(|| format!("claims {claim} copies, and at most {most} was made"))
}
