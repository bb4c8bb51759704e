//! The outcome for a terminal: a header, a table per point, and in words what to take.
//!
//! Every figure and every word comes from the samples; there is no sentence here that a different run could make untrue.

use std::fmt::{self, Write};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::answers;
use crate::results::{Cell, Outcome, Row};
use crate::statistics::Summary;

/// All of it, ready to print; the demo's tables are narrower.
pub fn render(outcome: &Outcome, demo: bool) -> Result<String, fmt::Error> {
    let mut text = String::new();
    header(&mut text, outcome)?;
    for cell in &outcome.cells {
        let heading = if demo { cell.title.clone() } else { cell.heading() };
        writeln!(text, "\n{heading}")?;
        if !demo {
            writeln!(text, "{}", cell.about)?;
        }
        writeln!(text, "{}", table(cell, demo))?;
    }
    explanation(&mut text, outcome, demo)?;
    answer(&mut text, outcome)?;
    for failed in &outcome.failed {
        writeln!(text, "gave up: {} at {} {}: {}", failed.lane, failed.route, failed.point, failed.reason)?;
    }
    for skipped in &outcome.skipped {
        writeln!(text, "left out: {} {}: {}", skipped.route, skipped.point, skipped.reason)?;
    }
    for missing in &outcome.missing {
        writeln!(text, "missing: {}: {}\n  what would help: {}", missing.lane, missing.reason, missing.remedy)?;
    }
    Ok(text)
}

fn header(text: &mut String, outcome: &Outcome) -> fmt::Result {
    let host = &outcome.host;
    writeln!(text, "{}, {}, {}", host.date, host.kernel, host.cpu)?;
    let named = |(name, version): &(String, String)| format!("{name}: {version}");
    let runtimes: Vec<_> = host.runtimes.iter().map(named).collect();
    if !runtimes.is_empty() {
        writeln!(text, "{}", runtimes.join("; "))?;
    }
    let Some(file) = &outcome.settings.file else {
        let systems: Vec<_> = host.file_systems.iter().map(|(place, kind)| format!("{place}: {kind}")).collect();
        return writeln!(text, "{}; {}", systems.join("; "), outcome.settings.command);
    };
    let megabytes = file.bytes as f64 / 1e6;
    writeln!(text, "{} ({megabytes:.1} MB), cached; TCP over loopback", file.path.display())?;
    writeln!(text, "SHA-256 {} at every receiving end", file.sha256)?;
    writeln!(text, "new files in {}, removed between runs, not synced", outcome.settings.destination)
}

fn explanation(text: &mut String, outcome: &Outcome, demo: bool) -> fmt::Result {
    let settings = &outcome.settings;
    if demo {
        writeln!(
            text,
            "\nMedian (lowest–highest) of {} rounds. Ratios are taken round by round against the",
            settings.rounds
        )?;
        return writeln!(
            text,
            "reference of the same language. CPU is the lane's own process, all threads, user and system."
        );
    }
    writeln!(
        text,
        "\nMedians of {} rounds in random order. Ratios are taken round by round against the reference of the same\n\
         runtime; in brackets the order-statistics interval of their median, which covers {:.1} %. CPU is the lane's own\n\
         process, all threads, user and system; switches are context switches; peak is its resident memory.",
        settings.rounds,
        settings.coverage * 100.0
    )?;
    if let Some(reason) = &settings.system_calls_not_counted {
        writeln!(text, "System calls were not counted: {reason}")?;
    }
    Ok(())
}

/// What to take.
fn answer(text: &mut String, outcome: &Outcome) -> fmt::Result {
    writeln!(text)?;
    for column in answers::columns(outcome) {
        for sentence in answers::sentences(outcome, &column) {
            writeln!(text, "{column}: {}", answers::plain(&sentence))?;
        }
    }
    if answers::is_void(outcome) {
        writeln!(text, "Too noisy: do not decide by this run.")?;
    }
    if let Some((cell, _, ratio)) = answers::loudest(outcome) {
        writeln!(
            text,
            "A lane that was run as two came out at {ratio:.2} of itself at the worst ({}).",
            cell.heading()
        )?;
    }
    Ok(())
}

fn table(cell: &Cell, demo: bool) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().top_border(rule).header_separator(rule).bottom_border(rule));
    let wide = ["calls/MiB", "switches/MiB", "peak MiB"];
    let mut header = vec!["lane", "GB/s", "CPU s/GB", "speed ratio", "CPU ratio"];
    header.extend(wide.iter().filter(|_| !demo));
    header.push("by");
    table.set_header(header);
    for lane in &cell.lanes {
        let mut row = vec![
            format!("{} · {}", lane.runtime, lane.label),
            if demo { range(&lane.gigabytes_per_second) } else { format!("{:.2}", lane.gigabytes_per_second.median) },
            format!("{:.2}", lane.cpu_seconds_per_gigabyte.median),
            ratio(lane, lane.speed_ratio.as_ref(), demo),
            ratio(lane, lane.cpu_ratio.as_ref(), demo),
        ];
        if !demo {
            row.push(lane.system_calls_per_mebibyte.map_or_else(String::new, |calls| format!("{calls:.2}")));
            let switches = lane.context_switches_per_mebibyte;
            row.push(switches.map_or_else(String::new, |switches| format!("{:.2}", switches.median)));
            row.push(lane.peak_mebibytes.map_or_else(String::new, |peak| format!("{peak:.0}")));
        }
        row.push(lane.mechanism.clone().unwrap_or_default());
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1).take(if demo { 4 } else { 7 }) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn range(summary: &Summary) -> String {
    format!("{:.2} ({:.2}–{:.2})", summary.median, summary.min, summary.max)
}

