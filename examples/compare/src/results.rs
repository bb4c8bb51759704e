//! What was measured, as it is printed and as it is written to JSON: every sample, and what follows from them.

use serde::Serialize;

use crate::host::Host;
use crate::lane::{Lane, Sample};
use crate::roster::{Language, ZCIO};
use crate::route::Route;
use crate::schedule::Measured;
use crate::start::Missing;
use crate::statistics::Summary;
use crate::trial::Subject;

/// The whole outcome of one run of the program.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Where and when.
    pub host: Host,
    /// The file that was moved.
    pub file: Subject,
    /// Where its copies went, and the type of that file system.
    pub destination: String,
    /// Timed rounds.
    pub rounds: u32,
    /// One table each.
    pub routes: Vec<RouteOutcome>,
    /// Lanes that could not run.
    pub missing: Vec<Missing>,
}

/// One route's table.
#[derive(Debug, Serialize)]
pub struct RouteOutcome {
    /// Which.
    pub route: Route,
    /// One row each.
    pub lanes: Vec<LaneOutcome>,
}

/// One lane's row. Ratios are above 1 when this lane takes more of it than the reference: more speed, more CPU time.
#[derive(Debug, Serialize)]
pub struct LaneOutcome {
    /// Its language.
    pub language: Language,
    /// The language with its runtime's version.
    pub runtime: String,
    /// The method's name.
    pub method: &'static str,
    /// What the method is called on this route.
    pub label: &'static str,
    /// Whether its language is measured against it here.
    pub reference: bool,
    /// 10⁹ bytes per second of wall time.
    pub gigabytes_per_second: Summary,
    /// Seconds of the lane's CPU time per 10⁹ bytes.
    pub cpu_seconds_per_gigabyte: Summary,
    /// Speed by the reference's speed, round by round; `None` for references and where there is none.
    pub speed_ratio: Option<Summary>,
    /// CPU time by the reference's CPU time, round by round.
    pub cpu_ratio: Option<Summary>,
    /// The mechanism that zcio reported in every round, or all of them.
    pub mechanism: Option<String>,
    /// One per round.
    pub samples: Vec<Sample>,
}

impl LaneOutcome {
    /// Whether this is the lane that is being judged.
    pub fn is_zcio(&self) -> bool {
        self.method == ZCIO
    }
}

impl RouteOutcome {
    /// Works out one route.
    pub fn of(measured: &Measured, lanes: &[Lane]) -> Self {
        let series = &measured.series;
        let reference = |lane: &Lane| {
            let is_reference =
                |other: &Lane| other.runtime == lane.runtime && other.method.is_reference(measured.route);
            series.iter().find(|(index, _)| is_reference(&lanes[*index])).map(|(_, samples)| samples.as_slice())
        };
        let rows = series.iter().filter_map(|(index, samples)| {
            let lane = &lanes[*index];
            row(lane, measured.route, samples, reference(lane))
        });
        Self { route: measured.route, lanes: rows.collect() }
    }
}

/// `None` if there is not one sample.
fn row(lane: &Lane, route: Route, samples: &[Sample], reference: Option<&[Sample]>) -> Option<LaneOutcome> {
    let is_reference = lane.method.is_reference(route);
    let reference = reference.filter(|_| !is_reference);
    let ratio =
        |of: fn(&Sample) -> f64| reference.and_then(|other| Summary::of_ratios(&each(samples, of), &each(other, of)));
    let mut mechanisms: Vec<&str> = samples.iter().filter_map(|sample| sample.mechanism.as_deref()).collect();
    mechanisms.dedup();
    Some(LaneOutcome {
        language: lane.language,
        runtime: lane.runtime.clone(),
        method: lane.method.name,
        label: lane.method.label(route)?,
        reference: is_reference,
        gigabytes_per_second: Summary::of(each(samples, speed))?,
        cpu_seconds_per_gigabyte: Summary::of(each(samples, cpu_cost))?,
        speed_ratio: ratio(speed),
        cpu_ratio: ratio(cpu_cost),
        mechanism: (!mechanisms.is_empty()).then(|| mechanisms.join(", ")),
        samples: samples.to_vec(),
    })
}

fn each(samples: &[Sample], of: fn(&Sample) -> f64) -> Vec<f64> {
    samples.iter().map(of).collect()
}

/// GB/s: bytes per nanosecond is the same.
fn speed(sample: &Sample) -> f64 {
    sample.bytes as f64 / sample.wall_ns as f64
}

/// CPU s/GB: nanoseconds per byte is the same.
fn cpu_cost(sample: &Sample) -> f64 {
    sample.cpu_ns as f64 / sample.bytes as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // The values are chosen so that every result is exact.
mod tests {
    use super::*;

    #[test]
    fn the_units_are_what_they_are_called() {
        // 2 GB in 4 s of wall time and 1 s of CPU time.
        let sample = Sample { bytes: 2_000_000_000, wall_ns: 4_000_000_000, cpu_ns: 1_000_000_000, mechanism: None };
        assert_eq!(speed(&sample), 0.5);
        assert_eq!(cpu_cost(&sample), 0.5);
    }
}
