//! What the figures say, in words: on which routes zcio won, lost, or neither; and whether what is stated was kept.

use std::fmt::{self, Write};

use crate::results::{Cell, Outcome, Row, Verdict};
use crate::statistics::Summary;

/// One zcio lane at one point, judged by its speed or by its CPU time.
pub struct Judged<'a> {
    /// Where.
    pub cell: &'a Cell,
    /// Its place among the cells.
    pub cell_index: usize,
    /// Which lane.
    pub row: &'a Row,
    /// Its place in the cell.
    pub row_index: usize,
    /// The measured ratio.
    pub ratio: Summary,
    /// The stated one: of speed at the least, of CPU time at the most.
    pub bound: f64,
    /// Whether it is about CPU time.
    pub is_cpu: bool,
    /// What follows.
    pub verdict: Verdict,
}

impl Judged<'_> {
    /// What is stated, in words.
    pub fn stated(&self) -> String {
        if self.is_cpu { format!("CPU ≤ {:.2}", self.bound) } else { format!("≥ {:.2}", self.bound) }
    }
}

/// Every zcio lane that can be judged.
pub fn judged(outcome: &Outcome) -> Vec<Judged<'_>> {
    let mut all = Vec::new();
    for (cell_index, cell) in outcome.cells.iter().enumerate() {
        for (row_index, row) in cell.lanes.iter().enumerate() {
            let speed = (row.speed_ratio, row.floor, row.verdict, false);
            let cpu = (row.cpu_ratio, row.cpu_ceiling, row.cpu_verdict, true);
            for stated in [speed, cpu] {
                if let (Some(ratio), Some(bound), Some(verdict), is_cpu) = stated {
                    all.push(Judged { cell, cell_index, row, row_index, ratio, bound, is_cpu, verdict });
                }
            }
        }
    }
    all
}

/// The control lanes: where, and how far a lane came out from itself.
pub fn controls(outcome: &Outcome) -> Vec<(usize, usize, Summary)> {
    let mut all = Vec::new();
    for (cell_index, cell) in outcome.cells.iter().enumerate() {
        for (row_index, row) in cell.lanes.iter().enumerate() {
            if let Some(ratio) = row.speed_ratio.filter(|_| row.control) {
                all.push((cell_index, row_index, ratio));
            }
        }
    }
    all
}

/// The largest distance of a control lane's median from 1.
pub fn noise(outcome: &Outcome) -> Option<f64> {
    controls(outcome).iter().map(|(_, _, ratio)| (ratio.median - 1.0).abs()).max_by(f64::total_cmp)
}

/// "Never slower than stated": a line for each verdict, and what a lane differs from itself.
pub fn floors(outcome: &Outcome) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let judged = judged(outcome);
    let explained = [
        (Verdict::Holds, "The stated ratio holds (the whole interval is at it or on the better side)"),
        (Verdict::Broken, "The stated ratio is BROKEN (the whole interval is on the worse side)"),
        (Verdict::Undecided, "This run cannot tell (the stated ratio is inside the interval)"),
    ];
    for (verdict, meaning) in explained {
        let lines: Vec<_> = judged.iter().filter(|judged| judged.verdict == verdict).map(line).collect();
        if !lines.is_empty() {
            writeln!(text, "\n{meaning}: {} of {}\n{}", lines.len(), judged.len(), lines.join("\n"))?;
        }
    }
    if let Some(noise) = noise(outcome) {
        writeln!(
            text,
            "\nThe same lane, run twice as two (A/A), came out up to {:.1} % from itself: no smaller difference means anything.",
            noise * 100.0
        )?;
    }
    Ok(text)
}

fn line(judged: &Judged<'_>) -> String {
    let Judged { cell, row, ratio, .. } = judged;
    format!(
        "  {}: {} · {}: {:.2} [{:.2}, {:.2}], stated {}",
        cell.heading(),
        row.runtime,
        row.label,
        ratio.median,
        ratio.low,
        ratio.high,
        judged.stated()
    )
}

/// In which rounds zcio was better than the reference of its language, and by how much in the middle.
pub fn rounds(cells: &[Cell]) -> Result<String, fmt::Error> {
    type Ratio = fn(&Row) -> Option<Summary>;
    type Verdict = (&'static str, Ratio, fn(&Summary) -> bool);
    let (speed, cpu): (Ratio, Ratio) = (|lane| lane.speed_ratio, |lane| lane.cpu_ratio);
    let verdicts: [Verdict; 6] = [
        ("zcio was faster than its reference in every round", speed, above),
        ("zcio was slower than its reference in every round", speed, below),
        ("zcio was faster in some rounds and not in others", speed, either),
        ("zcio took less CPU time than its reference in every round", cpu, below),
        ("zcio took more CPU time than its reference in every round", cpu, above),
        ("zcio took less CPU time in some rounds and not in others", cpu, either),
    ];
    let mut text = String::new();
    for (verdict, ratio, holds) in verdicts {
        let lines: Vec<_> = cells.iter().filter_map(|cell| verdict_line(cell, ratio, holds)).collect();
        if !lines.is_empty() {
            writeln!(text, "{verdict}:\n{}", lines.join("\n"))?;
        }
    }
    Ok(text)
}

/// The runtimes for which it holds on that route, if there are any.
fn verdict_line(cell: &Cell, ratio: fn(&Row) -> Option<Summary>, holds: fn(&Summary) -> bool) -> Option<String> {
    let judged = cell.lanes.iter().filter(|lane| lane.zcio);
    let holding = judged.filter_map(|lane| ratio(lane).filter(holds).map(|ratio| (lane, ratio.median)));
    let runtimes: Vec<_> = holding.map(|(lane, median)| format!("{} ({median:.2})", lane.runtime)).collect();
    (!runtimes.is_empty()).then(|| format!("  {}: {}", cell.title, runtimes.join(", ")))
}

fn above(ratio: &Summary) -> bool {
    ratio.min > 1.0
}

fn below(ratio: &Summary) -> bool {
    ratio.max < 1.0
}

fn either(ratio: &Summary) -> bool {
    !above(ratio) && !below(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::cell;

    #[test]
    fn a_defeat_is_called_a_defeat() {
        let verdict = |min, max| rounds(&[cell(Summary { median: 1.0, low: min, high: max, min, max })]).unwrap();
        assert!(
            verdict(0.5, 0.9)
                .starts_with("zcio was slower than its reference in every round:\n  file → TCP: Rust (1.00)")
        );
        assert!(verdict(1.1, 1.2).starts_with("zcio was faster than its reference in every round"));
        assert!(verdict(0.9, 1.1).starts_with("zcio was faster in some rounds and not in others"));
        assert_eq!(rounds(&[]).unwrap(), "");
    }
}
