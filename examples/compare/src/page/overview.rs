//! The first thing a reader sees: what to take, in sentences, and a table of three colours.

use std::fmt::{self, Write};

use super::html::{Figure, decimals, escape};
use crate::answers::{self, Answer, Part};
use crate::results::{Outcome, Standing};

/// Sentences for each runtime, the table they are read from, and the noise of the machine.
pub fn render(page: &mut String, outcome: &Outcome) -> fmt::Result {
    let columns = answers::columns(outcome);
    if columns.is_empty() {
        return Ok(());
    }
    writeln!(page, "<section class=\"answer\">\n<h2>What to take</h2>")?;
    if answers::is_void(outcome) {
        writeln!(page, "<p class=\"void\">Too noisy: do not decide by this run.</p>")?;
    }
    for column in &columns {
        writeln!(page, "<h3>{}</h3>\n<ul>", escape(column))?;
        for sentence in answers::sentences(outcome, column) {
            writeln!(page, "<li>{}</li>", html(&sentence))?;
        }
        writeln!(page, "</ul>")?;
    }
    matrix(page, outcome, &columns)?;
    noise(page, outcome)?;
    writeln!(page, "</section>")
}

fn html(parts: &[Part]) -> String {
    let text = parts.iter().map(|part| match part {
        Part::Words(words) => escape(words),
        Part::Number(place, number) => Figure::new(place, *number, 2).to_string(),
    });
    text.collect()
}

/// Every point, and a column for each runtime and kind of program.
fn matrix(page: &mut String, outcome: &Outcome, columns: &[String]) -> fmt::Result {
    writeln!(
        page,
        "<p>zcio's speed by that of the best way without it, and its CPU time by that way's: <span class=\"key better\">faster</span> \
         <span class=\"key same\">the same</span> <span class=\"key worse\">slower</span> <span class=\"key\">not shown</span></p>"
    )?;
    writeln!(page, "<table class=\"matrix\">\n<thead><tr><th></th>")?;
    columns.iter().try_for_each(|column| writeln!(page, "<th>{}</th>", escape(column)))?;
    writeln!(page, "</tr></thead>\n<tbody>")?;
    for (index, cell) in outcome.cells.iter().enumerate() {
        let (route, title) = (&cell.route, escape(&cell.title));
        write!(page, "<tr><th><a href=\"#{route}\">{title}</a> <small>{}</small></th>", escape(&cell.label))?;
        for column in columns {
            match answers::at(outcome, index, column) {
                Some(answer) => entry(page, column, &answer)?,
                None => write!(page, "<td class=\"none\"></td>")?,
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody>\n</table>")
}

fn entry(page: &mut String, column: &str, answer: &Answer<'_>) -> fmt::Result {
    let (standing, figure) = (answer.against.time, |(place, number): (String, f64)| {
        Figure::new(&place, number, decimals(number)).to_string()
    });
    write!(
        page,
        "<td class=\"{}\" data-l=\"{}\"><b>{}</b> {}<small>CPU {}</small></td>",
        class(standing),
        escape(column),
        figure(answer.speed()),
        standing.name(),
        figure(answer.cpu())
    )
}

/// What colours a standing.
pub const fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Better => "better",
        Standing::Same => "same",
        Standing::Worse => "worse",
        Standing::Unclear | Standing::Noisy => "unclear",
    }
}

fn noise(page: &mut String, outcome: &Outcome) -> fmt::Result {
    if let Some((cell, place, ratio)) = answers::loudest(outcome) {
        let (figure, at) = (Figure::new(&place, ratio, 2), escape(&cell.heading()));
        writeln!(page, "<p>Noise: a lane that was run as two came out at {figure} of itself at the worst ({at}).")?;
    }
    let busy = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
    let others = outcome.cells.iter().map(|cell| cell.others).enumerate().max_by(busy);
    let (index, others) = others.unwrap_or_default();
    let figure = Figure::new(&format!("/cells/{index}/others"), others, 2).to_string();
    writeln!(
        page,
        "Other programs used up to {figure} processors meanwhile. An interval is the order-statistics interval of the median and \
         covers <span data-n=\"/settings/coverage\" data-d=\"3\">{:.3}</span>; it is widened by the noise at its point before \
         anything is said of it.</p>",
        outcome.settings.coverage
    )
}
