//! What was measured, as it is written to JSON and read again: every sample, and what follows from them.
//!
//! `RESULTS.md` beside this program's `Cargo.toml` describes the file, field by field; a test compares the two. Everything
//! that is printed, the page and the Markdown are made from this and nothing else.

mod row;
pub mod standing;

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::families::Missing;
use crate::host::Host;
use crate::pin::Pin;
use crate::routes::{Axis, Route};
use crate::subject::Subject;
pub use row::{Against, Row, per_mebibyte};
pub use standing::Standing;

/// Raised when a reader of the file would have to change.
pub const SCHEMA: u32 = 2;

/// The whole outcome of one run of the program, or of several that went on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Where and when.
    pub host: Host,
    /// How.
    pub settings: Settings,
    /// One for each point of each route.
    pub cells: Vec<Cell>,
    /// Points that were left out.
    pub skipped: Vec<Skipped>,
    /// Lanes that gave up at a point.
    pub failed: Vec<Failed>,
    /// Lanes that could not run.
    pub missing: Vec<Missing>,
}

/// How it was measured. Results go on only with the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The command to repeat it.
    pub command: String,
    /// Timed rounds.
    pub rounds: u32,
    /// Where the processes ran.
    pub pin: Pin,
    /// What every interval covers, by the binomial distribution.
    pub coverage: f64,
    /// Why system calls were not counted; `None` if they were, by strace(1).
    pub system_calls_not_counted: Option<String>,
    /// The file that was moved, if one was named.
    pub file: Option<Subject>,
    /// Where new files went, and the type of that file system.
    pub destination: String,
}

/// One point of one route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// The route's name.
    pub route: String,
    /// As it stands above a table.
    pub title: String,
    /// What a run does, and when it is over.
    pub about: String,
    /// What is varied along the route.
    pub axis: Axis,
    /// Where on it: bytes, connections, or reads at a time.
    pub point: u64,
    /// The same in words.
    pub label: String,
    /// How many processors were busy for others meanwhile, at the most: from 0.25 on nothing is claimed.
    pub others: f64,
    /// One row each.
    pub lanes: Vec<Row>,
}

/// A point that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The route's name.
    pub route: String,
    /// The point in words.
    pub point: String,
    /// Why.
    pub reason: String,
}

/// A lane that gave up at a point, in its own words. It is not in that point's cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The route's name.
    pub route: String,
    /// The point in words.
    pub point: String,
    /// Which lane.
    pub lane: String,
    /// What it said.
    pub reason: String,
}

impl Outcome {
    /// Reads results that this program wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let schema = serde_json::from_str::<serde_json::Value>(&text)?["schema"].as_u64();
        ensure!(schema == Some(SCHEMA.into()), "{} has another schema than {SCHEMA}", path.display());
        serde_json::from_str(&text).with_context(|| format!("{} is no file of results", path.display()))
    }

    /// Writes it beside the old one and puts it in its place, so that there is always a whole one.
    pub fn write(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let file = File::create(&new).with_context(|| format!("cannot write {}", new.display()))?;
        serde_json::to_writer_pretty(file, self)?;
        fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// That what is measured now may stand beside what is here.
    pub fn accept(&self, host: &Host, settings: &Settings) -> Result<()> {
        let same = |now: &dyn std::fmt::Debug, then: &dyn std::fmt::Debug, what: &str| {
            let (now, then) = (format!("{now:?}"), format!("{then:?}"));
            ensure!(now == then, "these results are of another {what}: {then}, now {now}");
            Ok(())
        };
        same(&host.kernel, &self.host.kernel, "kernel")?;
        same(&host.cpu, &self.host.cpu, "machine")?;
        same(&settings.rounds, &self.settings.rounds, "number of rounds")?;
        same(&settings.pin, &self.settings.pin, "--pin")
    }

    /// The cell of that point, if there is one.
    pub fn cell(&self, route: &dyn Route, point: u64) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.route == route.name() && cell.point == point)
    }

    /// Adds rows to the cell of that point; rows of the same runtimes are replaced.
    pub fn add(&mut self, route: &dyn Route, point: u64, rows: Vec<Row>, others: f64) {
        let known = self.cells.iter().position(|cell| cell.route == route.name() && cell.point == point);
        let index = known.unwrap_or_else(|| {
            self.cells.push(Cell::new(route, point));
            self.cells.len() - 1
        });
        let Cell { lanes, others: most, .. } = &mut self.cells[index];
        *most = most.max(others);
        lanes.retain(|old| rows.iter().all(|row| row.runtime != old.runtime));
        lanes.extend(rows);
        lanes.sort_by(|a, b| (a.language, &a.runtime).cmp(&(b.language, &b.runtime)));
        let place = |cell: &Cell| crate::routes::ALL.iter().position(|route| route.name() == cell.route);
        self.cells.sort_by_key(|cell| (place(cell), cell.point));
    }
}

impl Cell {
    fn new(route: &dyn Route, point: u64) -> Self {
        Self {
            route: route.name().to_string(),
            title: route.title().to_string(),
            about: route.about().to_string(),
            axis: route.axis(),
            point,
            label: route.axis().label(point),
            others: 0.0,
            lanes: Vec::new(),
        }
    }

    /// Its title with the point.
    pub fn heading(&self) -> String {
        if self.label.is_empty() { self.title.clone() } else { format!("{}, {}", self.title, self.label) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Sample;
    use crate::statistics::Summary;

    /// Every name of an object's field, however deep.
    fn names(value: &serde_json::Value, into: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, field) in fields {
                    into.insert(name.clone());
                    names(field, into);
                }
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| names(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_described() {
        let ratio = Summary { median: 1.0, low: 1.0, high: 1.0, min: 1.0, max: 1.0 };
        let mut outcome = crate::table::tests::outcome(ratio);
        outcome.cells[0].lanes[0].samples.push(Sample {
            bytes: 1,
            wall_ns: 1,
            cpu_ns: 1,
            context_switches: None,
            peak_bytes: None,
            mechanism: None,
            digest: None,
            system_calls: None,
        });
        let json = serde_json::to_value(&outcome).unwrap();
        let mut found = std::collections::BTreeSet::new();
        names(&json, &mut found);
        let described = include_str!("../RESULTS.md");
        for name in found {
            assert!([".", "`", "]."].iter().any(|before| described.contains(&format!("{before}{name}"))), "{name}");
        }
        let back: Outcome = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(back).unwrap(), json);
    }
}
