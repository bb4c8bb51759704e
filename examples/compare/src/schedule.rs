//! The order of everything: first every lane's content is checked, then the rounds, interleaved, point by point.
//!
//! In a round every lane runs once, one after the other, in an order that is drawn anew each time: a lane that always
//! follows the same one inherits its state (which processor the peer is on, how much memory is free), and two lanes of the
//! same code were seen 13 % apart for that reason. The first round warms up and is thrown away. What the machine does
//! meanwhile thus falls on all lanes alike, and each round gives one fair ratio.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lane::{self, Lane, Sample};
use crate::others::Others;
use crate::peer::Check;
use crate::progress::Progress;
use crate::results::standing::BUSY;
use crate::results::{Against, Failed, Outcome, Row, per_mebibyte};
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

/// Checks the content of each lane's run at each point that is not in the results yet; the first wrong byte is an error. A
/// lane that gives up is left out at that point. Gives back how long all of that took without the looking.
pub fn check(bench: &Bench<'_>, lanes: &mut [Lane], points: &[Point], results: &mut Outcome) -> Result<Duration> {
    let jobs = points.iter().map(|point| unmeasured(lanes, point, results).len()).sum();
    let progress = Progress::new("checking every byte by SHA-256", jobs);
    let mut took = Duration::ZERO;
    for point in points {
        for index in unmeasured(lanes, point, results) {
            let lane = &mut lanes[index];
            progress.step(&lane.title(point.route));
            let run = bench.run(point.route, lane, point.at, Check::Content).context("the check of the content failed");
            took += survived(run, lane, point, &mut results.failed)?
                .map_or(Duration::ZERO, |sample| Duration::from_nanos(sample.wall_ns));
        }
    }
    progress.finish();
    Ok(took)
}

/// What became of a point.
pub struct Measured {
    /// A row for each lane.
    pub rows: Vec<Row>,
    /// Processors that were busy for others meanwhile.
    pub others: f64,
}

/// One round to warm up and `rounds` timed ones, of the lanes that are not in the results yet. `None` if all are.
pub fn measure(
    bench: &Bench<'_>,
    lanes: &mut [Lane],
    point: &Point,
    rounds: u32,
    results: &mut Outcome,
) -> Result<Option<Measured>> {
    let mut order = unmeasured(lanes, point, results);
    if order.is_empty() {
        return Ok(None);
    }
    let Point { route, at, count_calls } = *point;
    let mut calls = vec![None; lanes.len()];
    let mut series = vec![Vec::new(); lanes.len()];
    let stage = format!("timing {} {}", route.title(), route.axis().label(at));
    let progress = Progress::new(stage.trim_end(), order.len() * (rounds as usize + 1 + usize::from(count_calls)));
    if count_calls {
        for &index in &order {
            let lane = &mut lanes[index];
            progress.step(&format!("system calls: {}", lane.title(route)));
            let run = lane.counting_calls(|lane| bench.run(route, lane, at, Check::Count));
            let run = run.context("a run with system calls counted failed");
            let sample = survived(run, lane, point, &mut results.failed)?;
            calls[index] = sample.and_then(|it| it.system_calls.map(|count| per_mebibyte(count, it.bytes)));
        }
    }
    let mut others = None;
    for round in 0..=rounds {
        order.retain(|&index| !has_failed(&lanes[index], point, results));
        shuffle(&mut order);
        if round == 1 {
            others = Some(Others::watch(lanes)?);
        }
        for &index in &order {
            let lane = &mut lanes[index];
            let what = if round == 0 { "warm-up".to_string() } else { format!("round {round} of {rounds}") };
            progress.step(&format!("{what}: {}", lane.title(route)));
            let run = bench.run(route, lane, at, Check::Count).context("a timed run failed");
            if let Some(sample) = survived(run, lane, point, &mut results.failed)?.filter(|_| round > 0) {
                series[index].push(sample);
            }
        }
    }
    progress.finish();
    let others = others.map_or(Ok(0.0), |others| others.end(lanes))?;
    order.retain(|&index| !has_failed(&lanes[index], point, results));
    order.sort_unstable();
    Ok(Some(Measured { rows: rows(lanes, route, &order, &series, &calls, others > BUSY), others }))
}

