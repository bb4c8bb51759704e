//! The first thing a reader sees: on every route and runtime, zcio's speed against the best without it, and whether what
//! is stated was kept.

use std::fmt::{self, Write};

use super::html::{Figure, decimals, escape};
use crate::results::{Outcome, Verdict};
use crate::verdicts::{self, Judged};

/// Counts, the noise of the machine, and a table of routes and runtimes.
pub fn render(page: &mut String, outcome: &Outcome) -> fmt::Result {
    let judged: Vec<_> = verdicts::judged(outcome).into_iter().filter(|judged| !judged.is_cpu).collect();
    if judged.is_empty() {
        return Ok(());
    }
    let count = |verdict| judged.iter().filter(|judged| judged.verdict == verdict).count();
    writeln!(page, "<section>\n<h2>Never slower than stated</h2>")?;
    writeln!(
        page,
        "<p class=\"counts\"><span><b>{}</b> hold</span><span><b>{}</b> undecided</span>\
         <span class=\"{}\"><b>{}</b> broken</span></p>",
        count(Verdict::Holds),
        count(Verdict::Undecided),
        if count(Verdict::Broken) > 0 { "broken" } else { "none" },
        count(Verdict::Broken)
    )?;
    writeln!(
        page,
        "<p>For each route zcio states a speed, as a ratio to the best way of the same runtime without it. It holds where the \
         whole interval of the measured ratio is at that ratio or above, is broken where the whole interval is below, and \
         otherwise this run cannot tell. The interval is the order-statistics interval of the median; it covers \
         <span data-n=\"/settings/coverage\" data-d=\"3\">{:.3}</span>.</p>",
        outcome.settings.coverage
    )?;
    noise(page, outcome)?;
    matrix(page, &judged)?;
    writeln!(page, "</section>")
}

fn noise(page: &mut String, outcome: &Outcome) -> fmt::Result {
    let far = |ratio: f64| (ratio - 1.0).abs();
    let controls = verdicts::controls(outcome);
    let Some((cell, row, ratio)) = controls.iter().max_by(|a, b| far(a.2.median).total_cmp(&far(b.2.median))) else {
        return Ok(());
    };
    let place = format!("/cells/{cell}/lanes/{row}/speed_ratio/median");
    writeln!(
        page,
        "<p>How much noise there is: a lane that was run as two (A/A) came out at most at {} of itself ({}).</p>",
        Figure::new(&place, ratio.median, 2),
        escape(&outcome.cells[*cell].heading())
    )
}

/// The last point of each route, zcio's first lane there, a column for each runtime.
fn matrix(page: &mut String, judged: &[Judged<'_>]) -> fmt::Result {
    let mut runtimes: Vec<&str> = Vec::new();
    let mut routes: Vec<&str> = Vec::new();
    for one in judged {
        if !runtimes.contains(&one.row.runtime.as_str()) {
            runtimes.push(&one.row.runtime);
        }
        if !routes.contains(&one.cell.route.as_str()) {
            routes.push(&one.cell.route);
        }
    }
    writeln!(page, "<table class=\"matrix\">\n<thead><tr><th>speed ratio, at the last point of each route</th>")?;
    runtimes.iter().try_for_each(|runtime| writeln!(page, "<th>{}</th>", escape(runtime)))?;
    writeln!(page, "</tr></thead>\n<tbody>")?;
    for route in routes {
        let of_route: Vec<_> = judged.iter().filter(|one| one.cell.route == route).collect();
        let Some(last) = of_route.iter().map(|one| one.cell_index).max() else { continue };
        let cell = judged.iter().find(|one| one.cell_index == last).map(|one| one.cell);
        let (title, label) = cell.map_or(("", ""), |cell| (cell.title.as_str(), cell.label.as_str()));
        write!(page, "<tr><th><a href=\"#{route}\">{}</a> <small>{}</small></th>", escape(title), escape(label))?;
        for runtime in &runtimes {
            match of_route.iter().find(|one| one.cell_index == last && one.row.runtime == *runtime) {
                Some(one) => entry(page, one)?,
                None => write!(page, "<td class=\"none\">–</td>")?,
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody>\n</table>")
}

fn entry(page: &mut String, judged: &Judged<'_>) -> fmt::Result {
    let place = format!("/cells/{}/lanes/{}/speed_ratio/median", judged.cell_index, judged.row_index);
    let verdict = judged.verdict.name();
    let median = judged.ratio.median;
    write!(
        page,
        "<td class=\"{verdict}\">{}<small>{verdict}</small></td>",
        Figure::new(&place, median, decimals(median))
    )
}
