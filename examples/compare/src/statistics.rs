//! Medians, spreads and paired ratios of a handful of rounds.
//!
//! Absolute figures drift while a program runs (other processes, the clock of the CPU, the host of a virtual machine).
//! So two lanes are compared round by round, and the median is taken of the ratios, never the ratio of the medians. The
//! spread is the whole range: with five rounds there is nothing to cut off.

use serde::Serialize;

/// Median, lowest and highest of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one, or the mean of the two middle ones.
    pub median: f64,
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
        Some(Self { median, min, max })
    }

    /// The ratios of two series, element by element: `numerators[i] / denominators[i]`.
    pub fn of_ratios(numerators: &[f64], denominators: &[f64]) -> Option<Self> {
        assert_eq!(numerators.len(), denominators.len(), "paired series must have the same number of rounds");
        Self::of(numerators.iter().zip(denominators).map(|(numerator, denominator)| numerator / denominator))
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // The values are chosen so that every result is exact.
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_and_of_an_even_number() {
        assert_eq!(Summary::of([3.0, 1.0, 2.0]), Some(Summary { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Summary::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Summary::of([7.0]), Some(Summary { median: 7.0, min: 7.0, max: 7.0 }));
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn one_outlier_does_not_move_the_median() {
        assert_eq!(Summary::of([1.0, 1.0, 1000.0, 1.0, 1.0]).unwrap().median, 1.0);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine became ten times slower half-way; the ratio stayed 2.
        let (fast, slow) = ([2.0, 20.0, 20.0], [1.0, 10.0, 10.0]);
        assert_eq!(Summary::of_ratios(&fast, &slow), Some(Summary { median: 2.0, min: 2.0, max: 2.0 }));
        let drifting = Summary::of_ratios(&[1.0, 40.0, 20.0], &[1.0, 10.0, 10.0]).unwrap();
        assert_eq!(drifting, Summary { median: 2.0, min: 1.0, max: 4.0 });
    }

    #[test]
    #[should_panic(expected = "same number of rounds")]
    fn unpaired_series_are_a_mistake_of_the_program() {
        let _ = Summary::of_ratios(&[1.0], &[1.0, 2.0]);
    }
}