/// What a run gave; `None` if its lane gave up, which is written down, and the lane started again for other points.
fn survived(run: Result<Sample>, lane: &mut Lane, point: &Point, failed: &mut Vec<Failed>) -> Result<Option<Sample>> {
    let error = match run {
        Ok(sample) => return Ok(Some(sample)),
        Err(error) => error,
    };
    let Some(reason) = error.downcast_ref::<lane::Failed>() else { return Err(error) };
    let (route, at) = (point.route, point.route.axis().label(point.at));
    let told = Failed { route: route.name().into(), point: at, lane: lane.title(route), reason: reason.to_string() };
    eprintln!("{} {}: {} gave up: {}", route.title(), told.point, told.lane, told.reason);
    failed.push(told);
    lane.start_again().context("a lane that gave up does not start again")?;
    Ok(None)
}

fn has_failed(lane: &Lane, point: &Point, results: &Outcome) -> bool {
    let (at, title) = (point.route.axis().label(point.at), lane.title(point.route));
    results.failed.iter().any(|one| one.route == point.route.name() && one.point == at && one.lane == title)
}

fn rows(
    lanes: &[Lane],
    route: &dyn Route,
    serving: &[usize],
    series: &[Vec<Sample>],
    calls: &[Option<f64>],
    is_busy: bool,
) -> Vec<Row> {
    let reference_of = |runtime: &str| {
        let is_one = |&index: &usize| lanes[index].runtime == runtime && lanes[index].method.is_reference(route.name());
        serving.iter().copied().find(is_one)
    };
    let row = |&index: &usize| {
        let lane = &lanes[index];
        let reference = reference_of(&lane.runtime);
        let others = reference.filter(|&reference| reference != index).map(|reference| series[reference].as_slice());
        let mut row = Row::of(lane, route, &series[index], others, calls[index])?;
        row.reference = reference == Some(index);
        Some((row, lane.method.is_server))
    };
    let all: Vec<_> = serving.iter().filter_map(row).collect();
    let judge = |row: &Row| {
        let same = |other: &Row| other.runtime == row.runtime && !other.zcio;
        let is_like =
            |(other, is_server): &&(Row, bool)| same(other) && !other.control && other.kind == row.kind && !is_server;
        let speed = |row: &Row| row.gigabytes_per_second.median;
        let (best, _) = all.iter().filter(is_like).max_by(|a, b| speed(&a.0).total_cmp(&speed(&b.0)))?;
        let control = all.iter().map(|(other, _)| other).find(|other| same(other) && other.control);
        Against::of(row, best, control, is_busy)
    };
    let against: Vec<_> = all.iter().map(|(row, _)| if row.zcio { judge(row) } else { None }).collect();
    all.into_iter().zip(against).map(|((row, _), against)| Row { against, ..row }).collect()
}

/// The lanes of every runtime that has one which serves the route and is not in the results: ratios need all of a runtime
/// in the same rounds.
fn unmeasured(lanes: &[Lane], point: &Point, results: &Outcome) -> Vec<usize> {
    let name = point.route.name();
    let known = results.cell(point.route, point.at).map_or(&[][..], |cell| &cell.lanes);
    let is_new = |lane: &Lane| {
        lane.method.label(name).is_some()
            && known.iter().all(|row| row.runtime != lane.runtime || row.method != lane.method.name)
            && !has_failed(lane, point, results)
    };
    let is_asked = |lane: &Lane| lanes.iter().any(|other| other.runtime == lane.runtime && is_new(other));
    let serves = |lane: &Lane| lane.method.label(name).is_some() && !has_failed(lane, point, results);
    (0..lanes.len()).filter(|&index| serves(&lanes[index]) && is_asked(&lanes[index])).collect()
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
