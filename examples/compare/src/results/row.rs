//! One lane's samples at one point, and what follows from them.

use serde::{Deserialize, Serialize};

use super::standing::Standing;
use crate::families::Language;
use crate::lane::{Lane, Sample};
use crate::routes::Route;
use crate::statistics::Summary;

/// One lane's row. Ratios are above 1 when this lane takes more of it than the reference: more speed, more CPU time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its language.
    pub language: Language,
    /// The language with its runtime's version.
    pub runtime: String,
    /// The method's name.
    pub method: String,
    /// What the method is called on this route.
    pub label: String,
    /// Whether it is zcio.
    pub zcio: bool,
    /// Whether it is its reference again.
    pub control: bool,
    /// What kind of program it is, where that is not one of plain calls.
    pub kind: String,
    /// Whether its runtime is measured against it here.
    pub reference: bool,
    /// 10⁹ bytes per second of wall time.
    pub gigabytes_per_second: Summary,
    /// Seconds of the lane's CPU time per 10⁹ bytes.
    pub cpu_seconds_per_gigabyte: Summary,
    /// System calls of the lane's process per 2²⁰ bytes, in one run of its own.
    pub system_calls_per_mebibyte: Option<f64>,
    /// Context switches of the lane's threads per 2²⁰ bytes.
    pub context_switches_per_mebibyte: Option<Summary>,
    /// The most memory it had resident in any run, in 2²⁰ bytes.
    pub peak_mebibytes: Option<f64>,
    /// Speed by the reference's speed, round by round; `None` for references and where there is none.
    pub speed_ratio: Option<Summary>,
    /// CPU time by the reference's CPU time, round by round.
    pub cpu_ratio: Option<Summary>,
    /// How zcio stands against the best way without it; `None` for other lanes, and where there is none.
    pub against: Option<Against>,
    /// The mechanism that zcio reported in every round, or all of them.
    pub mechanism: Option<String>,
    /// One per round.
    pub samples: Vec<Sample>,
}

/// zcio beside the best lane without it among its like, by speed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// What that lane is called.
    pub lane: String,
    /// zcio's speed by its speed, round by round.
    pub speed_ratio: Summary,
    /// zcio's CPU time by its CPU time.
    pub cpu_ratio: Summary,
    /// What follows for the time it takes.
    pub time: Standing,
    /// What follows for the CPU time it takes.
    pub cpu: Standing,
}

impl Row {
    /// `None` if there is not one sample.
    pub fn of(
        lane: &Lane,
        route: &dyn Route,
        samples: &[Sample],
        reference: Option<&[Sample]>,
        system_calls: Option<f64>,
    ) -> Option<Self> {
        let ratio = |of: fn(&Sample) -> f64| {
            reference.and_then(|other| Summary::of_ratios(&each(samples, of), &each(other, of)))
        };
        let mut mechanisms: Vec<&str> = samples.iter().filter_map(|sample| sample.mechanism.as_deref()).collect();
        mechanisms.sort_unstable();
        mechanisms.dedup();
        let speed_ratio = ratio(speed);
        let cpu_ratio = ratio(cpu_cost);
        let switches: Option<Vec<f64>> = samples.iter().map(switches).collect();
        let peak = samples.iter().filter_map(|sample| sample.peak_bytes).max();
        Some(Self {
            language: lane.language,
            runtime: lane.runtime.clone(),
            method: lane.method.name.to_string(),
            label: lane.method.label(route.name())?.to_string(),
            zcio: lane.method.zcio,
            control: lane.method.control,
            kind: lane.method.kind.to_string(),
            reference: false,
            gigabytes_per_second: Summary::of(each(samples, speed))?,
            cpu_seconds_per_gigabyte: Summary::of(each(samples, cpu_cost))?,
            system_calls_per_mebibyte: system_calls,
            context_switches_per_mebibyte: switches.and_then(Summary::of),
            peak_mebibytes: peak.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            speed_ratio,
            cpu_ratio,
            against: None,
            mechanism: (!mechanisms.is_empty()).then(|| mechanisms.join(", ")),
            samples: samples.to_vec(),
        })
    }
}

impl Against {
    /// `control` is the row of their runtime's control.
    pub fn of(zcio: &Row, best: &Row, control: Option<&Row>, is_busy: bool) -> Option<Self> {
        let ratio = |of: fn(&Sample) -> f64| Summary::of_ratios(&each(&zcio.samples, of), &each(&best.samples, of));
        let (speed_ratio, cpu_ratio) = (ratio(speed)?, ratio(cpu_cost)?);
        let noise = |of: fn(&Row) -> Option<Summary>| control.and_then(of);
        Some(Self {
            lane: best.label.clone(),
            speed_ratio,
            cpu_ratio,
            time: Standing::of(&speed_ratio, noise(|row| row.speed_ratio).as_ref(), is_busy),
            cpu: Standing::of(&cpu_ratio.inverse(), noise(|row| row.cpu_ratio).as_ref(), is_busy),
        })
    }
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
    sample.cpu_ns.max(1) as f64 / sample.bytes as f64
}

fn switches(sample: &Sample) -> Option<f64> {
    sample.context_switches.map(|count| per_mebibyte(count, sample.bytes))
}

/// A count by 2²⁰ bytes.
pub fn per_mebibyte(count: u64, bytes: u64) -> f64 {
    count as f64 / (bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // The values are chosen so that every result is exact.
mod tests {
    use super::*;

    #[test]
    fn the_units_are_what_they_are_called() {
        // 2 GB in 4 s of wall time and 1 s of CPU time.
        let sample = Sample {
            bytes: 2_000_000_000,
            wall_ns: 4_000_000_000,
            cpu_ns: 1_000_000_000,
            context_switches: None,
            peak_bytes: None,
            mechanism: None,
            digest: None,
            system_calls: None,
        };
        assert_eq!(speed(&sample), 0.5);
        assert_eq!(cpu_cost(&sample), 0.5);
        assert_eq!(per_mebibyte(32, 4 << 20), 8.0);
    }
}
