//! The outcome as Markdown: what `BENCHMARKS.md` is made of. The answer comes first; every figure behind it is in the results.

use std::fmt::{self, Write};

use crate::answers;
use crate::results::{Outcome, Standing};

/// The whole document.
pub fn render(outcome: &Outcome) -> Result<String, fmt::Error> {
    let mut text = String::from("# Benchmarks\n\n");
    if answers::is_void(outcome) {
        writeln!(text, "**Too noisy: do not decide by this run.**\n")?;
    }
    let columns = answers::columns(outcome);
    writeln!(text, "What to take, by a run on one machine ([how it was measured](#how-it-was-measured)):\n")?;
    for column in &columns {
        for sentence in answers::sentences(outcome, column) {
            writeln!(text, "- **{column}**: {}", answers::plain(&sentence))?;
        }
    }
    table(&mut text, outcome, &columns)?;
    provenance(&mut text, outcome)?;
    omissions(&mut text, outcome)?;
    Ok(text)
}

/// zcio against the best without it, at each point and in each column.
fn table(text: &mut String, outcome: &Outcome, columns: &[String]) -> fmt::Result {
    writeln!(
        text,
        "\n🟩 faster, 🟨 the same, 🟥 slower than the best way without zcio, ⬜ not shown. The ratio of speeds, then of CPU time.\n"
    )?;
    writeln!(text, "| | {} |\n|---|{}", columns.join(" | "), "---|".repeat(columns.len()))?;
    for (index, cell) in outcome.cells.iter().enumerate() {
        write!(text, "| {} |", cell.heading())?;
        for column in columns {
            match answers::at(outcome, index, column) {
                Some(answer) => {
                    write!(text, " {} {:.2} · {:.2} |", square(answer.against.time), answer.speed().1, answer.cpu().1)?;
                }
                None => write!(text, " |")?,
            }
        }
        writeln!(text)?;
    }
    Ok(())
}

const fn square(standing: Standing) -> &'static str {
    match standing {
        Standing::Better => "🟩",
        Standing::Same => "🟨",
        Standing::Worse => "🟥",
        Standing::Unclear | Standing::Noisy => "⬜",
    }
}

fn provenance(text: &mut String, outcome: &Outcome) -> fmt::Result {
    let (host, settings) = (&outcome.host, &outcome.settings);
    writeln!(text, "\n## How it was measured\n")?;
    writeln!(
        text,
        "`{}`, on {}: {}, {}, {:.1} GB of memory, zcio {}; {} timed rounds in random order, {}.\n",
        settings.command,
        host.date,
        host.kernel,
        host.cpu,
        host.memory_gigabytes,
        host.zcio,
        settings.rounds,
        settings.pin.described()
    )?;
    let named: Vec<_> = host.runtimes.iter().chain(&host.file_systems).map(|(a, b)| format!("{a}: {b}")).collect();
    writeln!(text, "{}\n", named.join("; "))?;
    writeln!(
        text,
        "Ratios are taken round by round, zcio's lane by the fastest one without it of the same runtime and kind. A standing \
         follows from the order-statistics interval of their median, which covers {:.1} %, widened by what the reference, \
         run as a second lane, differs from itself.",
        settings.coverage * 100.0
    )?;
    if let Some((cell, _, ratio)) = answers::loudest(outcome) {
        writeln!(text, "At the worst that was {ratio:.2} ({}).", cell.heading())?;
    }
    let others = outcome.cells.iter().map(|cell| cell.others).fold(0.0, f64::max);
    writeln!(text, "Other programs used up to {others:.2} processors. All figures: `compare --page`.")
}

fn omissions(text: &mut String, outcome: &Outcome) -> fmt::Result {
    let skipped = outcome.skipped.iter().map(|it| format!("{} {}: {}", it.route, it.point, it.reason));
    let failed =
        outcome.failed.iter().map(|it| format!("{} {}: {} gave up: {}", it.route, it.point, it.lane, it.reason));
    let missing =
        outcome.missing.iter().map(|it| format!("{}: {} (what would help: {})", it.lane, it.reason, it.remedy));
    let all: Vec<_> = skipped.chain(failed).chain(missing).collect();
    if !all.is_empty() {
        writeln!(text, "\n## Left out\n\n- {}", all.join("\n- "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{self, Axis};
    use crate::statistics::Summary;
    use crate::table::tests::{cell, outcome};

    #[test]
    fn a_whole_comparison_is_a_short_document() {
        let ratio = Summary { median: 1.3, low: 1.2, high: 1.4, min: 1.2, max: 1.4 };
        let mut outcome = outcome(ratio);
        outcome.cells.clear();
        let arguments = <crate::arguments::Arguments as clap::Parser>::parse_from(["compare"]);
        for route in routes::ALL {
            for point in arguments.points(route) {
                let mut cell = cell(ratio);
                (cell.route, cell.title, cell.axis, cell.point) =
                    (route.name().to_string(), route.title().to_string(), route.axis(), point);
                cell.label = route.axis().label(point);
                let mut lanes = Vec::new();
                for runtime in ["Rust", "Java 17", "Java 25", "Python"] {
                    lanes.extend(
                        cell.lanes.iter().cloned().map(|row| crate::results::Row { runtime: runtime.into(), ..row }),
                    );
                }
                if route.axis() == Axis::Connections {
                    let netty =
                        lanes.clone().into_iter().map(|row| crate::results::Row { kind: "Netty".into(), ..row });
                    lanes.extend(netty.collect::<Vec<_>>());
                }
                cell.lanes = lanes;
                outcome.cells.push(cell);
            }
        }
        let text = render(&outcome).unwrap();
        assert!(text.lines().count() <= 150, "{}", text.lines().count());
        assert!(text.contains("- **Java 17**: file → TCP: zcio at 4 KiB to 8 GiB (1.30 × as fast"), "{text}");
        assert!(text.contains("🟩 1.30 · 0.50 |"), "{text}");
    }
}
