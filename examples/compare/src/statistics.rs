//! Medians, intervals and paired ratios of a handful of rounds.
//!
//! Absolute figures drift while a program runs (other processes, the clock of the CPU, the host of a virtual machine).
//! So two lanes are compared round by round, and the median is taken of the ratios, never the ratio of the medians.
//!
//! The interval is the order-statistics interval of the median: from the k-th lowest value to the k-th highest, with the
//! largest k whose coverage, by the binomial distribution with p = ½, is at least 95 %. It assumes nothing about how the
//! values are distributed. Five rounds or fewer are too few for it: then it is the whole range, which covers 94 % at five.

use serde::{Deserialize, Serialize};

/// What an interval is meant to cover at least.
pub const CONFIDENCE: f64 = 0.95;

/// What some rounds gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The middle one, or the mean of the two middle ones.
    pub median: f64,
    /// The lower end of the interval of the median.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Summary {
    /// `None` for no values at all.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        let rank = rank(values.len());
        Some(Self { median, low: values[rank - 1], high: values[values.len() - rank], min, max })
    }

    /// That of the inverse values.
    pub fn inverse(&self) -> Self {
        let Self { median, low, high, min, max } = *self;
        Self { median: 1.0 / median, low: 1.0 / high, high: 1.0 / low, min: 1.0 / max, max: 1.0 / min }
    }

    /// The ratios of two series, element by element: `numerators[i] / denominators[i]`.
    pub fn of_ratios(numerators: &[f64], denominators: &[f64]) -> Option<Self> {
        assert_eq!(numerators.len(), denominators.len(), "paired series must have the same number of rounds");
        Self::of(numerators.iter().zip(denominators).map(|(numerator, denominator)| numerator / denominator))
    }
}

/// The k of the interval for that many values; 1 is the whole range.
fn rank(values: usize) -> usize {
    (1..=values.div_ceil(2)).rev().find(|&rank| covered(values, rank) >= CONFIDENCE).unwrap_or(1)
}

/// The probability that the median lies between the k-th lowest and the k-th highest of that many values.
fn covered(values: usize, rank: usize) -> f64 {
    // Fewer than k of n values lie below the median: the first k terms of the binomial distribution.
    let mut term = 0.5_f64.powi(values as i32);
    let mut tail = 0.0;
    for below in 0..rank {
        tail += term;
        term *= (values - below) as f64 / (below + 1) as f64;
    }
    1.0 - 2.0 * tail
}

/// The coverage of the interval of that many rounds.
pub fn coverage(rounds: u32) -> f64 {
    covered(rounds as usize, rank(rounds as usize))
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // The values are chosen so that every result is exact.
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_and_of_an_even_number() {
        let summary = Summary::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((summary.median, summary.min, summary.max), (2.0, 1.0, 3.0));
        assert_eq!(Summary::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Summary::of([7.0]), Some(Summary { median: 7.0, low: 7.0, high: 7.0, min: 7.0, max: 7.0 }));
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn one_outlier_does_not_move_the_median() {
        assert_eq!(Summary::of([1.0, 1.0, 1000.0, 1.0, 1.0]).unwrap().median, 1.0);
    }

    #[test]
    fn the_interval_has_the_ranks_of_the_tables() {
        // The ranks of the 95 % interval of the median in the usual tables of nonparametric statistics.
        for (values, expected) in
            [(5, 1), (6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8), (50, 18)]
        {
            assert_eq!(rank(values), expected, "{values} values");
        }
        assert!((coverage(5) - 0.9375).abs() < 1e-12);
        assert!((coverage(15) - 0.964_843_75).abs() < 1e-12);
        let summary = Summary::of((1..=15).map(f64::from)).unwrap();
        assert_eq!((summary.low, summary.median, summary.high), (4.0, 8.0, 12.0));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine became ten times slower half-way; the ratio stayed 2.
        let (fast, slow) = ([2.0, 20.0, 20.0], [1.0, 10.0, 10.0]);
        assert_eq!(
            Summary::of_ratios(&fast, &slow),
            Some(Summary { median: 2.0, low: 2.0, high: 2.0, min: 2.0, max: 2.0 })
        );
        let drifting = Summary::of_ratios(&[1.0, 40.0, 20.0], &[1.0, 10.0, 10.0]).unwrap();
        assert_eq!((drifting.median, drifting.min, drifting.max), (2.0, 1.0, 4.0));
    }

    #[test]
    #[should_panic(expected = "same number of rounds")]
    fn unpaired_series_are_a_mistake_of_the_program() {
        let _ = Summary::of_ratios(&[1.0], &[1.0, 2.0]);
    }
}
