//! The outcome as Markdown: what `BENCHMARKS.md` is made of. Everything in it comes from the results.

use std::fmt::{self, Write};

use crate::results::{Outcome, Row};
use crate::statistics::Summary;
use crate::verdicts;

/// The whole document.
pub fn render(outcome: &Outcome) -> Result<String, fmt::Error> {
    let (host, settings) = (&outcome.host, &outcome.settings);
    let mut text = String::from("# Benchmarks\n\n");
    writeln!(
        text,
        "Written by `compare --markdown` from one run; to repeat it:\n\n```sh\n{}\n```\n",
        settings.command
    )?;
    writeln!(
        text,
        "| | |\n|---|---|\n| date | {} |\n| kernel | {} |\n| processor | {} |",
        host.date, host.kernel, host.cpu
    )?;
    writeln!(text, "| memory | {:.1} GB |\n| zcio | {} |", host.memory_gigabytes, host.zcio)?;
    for (name, version) in host.runtimes.iter().chain(&host.file_systems) {
        writeln!(text, "| {name} | {version} |")?;
    }
    let pin = settings.pin.map_or("left to the scheduler", |pin| match pin {
        crate::pin::Pin::Same => "lane and peer on one processor",
        crate::pin::Pin::Apart => "lane and peer on one processor each",
    });
    writeln!(text, "| processes | {pin} |\n| rounds | {}, in random order |", settings.rounds)?;
    let calls = settings.system_calls_not_counted.as_ref();
    writeln!(text, "| system calls | {} |", calls.map_or("counted by strace, in a run of their own", String::as_str))?;
    writeln!(
        text,
        "\nAbsolute figures are this machine's. Ratios are taken round by round against the reference of the same runtime; in\n\
         brackets the order-statistics interval of their median, which covers {:.1} %. CPU time is the lane's own process.",
        settings.coverage * 100.0
    )?;
    floors(&mut text, outcome)?;
    for cell in &outcome.cells {
        writeln!(text, "\n## {}\n\n{}\n", cell.heading(), cell.about)?;
        writeln!(
            text,
            "| lane | GB/s | CPU s/GB | speed ratio | CPU ratio | calls/MiB | switches/MiB | peak MiB | by |"
        )?;
        writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|---|")?;
        cell.lanes.iter().try_for_each(|row| line(&mut text, row))?;
    }
    omissions(&mut text, outcome)?;
    Ok(text)
}

fn floors(text: &mut String, outcome: &Outcome) -> fmt::Result {
    writeln!(text, "\n## Never slower than stated\n")?;
    if let Some(noise) = verdicts::noise(outcome) {
        writeln!(
            text,
            "The same lane, run twice as two (A/A), came out up to {:.1} % from itself: no smaller difference means anything.\n",
            noise * 100.0
        )?;
    }
    writeln!(text, "| route | lane | stated | measured | verdict |\n|---|---|--:|--:|---|")?;
    for judged in verdicts::judged(outcome) {
        writeln!(
            text,
            "| {} | {} · {} | {} | {} | {} |",
            judged.cell.heading(),
            judged.row.runtime,
            judged.row.label,
            judged.stated(),
            interval(&judged.ratio),
            judged.verdict.name()
        )?;
    }
    Ok(())
}

fn line(text: &mut String, row: &Row) -> fmt::Result {
    let ratio = |ratio: Option<&Summary>| match ratio {
        _ if row.reference => "reference".to_string(),
        Some(ratio) => interval(ratio),
        None => String::new(),
    };
    let figure = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    writeln!(
        text,
        "| {} · {} | {:.2} | {:.3} | {} | {} | {} | {} | {} | {} |",
        row.runtime,
        row.label,
        row.gigabytes_per_second.median,
        row.cpu_seconds_per_gigabyte.median,
        ratio(row.speed_ratio.as_ref()),
        ratio(row.cpu_ratio.as_ref()),
        figure(row.system_calls_per_mebibyte),
        figure(row.context_switches_per_mebibyte.map(|summary| summary.median)),
        row.peak_mebibytes.map_or_else(String::new, |peak| format!("{peak:.0}")),
        row.mechanism.as_deref().unwrap_or_default(),
    )
}

fn interval(ratio: &Summary) -> String {
    format!("{:.2} [{:.2}, {:.2}]", ratio.median, ratio.low, ratio.high)
}

fn omissions(text: &mut String, outcome: &Outcome) -> fmt::Result {
    if outcome.skipped.is_empty() && outcome.missing.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n## Left out\n")?;
    for skipped in &outcome.skipped {
        writeln!(text, "- {} {}: {}", skipped.route, skipped.point, skipped.reason)?;
    }
    for missing in &outcome.missing {
        writeln!(text, "- {}: {} (what would help: {})", missing.lane, missing.reason, missing.remedy)?;
    }
    Ok(())
}
