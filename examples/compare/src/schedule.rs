//! The order of everything: first every lane's content is checked on every route, then the rounds, interleaved.
//!
//! In a round every lane moves the file once, one after the other; the next round begins with the next lane, so that no
//! lane always runs first or always after the same neighbour. The first round warms up and is thrown away. What the
//! machine does meanwhile thus falls on all lanes alike, and each round gives one fair ratio.

use anyhow::{Context, Result};

use crate::lane::{Lane, Sample};
use crate::progress::Progress;
use crate::route::Route;
use crate::trial::{Check, Trial};

/// What was measured on one route: for each lane that serves it, its index and one sample a round.
#[derive(Debug)]
pub struct Measured {
    /// The route.
    pub route: Route,
    /// Lane index and samples.
    pub series: Vec<(usize, Vec<Sample>)>,
}

/// Checks the content of each lane's transfer on each route; the first wrong byte is an error.
pub fn check(trial: &Trial<'_>, lanes: &mut [Lane], routes: &[Route]) -> Result<()> {
    let jobs = routes.iter().map(|&route| serving(lanes, route).len()).sum();
    let progress = Progress::new("checking every byte by SHA-256", jobs);
    for &route in routes {
        for index in serving(lanes, route) {
            let lane = &mut lanes[index];
            progress.step(&lane.title(route));
            trial.run(lane, route, Check::Content).context("the check of the content failed")?;
        }
    }
    progress.finish();
    Ok(())
}

/// One round to warm up and `rounds` timed ones on each route.
pub fn measure(trial: &Trial<'_>, lanes: &mut [Lane], routes: &[Route], rounds: u32) -> Result<Vec<Measured>> {
    routes.iter().map(|&route| measure_route(trial, lanes, route, rounds)).collect()
}

fn measure_route(trial: &Trial<'_>, lanes: &mut [Lane], route: Route, rounds: u32) -> Result<Measured> {
    let serving = serving(lanes, route);
    let mut series: Vec<_> = serving.iter().map(|&index| (index, Vec::new())).collect();
    let progress = Progress::new(&format!("timing {route}"), serving.len() * (rounds as usize + 1));
    for round in 0..=rounds {
        for place in rotated(serving.len(), round as usize) {
            let lane = &mut lanes[serving[place]];
            let what = if round == 0 { "warm-up".to_string() } else { format!("round {round} of {rounds}") };
            progress.step(&format!("{what}: {}", lane.title(route)));
            let sample = trial.run(lane, route, Check::Count).context("a timed run failed")?;
            if round > 0 {
                series[place].1.push(sample);
            }
        }
    }
    progress.finish();
    Ok(Measured { route, series })
}

fn serving(lanes: &[Lane], route: Route) -> Vec<usize> {
    (0..lanes.len()).filter(|&index| lanes[index].method.label(route).is_some()).collect()
}

/// 0 to `length`, beginning `by` places further on.
fn rotated(length: usize, by: usize) -> impl Iterator<Item = usize> {
    (0..length).map(move |place| (place + by) % length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_begins_with_the_next_lane() {
        let order = |round| rotated(3, round).collect::<Vec<_>>();
        assert_eq!([order(0), order(1), order(2), order(3)], [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }
}
