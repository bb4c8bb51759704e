//! The outcome for a terminal: a header, a table per route, and in words where zcio won, lost, or neither.
//!
//! Every figure and every word comes from the samples; there is no sentence here that a different run could make untrue.

use std::fmt::{self, Write};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::results::{LaneOutcome, Outcome, RouteOutcome};
use crate::statistics::Summary;

/// All of it, ready to print.
pub fn render(outcome: &Outcome) -> Result<String, fmt::Error> {
    let mut text = String::new();
    header(&mut text, outcome)?;
    for route in &outcome.routes {
        writeln!(text, "\n{}\n{}", route.route, table(route))?;
    }
    writeln!(
        text,
        "\nMedian (lowest–highest) of {} rounds. Ratios are taken round by round against the",
        outcome.rounds
    )?;
    writeln!(text, "reference of the same language. CPU is the lane's own process, all threads, user and system.")?;
    text.push_str(&verdicts(&outcome.routes)?);
    for missing in &outcome.missing {
        writeln!(text, "missing: {}: {}\n  what would help: {}", missing.lane, missing.reason, missing.remedy)?;
    }
    Ok(text)
}

fn header(text: &mut String, outcome: &Outcome) -> fmt::Result {
    let host = &outcome.host;
    writeln!(text, "{}, {}, {}", host.date, host.kernel, host.cpu)?;
    let runtimes: Vec<_> = host.runtimes.iter().map(|(name, version)| format!("{name}: {version}")).collect();
    if !runtimes.is_empty() {
        writeln!(text, "{}", runtimes.join("; "))?;
    }
    let megabytes = outcome.file.bytes as f64 / 1e6;
    writeln!(text, "{} ({megabytes:.1} MB), cached; TCP over loopback", outcome.file.path.display())?;
    writeln!(text, "SHA-256 {} at every receiving end", outcome.file.sha256)?;
    writeln!(text, "new files in {}, removed between runs, not synced", outcome.destination)
}

fn table(route: &RouteOutcome) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().top_border(rule).header_separator(rule).bottom_border(rule));
    table.set_header(["lane", "GB/s", "CPU s/GB", "speed ratio", "CPU ratio", "by"]);
    for lane in &route.lanes {
        table.add_row([
            format!("{} · {}", lane.runtime, lane.label),
            figure(&lane.gigabytes_per_second),
            format!("{:.2}", lane.cpu_seconds_per_gigabyte.median),
            ratio(lane, lane.speed_ratio.as_ref()),
            ratio(lane, lane.cpu_ratio.as_ref()),
            lane.mechanism.clone().unwrap_or_default(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn figure(summary: &Summary) -> String {
    format!("{:.2} ({:.2}–{:.2})", summary.median, summary.min, summary.max)
}

fn ratio(lane: &LaneOutcome, ratio: Option<&Summary>) -> String {
    match ratio {
        _ if lane.reference => "reference".to_string(),
        Some(ratio) => figure(ratio),
        None => "no reference".to_string(),
    }
}

/// In which rounds zcio was better than the reference of its language, and by how much in the middle.
fn verdicts(routes: &[RouteOutcome]) -> Result<String, fmt::Error> {
    type Ratio = fn(&LaneOutcome) -> Option<Summary>;
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
        let lines: Vec<_> = routes.iter().filter_map(|route| verdict_line(route, ratio, holds)).collect();
        if !lines.is_empty() {
            writeln!(text, "{verdict}:\n{}", lines.join("\n"))?;
        }
    }
    Ok(text)
}

/// The runtimes for which it holds on that route, if there are any.
fn verdict_line(
    route: &RouteOutcome,
    ratio: fn(&LaneOutcome) -> Option<Summary>,
    holds: fn(&Summary) -> bool,
) -> Option<String> {
    let judged = route.lanes.iter().filter(|lane| lane.is_zcio());
    let holding = judged.filter_map(|lane| ratio(lane).filter(holds).map(|ratio| (lane, ratio.median)));
    let runtimes: Vec<_> = holding.map(|(lane, median)| format!("{} ({median:.2})", lane.runtime)).collect();
    (!runtimes.is_empty()).then(|| format!("  {}: {}", route.route, runtimes.join(", ")))
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
    use crate::roster::{Language, ZCIO};
    use crate::route::Route;

    fn lane(method: &'static str, speed_ratio: Option<Summary>) -> LaneOutcome {
        let summary = Summary { median: 2.0, min: 1.0, max: 3.0 };
        LaneOutcome {
            language: Language::Rust,
            runtime: "Rust".to_string(),
            method,
            label: method,
            reference: speed_ratio.is_none(),
            gigabytes_per_second: summary,
            cpu_seconds_per_gigabyte: summary,
            speed_ratio,
            cpu_ratio: None,
            mechanism: (method == ZCIO).then(|| "sendfile".to_string()),
            samples: Vec::new(),
        }
    }

    fn route(speed_ratio: Summary) -> RouteOutcome {
        RouteOutcome { route: Route::FileToTcp, lanes: vec![lane("std", None), lane(ZCIO, Some(speed_ratio))] }
    }

    #[test]
    fn a_row_has_the_lane_its_figures_and_its_mechanism() {
        let text = table(&route(Summary { median: 0.5, min: 0.25, max: 0.75 })).to_string();
        let rows: Vec<_> = text.lines().filter(|line| line.contains("Rust")).collect();
        assert_eq!(rows.len(), 2, "{text}");
        assert!(rows[0].contains("reference") && rows[0].contains("2.00 (1.00–3.00)"), "{text}");
        assert!(rows[1].contains("0.50 (0.25–0.75)") && rows[1].contains("sendfile"), "{text}");
    }

    #[test]
    fn a_defeat_is_called_a_defeat() {
        let verdict = |min, max| verdicts(&[route(Summary { median: 1.0, min, max })]).unwrap();
        assert!(
            verdict(0.5, 0.9)
                .starts_with("zcio was slower than its reference in every round:\n  file → TCP: Rust (1.00)")
        );
        assert!(verdict(1.1, 1.2).starts_with("zcio was faster than its reference in every round"));
        assert!(verdict(0.9, 1.1).starts_with("zcio was faster in some rounds and not in others"));
        assert_eq!(verdicts(&[]).unwrap(), "");
    }
}
