//! Plots against what is varied: one panel for each runtime, all with the same scale, so that panels can be compared.
//!
//! Lines are labelled where they end, not in a legend. Labels that would overlap are pushed apart.

use std::fmt::{self, Write};

use super::html::{decimals, escape};
use crate::results::{Cell, Row};
use crate::routes::Axis;

/// The panel, in units of its own; it is scaled to the room there is.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 200.0;
/// The plot in it.
const LEFT: f64 = 32.0;
const RIGHT: f64 = 212.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 176.0;
/// From one label to the next.
const LINE: f64 = 11.5;
/// Longer labels are cut.
const LETTERS: usize = 28;

/// What is plotted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// GB/s.
    Speed,
    /// CPU s/GB.
    Cpu,
}

impl Measure {
    const fn title(self) -> &'static str {
        match self {
            Self::Speed => "Throughput, GB/s",
            Self::Cpu => "CPU time, s/GB",
        }
    }

    const fn field(self) -> &'static str {
        match self {
            Self::Speed => "gigabytes_per_second",
            Self::Cpu => "cpu_seconds_per_gigabyte",
        }
    }

    fn of(self, row: &Row) -> f64 {
        match self {
            Self::Speed => row.gigabytes_per_second.median,
            Self::Cpu => row.cpu_seconds_per_gigabyte.median,
        }
    }
}

/// A lane along a route.
struct Line<'a> {
    row: &'a Row,
    /// Place in the JSON, column, value.
    points: Vec<(String, usize, f64)>,
}

/// A panel for each runtime. `first` is the place of the first cell among all.
pub fn panels(page: &mut String, cells: &[Cell], first: usize, measure: Measure) -> fmt::Result {
    let rows = || cells.iter().flat_map(|cell| &cell.lanes);
    let mut runtimes: Vec<&str> = rows().map(|row| row.runtime.as_str()).collect();
    runtimes.dedup();
    runtimes.sort_unstable_by_key(|runtime| rows().position(|row| row.runtime == *runtime));
    runtimes.dedup();
    // The first point of the smallest files is often far off what matters; the top is set by all the same.
    let top = nice(rows().map(|row| measure.of(row)).fold(0.0, f64::max));
    writeln!(page, "<h3>{}</h3>\n<div class=\"panels\">", measure.title())?;
    for runtime in runtimes {
        panel(page, cells, first, measure, runtime, top)?;
    }
    writeln!(page, "</div>")
}

fn panel(page: &mut String, cells: &[Cell], first: usize, measure: Measure, runtime: &str, top: f64) -> fmt::Result {
    let lines = lines(cells, first, measure, runtime);
    writeln!(
        page,
        "<figure><svg class=\"panel\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} on {}\">",
        measure.title(),
        escape(runtime)
    )?;
    writeln!(page, "<text class=\"runtime\" x=\"{LEFT}\" y=\"14\">{}</text>", escape(runtime))?;
    axes(page, cells, top)?;
    let ends = apart(lines.iter().map(|line| line.points.last().map_or(BOTTOM, |point| y(point.2, top))).collect());
    // What matters is drawn last, over the others.
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&index| (lines[index].row.zcio, lines[index].row.reference));
    for index in order {
        curve(page, &lines[index], cells.len(), top, ends[index])?;
    }
    writeln!(page, "</svg></figure>")
}

fn lines<'a>(cells: &'a [Cell], first: usize, measure: Measure, runtime: &str) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for (column, cell) in cells.iter().enumerate() {
        for (index, row) in cell.lanes.iter().enumerate().filter(|(_, row)| row.runtime == runtime) {
            let point = (
                format!("/cells/{}/lanes/{index}/{}/median", first + column, measure.field()),
                column,
                measure.of(row),
            );
            match lines.iter_mut().find(|line| line.row.method == row.method) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { row, points: vec![point] }),
            }
        }
    }
    lines
}

