//! One way of moving bytes on one route: what `prove` measures of it, in the form of a figure.

use serde::Serialize;

use crate::mechanism::Mechanism;
use crate::proof::{Article, Cell, Cost, Options, Route, Row, Step, Subject, examine};

/// A way, measured.
#[derive(Serialize)]
pub(super) struct Way {
    pub mechanism: &'static str,
    pub route: Route,
    pub over: &'static str,
    pub article: Option<Article>,
    pub copies: Option<Count>,
    /// The copies of each of its system calls, where it is made of more than one.
    pub calls: Vec<Step>,
    /// A transfer that needs one round.
    pub one_round: Option<Round>,
    /// A larger one with the file in the page cache, and with the file on its disk alone.
    pub warm: Option<Spent>,
    pub cold: Option<Spent>,
}

/// Copies by the processor.
#[derive(Serialize)]
pub(super) struct Count {
    pub least: u8,
    pub most: Option<u8>,
    pub known_by: &'static str,
}

#[derive(Serialize)]
pub(super) struct Round {
    pub bytes: u64,
    pub system_calls: u64,
    pub switches: u64,
}

/// What a transfer took; `None` is what is not known.
#[derive(Serialize)]
pub(super) struct Spent {
    pub bytes: u64,
    pub system_calls: Option<u64>,
    /// All calls of the thread by the kernel's own count (root).
    pub system_calls_seen: Option<u64>,
    pub switches: Option<u64>,
    /// Minor and major ones together.
    pub page_faults: Option<u64>,
    pub minor_faults: Option<u64>,
    pub major_faults: Option<u64>,
    pub read_from_disk: Option<u64>,
    pub sent_by_network: Option<u64>,
    pub interrupts_by_devices: Option<u64>,
    pub interrupts_by_processors: Option<u64>,
    pub milliseconds: f64,
    pub processor_milliseconds: Option<f64>,
}

impl Way {
    /// Measures a mechanism; what is not known is told in `unseen`.
    pub fn measure(mechanism: Mechanism, route: Route, options: &Options, unseen: &mut Vec<String>) -> Self {
        let row = examine(route, &Subject::engine(mechanism), options);
        let over = route.title().rsplit(", ").next().unwrap_or_default();
        let mut tell = |what: &str, reason: Option<&str>| {
            unseen.extend(reason.map(|reason| format!("{}{what}: {reason}", route.title())));
        };
        tell("", row.copies.reason());
        if row.copies.value().is_some() {
            tell("", row.warm.reason());
            tell(", with a cold cache", row.cold.reason());
            let disk = row.cold.value().and_then(|cold| cold.block.reason());
            tell(", bytes of the disk", disk);
        }
        Self::of(row, mechanism, over)
    }

    fn of(row: Row, mechanism: Mechanism, over: &'static str) -> Self {
        let copies = row.copies.value().zip(row.copies.known_by());
        let copies = copies.map(|(count, by)| Count { least: count.least, most: count.most, known_by: by.name() });
        let calls = row.one_round.value().copied();
        Self {
            mechanism: mechanism.name(),
            route: row.route,
            over,
            article: row.article,
            copies,
            one_round: calls.map(|calls| Round { bytes: Row::ONE_ROUND, system_calls: calls, switches: 2 * calls }),
            warm: row.warm.value().map(Spent::of),
            cold: row.cold.value().map(Spent::of),
            calls: row.calls,
        }
    }

    /// Copies between the bounds that are known.
    pub fn copies(&self) -> Option<String> {
        let Count { least, most, .. } = self.copies.as_ref()?;
        Some(match most {
            Some(most) if most == least => most.to_string(),
            Some(most) => format!("{least}–{most}"),
            None => format!("≥ {least}"),
        })
    }

    /// The transfer with a cold cache, where page faults and interrupts show, or else the other one.
    pub fn spent(&self) -> Option<&Spent> {
        self.cold.as_ref().or(self.warm.as_ref())
    }
}

impl Spent {
    fn of(cost: &Cost) -> Self {
        let faults = cost.faults.value();
        let interrupts = cost.interrupts.value();
        let copied = |cell: &Cell<u64>| cell.value().copied();
        let milliseconds = |seconds: f64| (seconds * 1e6).round() / 1e3;
        let processor = cost.cpu_seconds_per_gb.value().map(|per_gb| per_gb * cost.bytes as f64 / 1e9);
        Self {
            bytes: cost.bytes,
            system_calls: copied(&cost.system_calls),
            system_calls_seen: copied(&cost.system_calls_seen),
            switches: copied(&cost.switches),
            page_faults: faults.map(|faults| faults.minor + faults.major),
            minor_faults: faults.map(|faults| faults.minor),
            major_faults: faults.map(|faults| faults.major),
            read_from_disk: cost.block.value().map(|block| block.read),
            sent_by_network: copied(&cost.network),
            interrupts_by_devices: interrupts.map(|found| found.by_devices),
            interrupts_by_processors: interrupts.map(|found| found.by_processors),
            milliseconds: milliseconds(cost.seconds),
            processor_milliseconds: processor.map(milliseconds),
        }
    }
}
