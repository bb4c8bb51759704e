//! One lane's samples at one point, and what follows from them.

use serde::{Deserialize, Serialize};

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
    /// The speed ratio that zcio states here; `None` for other lanes, and where nothing is stated.
    pub floor: Option<f64>,
    /// What this run says of it.
    pub verdict: Option<Verdict>,
    /// The CPU ratio that zcio states here at the most; `None` as for `floor`.
    pub cpu_ceiling: Option<f64>,
    /// What this run says of it.
    pub cpu_verdict: Option<Verdict>,
    /// The mechanism that zcio reported in every round, or all of them.
    pub mechanism: Option<String>,
    /// One per round.
    pub samples: Vec<Sample>,
}

/// Whether the stated ratio was kept, by the interval of the measured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The whole interval is on the good side of what is stated, or at it.
    Holds,
    /// The whole interval is on the other side.
    Broken,
    /// What is stated is inside: this run cannot tell.
    Undecided,
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
        let is_stated = speed_ratio.is_some() && lane.method.zcio && lane.method.stated;
        let floor = if is_stated { route.floor(lane.language, &lane.runtime) } else { None };
        let cpu_ceiling = if is_stated { route.cpu_ceiling(lane.language) } else { None };
        let switches: Option<Vec<f64>> = samples.iter().map(switches).collect();
        let peak = samples.iter().filter_map(|sample| sample.peak_bytes).max();
        Some(Self {
            language: lane.language,
            runtime: lane.runtime.clone(),
            method: lane.method.name.to_string(),
            label: lane.method.label(route.name())?.to_string(),
            zcio: lane.method.zcio,
            control: lane.method.control,
            reference: false,
            gigabytes_per_second: Summary::of(each(samples, speed))?,
            cpu_seconds_per_gigabyte: Summary::of(each(samples, cpu_cost))?,
            system_calls_per_mebibyte: system_calls,
            context_switches_per_mebibyte: switches.and_then(Summary::of),
            peak_mebibytes: peak.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            speed_ratio,
            cpu_ratio,
            floor,
            verdict: speed_ratio.zip(floor).map(|(ratio, floor)| Verdict::of(&ratio, floor)),
            cpu_ceiling,
            cpu_verdict: cpu_ratio.zip(cpu_ceiling).map(|(ratio, ceiling)| Verdict::of_ceiling(&ratio, ceiling)),
            mechanism: (!mechanisms.is_empty()).then(|| mechanisms.join(", ")),
            samples: samples.to_vec(),
        })
    }
}

impl Verdict {
    /// By the interval, not by the median: a median above the floor proves nothing.
    pub fn of(ratio: &Summary, floor: f64) -> Self {
        match ratio {
            ratio if ratio.low >= floor => Self::Holds,
            ratio if ratio.high < floor => Self::Broken,
            _ => Self::Undecided,
        }
    }

    /// The same of a ratio that is to be small.
    pub fn of_ceiling(ratio: &Summary, ceiling: f64) -> Self {
        match ratio {
            ratio if ratio.high <= ceiling => Self::Holds,
            ratio if ratio.low > ceiling => Self::Broken,
            _ => Self::Undecided,
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::Undecided => "undecided",
        }
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

    #[test]
    fn a_verdict_is_the_intervals_and_not_the_medians() {
        let ratio = |low, high| Summary { median: 1.0, low, high, min: low, max: high };
        assert_eq!(Verdict::of(&ratio(0.98, 1.1), 0.97), Verdict::Holds);
        assert_eq!(Verdict::of(&ratio(0.9, 1.1), 0.97), Verdict::Undecided);
        assert_eq!(Verdict::of(&ratio(0.9, 0.96), 0.97), Verdict::Broken);
        assert_eq!(Verdict::of_ceiling(&ratio(0.3, 0.6), 0.6), Verdict::Holds);
        assert_eq!(Verdict::of_ceiling(&ratio(0.3, 0.7), 0.6), Verdict::Undecided);
        assert_eq!(Verdict::of_ceiling(&ratio(0.61, 0.7), 0.6), Verdict::Broken);
    }
}
