//! The documents that `--json` writes. Their fields have the names of the core's reports; times are in seconds.

use std::io::{self, Write};

use serde::Serialize;

use super::failure::Failure;
use crate::copy::CopyReport;
use crate::relay::DirectionReport;
use crate::report::{Attempt, Report};
use crate::{Outcome, RelayReport};

/// What a failed command leaves for programs.
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    pub error: &'a Failure,
}

/// Writes one document and a line's end.
pub(super) fn write(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(io::Error::other)?;
    writeln!(out, "{text}")
}

#[derive(Serialize)]
pub(super) struct AttemptDocument {
    mechanism: &'static str,
    moved: u64,
    operation: &'static str,
    errno: Option<i32>,
    reason: String,
}

fn attempts(attempts: &[Attempt]) -> Vec<AttemptDocument> {
    let document = |attempt: &Attempt| AttemptDocument {
        mechanism: attempt.mechanism.name(),
        moved: attempt.moved,
        operation: attempt.operation,
        errno: attempt.errno,
        reason: attempt.reason.clone(),
    };
    attempts.iter().map(document).collect()
}

/// A transfer between two ends.
#[derive(Serialize)]
pub(super) struct TransferDocument {
    source: String,
    sink: String,
    bytes: u64,
    requested: Option<u64>,
    mechanism: &'static str,
    automatic: bool,
    attempts: Vec<AttemptDocument>,
    system_calls: u64,
    waits: u64,
    copies: Option<u8>,
    copies_known_by: &'static str,
    elapsed: f64,
}

impl TransferDocument {
    pub fn new(source: String, sink: String, report: &Report) -> Self {
        Self {
            source,
            sink,
            bytes: report.bytes,
            requested: report.requested,
            mechanism: report.mechanism.name(),
            automatic: report.automatic,
            attempts: attempts(&report.attempts),
            system_calls: report.system_calls,
            waits: report.waits,
            copies: report.copies.count,
            copies_known_by: report.copies.known_by.name(),
            elapsed: report.elapsed.as_secs_f64(),
        }
    }
}

/// A copy of a file.
#[derive(Serialize)]
pub(super) struct CopyDocument {
    source: String,
    destination: String,
    bytes: u64,
    holes: u64,
    cloned: bool,
    mechanism: Option<&'static str>,
    attempts: Vec<AttemptDocument>,
    elapsed: f64,
}

impl CopyDocument {
    pub fn new(source: String, destination: String, report: &CopyReport) -> Self {
        Self {
            source,
            destination,
            bytes: report.bytes,
            holes: report.holes,
            cloned: report.cloned,
            mechanism: report.mechanism.map(crate::Mechanism::name),
            attempts: attempts(&report.attempts),
            elapsed: report.elapsed.as_secs_f64(),
        }
    }
}

/// One direction of a relayed connection.
#[derive(Serialize)]
pub(super) struct DirectionDocument {
    bytes: u64,
    mechanism: &'static str,
    attempts: Vec<AttemptDocument>,
    outcome: &'static str,
    error: Option<String>,
}

impl DirectionDocument {
    fn new(report: &DirectionReport) -> Self {
        let (outcome, error) = match &report.outcome {
            Outcome::Open => ("open", None),
            Outcome::Ended => ("ended", None),
            Outcome::Failed(error) => ("failed", Some(error.to_string())),
        };
        let attempts = attempts(&report.attempts);
        Self { bytes: report.bytes, mechanism: report.mechanism.name(), attempts, outcome, error }
    }
}

/// A relayed connection that is over.
#[derive(Serialize)]
pub(super) struct ConnectionDocument {
    peer: String,
    forward: DirectionDocument,
    backward: DirectionDocument,
    system_calls: u64,
    waits: u64,
    elapsed: f64,
}

impl ConnectionDocument {
    pub fn new(peer: String, report: &RelayReport) -> Self {
        Self {
            peer,
            forward: DirectionDocument::new(&report.forward),
            backward: DirectionDocument::new(&report.backward),
            system_calls: report.system_calls,
            waits: report.waits,
            elapsed: report.elapsed.as_secs_f64(),
        }
    }
}

/// Everything a relay did. Of many connections only the last is told in full.
#[derive(Serialize)]
pub(super) struct RelayDocument {
    pub listening: String,
    pub target: String,
    pub connections: u64,
    pub failed: u64,
    pub forward: u64,
    pub backward: u64,
    pub last: Option<ConnectionDocument>,
    pub elapsed: f64,
}
