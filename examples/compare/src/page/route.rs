//! One route: plots against what is varied, zcio's ratios with their intervals, and every number in a table.

use std::fmt::{self, Write};

use super::chart::{self, Measure};
use super::html::{Figure, decimals, escape, interval};
use super::overview::class as class_of;
use crate::results::{Cell, Outcome, Row, Standing};
use crate::routes::Axis;
use crate::statistics::Summary;

/// The range of the ratio bars, which are drawn on a logarithmic scale.
const LOWEST: f64 = 0.125;
const HIGHEST: f64 = 16.0;

/// A section for each route.
pub fn render_all(page: &mut String, outcome: &Outcome) -> fmt::Result {
    let mut rest: &[Cell] = &outcome.cells;
    let mut first = 0;
    while let Some(cell) = rest.first() {
        let count = rest.iter().take_while(|other| other.route == cell.route).count();
        section(page, &rest[..count], first)?;
        rest = &rest[count..];
        first += count;
    }
    Ok(())
}

/// `first` is the place of the first cell among all.
fn section(page: &mut String, cells: &[Cell], first: usize) -> fmt::Result {
    let Some(cell) = cells.first() else { return Ok(()) };
    writeln!(
        page,
        "<section id=\"{}\">\n<h2>{}</h2>\n<p>{}</p>",
        cell.route,
        escape(&cell.title),
        escape(&cell.about)
    )?;
    if cell.axis != Axis::Fixed && cells.len() > 1 {
        chart::panels(page, cells, first, Measure::Speed)?;
        chart::panels(page, cells, first, Measure::Cpu)?;
    }
    ratios(page, cells, first)?;
    for (index, cell) in cells.iter().enumerate() {
        table(page, cell, first + index)?;
    }
    writeln!(page, "</section>")
}

/// A bar for each zcio lane and each control lane: the interval, the median on it, and how it stands against the best without zcio.
fn ratios(page: &mut String, cells: &[Cell], first: usize) -> fmt::Result {
    let any = cells.iter().flat_map(|cell| &cell.lanes).any(|row| row.zcio && row.speed_ratio.is_some());
    if !any {
        return Ok(());
    }
    writeln!(page, "<h3>Speed, as a ratio to the reference</h3>\n<div class=\"ratios\">")?;
    for (index, cell) in cells.iter().enumerate() {
        for (row_index, row) in cell.lanes.iter().enumerate() {
            let Some(ratio) = row.speed_ratio.filter(|_| row.zcio || row.control) else { continue };
            let place = format!("/cells/{}/lanes/{row_index}", first + index);
            let class = if row.zcio { "zcio" } else { "control" };
            let standing = row.against.as_ref().map(|against| against.time);
            writeln!(
                page,
                "<div class=\"ratio {class}\"><span class=\"who\">{} · {} <small>{}</small></span>{}\
                 <span class=\"value\">{}</span><span class=\"standing {}\">{}</span></div>",
                escape(&row.runtime),
                escape(&row.label),
                escape(&cell.label),
                bar(&ratio),
                interval(&format!("{place}/speed_ratio"), &ratio),
                standing.map_or("", class_of),
                standing.map_or("noise", Standing::name)
            )?;
        }
    }
    writeln!(page, "</div>")
}

/// Drawn in per cent of its width, so that it has any width.
fn bar(ratio: &Summary) -> String {
    let one = position(1.0);
    format!(
        "<svg class=\"bar\" height=\"20\" role=\"img\" aria-hidden=\"true\">\
         <line class=\"one\" x1=\"{one:.2}%\" x2=\"{one:.2}%\" y1=\"0\" y2=\"20\"/>\
         <line class=\"interval\" x1=\"{:.2}%\" x2=\"{:.2}%\" y1=\"10\" y2=\"10\"/>\
         <circle cx=\"{:.2}%\" cy=\"10\" r=\"4\"/></svg>",
        position(ratio.low),
        position(ratio.high),
        position(ratio.median)
    )
}

/// Per cent from the left.
fn position(ratio: f64) -> f64 {
    let ratio = ratio.clamp(LOWEST, HIGHEST);
    (ratio / LOWEST).ln() / (HIGHEST / LOWEST).ln() * 96.0 + 2.0
}

fn table(page: &mut String, cell: &Cell, index: usize) -> fmt::Result {
    if !cell.label.is_empty() {
        writeln!(page, "<h3>{}</h3>", escape(&cell.label))?;
    }
    writeln!(
        page,
        "<table class=\"lanes\">\n<thead><tr><th>lane</th><th>GB/s</th><th>CPU s/GB</th><th>speed ratio</th><th>CPU ratio</th>\
         <th>calls/MiB</th><th>switches/MiB</th><th>peak MiB</th><th>by</th></tr></thead>\n<tbody>"
    )?;
    for (row_index, row) in cell.lanes.iter().enumerate() {
        line(page, row, &format!("/cells/{index}/lanes/{row_index}"))?;
    }
    writeln!(page, "</tbody>\n</table>")
}

fn line(page: &mut String, row: &Row, place: &str) -> fmt::Result {
    let class = match row {
        Row { zcio: true, .. } => "zcio",
        Row { reference: true, .. } => "reference",
        _ => "other",
    };
    write!(page, "<tr class=\"{class}\"><th>{} · {}</th>", escape(&row.runtime), escape(&row.label))?;
    let mut cell = |name: &str, text: &str| {
        let empty = if text.is_empty() { " class=\"empty\"" } else { "" };
        write!(page, "<td data-l=\"{name}\"{empty}>{text}</td>")
    };
    let figure = |field: &str, value: f64| Figure::new(&format!("{place}/{field}"), value, decimals(value)).to_string();
    let maybe = |field: &str, value: Option<f64>| value.map_or_else(String::new, |value| figure(field, value));
    let ratio = |field: &str, ratio: Option<&Summary>| match ratio {
        _ if row.reference => "reference".to_string(),
        Some(ratio) => interval(&format!("{place}/{field}"), ratio),
        None => String::new(),
    };
    cell("GB/s", &figure("gigabytes_per_second/median", row.gigabytes_per_second.median))?;
    cell("CPU s/GB", &figure("cpu_seconds_per_gigabyte/median", row.cpu_seconds_per_gigabyte.median))?;
    cell("speed ratio", &ratio("speed_ratio", row.speed_ratio.as_ref()))?;
    cell("CPU ratio", &ratio("cpu_ratio", row.cpu_ratio.as_ref()))?;
    cell("calls/MiB", &maybe("system_calls_per_mebibyte", row.system_calls_per_mebibyte))?;
    let switches = row.context_switches_per_mebibyte.map(|switches| switches.median);
    cell("switches/MiB", &maybe("context_switches_per_mebibyte/median", switches))?;
    cell("peak MiB", &maybe("peak_mebibytes", row.peak_mebibytes))?;
    cell("by", &row.mechanism.as_deref().map(escape).unwrap_or_default())?;
    writeln!(page, "</tr>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_fast_and_half_as_fast_are_as_far_from_one() {
        let one = position(1.0);
        assert!((position(2.0) - one - (one - position(0.5))).abs() < 1e-9);
        assert!((position(1e9) - 98.0).abs() < 1e-9 && (position(0.0) - 2.0).abs() < 1e-9);
    }
}
