//! How zcio stands against the best way without it, if this run can tell.
//!
//! A ratio is judged by its interval and by the control: the reference, run as a second lane, whose ratio to itself would be 1
//! on a machine without noise. What the control's interval is away from 1, on a logarithmic scale, is added to both ends of
//! the interval that is judged, so that nothing is claimed that is smaller than what two equal lanes differ by. Time and CPU
//! time are judged alike. (Medians and order statistics are the same of ratios as of their logarithms.)

use serde::{Deserialize, Serialize};

use crate::statistics::Summary;

/// Smaller differences than this are no reason to choose.
const EFFECT: f64 = 0.03;
/// What may be inside the interval of two ways that are called the same.
const SAME: f64 = 0.05;
/// A control that came out further from itself than this makes every claim void.
const LOUD: f64 = 0.10;
/// As many processors may be busy for others.
pub const BUSY: f64 = 0.25;

/// What follows for a reader who must choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// zcio takes less time.
    Better,
    /// It makes no difference.
    Same,
    /// zcio takes more.
    Worse,
    /// This run cannot tell: the interval is too wide.
    Unclear,
    /// The machine was too noisy for any claim.
    Noisy,
}

impl Standing {
    /// Of a ratio of speeds; of one of costs, its inverse is judged.
    pub fn of(ratio: &Summary, control: Option<&Summary>, is_busy: bool) -> Self {
        let Some(noise) = control.map(noise).filter(|&noise| noise <= LOUD && !is_busy) else { return Self::Noisy };
        let (low, high) = (ratio.low.ln() - noise, ratio.high.ln() + noise);
        match ratio.median.ln() {
            middle if middle >= EFFECT && low > 0.0 => Self::Better,
            middle if middle <= -EFFECT && high < 0.0 => Self::Worse,
            _ if low > -SAME && high < SAME => Self::Same,
            _ => Self::Unclear,
        }
    }

    /// In a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Better => "faster",
            Self::Same => "same",
            Self::Worse => "slower",
            Self::Unclear => "not shown",
            Self::Noisy => "too noisy",
        }
    }
}

/// How far from 1 the interval of a control goes, on a logarithmic scale.
pub fn noise(control: &Summary) -> f64 {
    control.low.ln().abs().max(control.high.ln().abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(low: f64, median: f64, high: f64) -> Summary {
        Summary { median, low, high, min: low, max: high }
    }

    #[test]
    fn nothing_is_claimed_that_is_smaller_than_the_noise() {
        let (quiet, medium, loud) = (ratio(0.995, 1.0, 1.005), ratio(0.97, 1.01, 1.05), ratio(0.8, 1.0, 1.1));
        for (found, expected) in [
            (ratio(1.2, 1.3, 1.4), [Standing::Better, Standing::Better]),
            (ratio(0.7, 0.8, 0.9), [Standing::Worse, Standing::Worse]),
            (ratio(1.03, 1.05, 1.06), [Standing::Better, Standing::Unclear]),
            (ratio(0.99, 1.0, 1.01), [Standing::Same, Standing::Unclear]),
            (ratio(0.9, 1.0, 1.1), [Standing::Unclear, Standing::Unclear]),
            // Surely faster, and not by enough to matter.
            (ratio(1.01, 1.02, 1.03), [Standing::Same, Standing::Unclear]),
        ] {
            assert_eq!([&quiet, &medium].map(|control| Standing::of(&found, Some(control), false)), expected);
            for (control, is_busy) in [(Some(&loud), false), (None, false), (Some(&quiet), true)] {
                assert_eq!(Standing::of(&found, control, is_busy), Standing::Noisy);
            }
        }
    }
}