fn ratio(lane: &Row, ratio: Option<&Summary>, demo: bool) -> String {
    match ratio {
        _ if lane.reference => "reference".to_string(),
        Some(ratio) if demo => range(ratio),
        Some(ratio) => format!("{:.2} [{:.2}, {:.2}]", ratio.median, ratio.low, ratio.high),
        None => "no reference".to_string(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::families::Missing;
    use crate::families::{Language, ZCIO};
    use crate::host::Host;
    use crate::results::{Against, Failed, SCHEMA, Settings, Skipped, Standing};
    use crate::routes::{self, Axis};

    /// How zcio stands with that ratio of speeds and half the CPU time, on a machine without noise.
    pub fn against(speed_ratio: Summary) -> Against {
        let alike = |median| Summary { median, low: median, high: median, min: median, max: median };
        Against {
            lane: "std".to_string(),
            speed_ratio,
            cpu_ratio: alike(0.5),
            time: Standing::of(&speed_ratio, Some(&alike(1.0)), false),
            cpu: Standing::Better,
        }
    }

    /// A row with made-up figures.
    pub fn lane(method: &str, speed_ratio: Option<Summary>) -> Row {
        let summary = Summary { median: 2.0, low: 1.0, high: 3.0, min: 1.0, max: 3.0 };
        Row {
            language: Language::Rust,
            runtime: "Rust".to_string(),
            method: method.to_string(),
            label: method.to_string(),
            zcio: method == ZCIO,
            control: method == "control",
            kind: String::new(),
            reference: speed_ratio.is_none(),
            gigabytes_per_second: summary,
            cpu_seconds_per_gigabyte: summary,
            system_calls_per_mebibyte: Some(16.5),
            context_switches_per_mebibyte: None,
            peak_mebibytes: Some(12.0),
            speed_ratio,
            cpu_ratio: None,
            against: speed_ratio.filter(|_| method == ZCIO).map(against),
            mechanism: (method == ZCIO).then(|| "sendfile".to_string()),
            samples: Vec::new(),
        }
    }

    /// One route with a reference and zcio.
    pub fn cell(speed_ratio: Summary) -> Cell {
        Cell {
            route: routes::FILE_TO_TCP.to_string(),
            title: "file → TCP".to_string(),
            about: "About.".to_string(),
            axis: Axis::Size,
            point: 65536,
            label: "64 KiB".to_string(),
            others: 0.125,
            lanes: vec![lane("std", None), lane(ZCIO, Some(speed_ratio)), lane("control", Some(speed_ratio))],
        }
    }

    /// A run of one route with two points.
    pub fn outcome(speed_ratio: Summary) -> Outcome {
        let (small, mut large) = (cell(speed_ratio), cell(speed_ratio));
        (large.point, large.label) = (16 << 20, "16 MiB".to_string());
        Outcome {
            schema: SCHEMA,
            host: Host {
                date: "2026-01-02T03:04:05Z".to_string(),
                kernel: "Linux 6.12.0 x86_64".to_string(),
                cpu: "2 × CPU".to_string(),
                memory_gigabytes: 17.2,
                zcio: "0.1.0".to_string(),
                runtimes: vec![("Python".to_string(), "CPython 3.11.7".to_string())],
                file_systems: vec![("working folder".to_string(), "ext4".to_string())],
            },
            settings: Settings {
                command: "make compare".to_string(),
                rounds: 15,
                pin: crate::pin::Pin::Same,
                coverage: 0.964_843_75,
                system_calls_not_counted: None,
                file: None,
                destination: "a temporary folder (ext4)".to_string(),
            },
            cells: vec![small, large],
            skipped: vec![Skipped {
                route: "relay".to_string(),
                point: "8 GiB".to_string(),
                reason: "no room".to_string(),
            }],
            failed: vec![Failed {
                route: "relay".to_string(),
                point: "4 KiB".to_string(),
                lane: "Rust".to_string(),
                reason: "it had enough".to_string(),
            }],
            missing: vec![Missing { lane: "x".to_string(), reason: "y".to_string(), remedy: "z".to_string() }],
        }
    }

    fn rows(demo: bool) -> Vec<String> {
        let ratio = Summary { median: 0.5, low: 0.25, high: 0.75, min: 0.25, max: 0.75 };
        let text = table(&cell(ratio), demo).to_string();
        text.lines().filter(|line| line.contains("Rust")).map(str::to_string).collect()
    }

    #[test]
    fn a_row_has_the_lane_its_figures_and_its_mechanism() {
        let rows = rows(true);
        assert_eq!(rows.len(), 3);
        assert!(rows[0].contains("reference") && rows[0].contains("2.00 (1.00–3.00)"), "{rows:?}");
        assert!(rows[1].contains("0.50 (0.25–0.75)") && rows[1].contains("sendfile"), "{rows:?}");
    }

    #[test]
    fn a_wide_row_has_the_interval_and_what_it_cost() {
        let rows = rows(false);
        assert!(rows[1].contains("0.50 [0.25, 0.75]") && rows[1].contains("16.50"), "{rows:?}");
    }
}