fn axes(page: &mut String, cells: &[Cell], top: f64) -> fmt::Result {
    for part in [0.0, 0.5, 1.0] {
        let (value, y) = (top * part, y(top * part, top));
        let text = format!("{value:.6}");
        writeln!(page, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>")?;
        writeln!(
            page,
            "<text class=\"tick end\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            LEFT - 4.0,
            y + 3.0,
            text.trim_end_matches('0').trim_end_matches('.')
        )?;
    }
    for (column, cell) in cells.iter().enumerate() {
        let text = match cell.axis {
            Axis::Size => cell.label.replace("iB", "").replace(' ', "\u{202f}"),
            _ => cell.point.to_string(),
        };
        writeln!(
            page,
            "<text class=\"tick middle\" x=\"{:.1}\" y=\"190\">{}</text>",
            x(column, cells.len()),
            escape(&text)
        )?;
    }
    Ok(())
}

fn curve(page: &mut String, line: &Line<'_>, columns: usize, top: f64, label_at: f64) -> fmt::Result {
    let row = line.row;
    let class = match row {
        Row { zcio: true, .. } => "zcio",
        Row { reference: true, .. } => "reference",
        Row { control: true, .. } => "control",
        _ => "other",
    };
    let place = |point: &(String, usize, f64)| format!("{:.1},{:.1}", x(point.1, columns), y(point.2, top));
    let path: Vec<_> = line.points.iter().map(place).collect();
    writeln!(page, "<g class=\"{class}\"><polyline points=\"{}\"/>", path.join(" "))?;
    for (pointer, column, value) in &line.points {
        let digits = decimals(*value);
        writeln!(
            page,
            "<circle data-n=\"{pointer}\" data-d=\"{digits}\" data-v=\"{value:.digits$}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/>",
            x(*column, columns),
            y(*value, top)
        )?;
    }
    let (from, end) = (RIGHT + 2.0, line.points.last());
    if let Some((_, column, value)) = end {
        // From the end of the line to a label that had to give way.
        writeln!(
            page,
            "<line class=\"leader\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{label_at:.1}\"/>",
            x(*column, columns) + 3.0,
            y(*value, top),
            from + 6.0
        )?;
    }
    writeln!(page, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>", from + 8.0, label_at + 3.0, escape(&cut(&row.label)))
}

fn cut(label: &str) -> String {
    if label.chars().count() <= LETTERS {
        label.to_string()
    } else {
        label.chars().take(LETTERS - 1).chain(['…']).collect()
    }
}

/// The column's place; points are spread evenly, as powers are on a logarithmic axis.
fn x(column: usize, columns: usize) -> f64 {
    LEFT + 10.0 + (RIGHT - LEFT - 20.0) * column as f64 / (columns.max(2) - 1) as f64
}

fn y(value: f64, top: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * (value / top).min(1.0)
}

/// The next number above that reads well.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|&top| top >= value).unwrap_or(10.0 * power)
}

/// Moves labels so that none overlaps another, keeping their order and staying inside the panel.
fn apart(wanted: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut places = wanted;
    let mut lowest = f64::NEG_INFINITY;
    for &index in &order {
        places[index] = places[index].max(lowest);
        lowest = places[index] + LINE;
    }
    let mut highest = HEIGHT - 6.0;
    for &index in order.iter().rev() {
        places[index] = places[index].min(highest);
        highest = places[index] - LINE;
    }
    places
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // The values are chosen so that every result is exact.
mod tests {
    use super::*;

    #[test]
    fn the_scale_goes_from_nothing_to_the_top() {
        assert_eq!((y(0.0, 4.0), y(4.0, 4.0), y(2.0, 4.0)), (BOTTOM, TOP, f64::midpoint(BOTTOM, TOP)));
        assert_eq!((nice(3.2), nice(0.07), nice(10.0), nice(9.1)), (4.0, 0.08, 10.0, 10.0));
        assert_eq!((x(0, 3), x(2, 3)), (LEFT + 10.0, RIGHT - 10.0));
    }

    #[test]
    fn labels_do_not_overlap_and_keep_their_order() {
        let places = apart(vec![100.0, 101.0, 30.0, 193.9, 194.0]);
        let mut sorted = places.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= LINE - 1e-9), "{places:?}");
        assert!(places[0] < places[1] && places[3] < places[4] && places[4] <= HEIGHT - 6.0);
        assert_eq!(places[2], 30.0);
    }
}
