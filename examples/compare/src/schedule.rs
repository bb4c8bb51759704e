//! The order of everything: first every lane's content is checked, then the rounds, interleaved, point by point.
//!
//! In a round every lane runs once, one after the other, in an order that is drawn anew each time: a lane that always
//! follows the same one inherits its state (which processor the peer is on, how much memory is free), and two lanes of the
//! same code were seen 13 % apart for that reason. The first round warms up and is thrown away. What the machine does
//! meanwhile thus falls on all lanes alike, and each round gives one fair ratio.

use std::hash::{BuildHasher, Hasher, RandomState};

use anyhow::{Context, Result};

use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::progress::Progress;
use crate::results::{Outcome, Row, per_mebibyte};
use crate::routes::{Bench, Route};

/// A point that is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The route.
    pub route: &'static dyn Route,
    /// Where on its axis.
    pub at: u64,
    /// Whether system calls are counted there.
    pub count_calls: bool,
}

/// Checks the content of each lane's run at each point that is not in the results yet; the first wrong byte is an error.
pub fn check(bench: &Bench<'_>, lanes: &mut [Lane], points: &[Point], results: &Outcome) -> Result<()> {
    let jobs = points.iter().map(|point| unmeasured(lanes, point, results).len()).sum();
    let progress = Progress::new("checking every byte by SHA-256", jobs);
    for point in points {
        for index in unmeasured(lanes, point, results) {
            let lane = &mut lanes[index];
            progress.step(&lane.title(point.route));
            bench.run(point.route, lane, point.at, Check::Content).context("the check of the content failed")?;
        }
    }
    progress.finish();
    Ok(())
}

/// One round to warm up and `rounds` timed ones, of the lanes that are not in the results yet. `None` if all are.
pub fn measure(
    bench: &Bench<'_>,
    lanes: &mut [Lane],
    point: &Point,
    rounds: u32,
    results: &Outcome,
) -> Result<Option<Vec<Row>>> {
    let serving = unmeasured(lanes, point, results);
    if serving.is_empty() {
        return Ok(None);
    }
    let Point { route, at, count_calls } = *point;
    let mut calls = vec![None; serving.len()];
    let mut series = vec![Vec::new(); serving.len()];
    let stage = format!("timing {} {}", route.title(), route.axis().label(at));
    let progress = Progress::new(stage.trim_end(), serving.len() * (rounds as usize + 1 + usize::from(count_calls)));
    if count_calls {
        for (calls, &index) in calls.iter_mut().zip(&serving) {
            let lane = &mut lanes[index];
            progress.step(&format!("system calls: {}", lane.title(route)));
            let sample = lane.counting_calls(|lane| bench.run(route, lane, at, Check::Count));
            let sample = sample.context("a run with system calls counted failed")?;
            *calls = sample.system_calls.map(|count| per_mebibyte(count, sample.bytes));
        }
    }
    let mut order: Vec<usize> = (0..serving.len()).collect();
    for round in 0..=rounds {
        shuffle(&mut order);
        for &index in &order {
            let lane = &mut lanes[serving[index]];
            let what = if round == 0 { "warm-up".to_string() } else { format!("round {round} of {rounds}") };
            progress.step(&format!("{what}: {}", lane.title(route)));
            let sample = bench.run(route, lane, at, Check::Count).context("a timed run failed")?;
            if round > 0 {
                series[index].push(sample);
            }
        }
    }
    progress.finish();
    Ok(Some(rows(lanes, route, &serving, &series, &calls)))
}

fn rows(
    lanes: &[Lane],
    route: &dyn Route,
    serving: &[usize],
    series: &[Vec<Sample>],
    calls: &[Option<f64>],
) -> Vec<Row> {
    let reference_of = |runtime: &str| {
        let is_one = |&index: &usize| {
            let lane = &lanes[serving[index]];
            lane.runtime == runtime && lane.method.is_reference(route.name())
        };
        (0..serving.len()).find(is_one)
    };
    let row = |index: usize| {
        let lane = &lanes[serving[index]];
        let reference = reference_of(&lane.runtime);
        let others = reference.filter(|&reference| reference != index).map(|reference| series[reference].as_slice());
        let mut row = Row::of(lane, route, &series[index], others, calls[index])?;
        row.reference = reference == Some(index);
        Some(row)
    };
    (0..serving.len()).filter_map(row).collect()
}

/// The lanes of every runtime that has one which serves the route and is not in the results: ratios need all of a runtime
/// in the same rounds.
fn unmeasured(lanes: &[Lane], point: &Point, results: &Outcome) -> Vec<usize> {
    let name = point.route.name();
    let known = results.cell(point.route, point.at).map_or(&[][..], |cell| &cell.lanes);
    let is_new = |lane: &Lane| {
        lane.method.label(name).is_some()
            && known.iter().all(|row| row.runtime != lane.runtime || row.method != lane.method.name)
    };
    let is_asked = |lane: &Lane| lanes.iter().any(|other| other.runtime == lane.runtime && is_new(other));
    (0..lanes.len()).filter(|&index| lanes[index].method.label(name).is_some() && is_asked(&lanes[index])).collect()
}

/// Fisher–Yates, with the seeds that the standard library draws for its hash maps.
fn shuffle(order: &mut [usize]) {
    for last in (1..order.len()).rev() {
        let random = RandomState::new().build_hasher().finish();
        order.swap(last, (random % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_three_is_drawn() {
        let mut order = [0, 1, 2];
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            shuffle(&mut order);
            seen.insert(order);
        }
        assert_eq!(seen.len(), 6);
    }
}
