//! The answer: what to take, for each runtime and each class of routes, by how much, at which sizes. Sentences and table are
//! made of the results alone.

use crate::results::standing::noise;
use crate::results::{Against, Cell, Outcome, Row, Standing};
use crate::routes::{
    FILE_TO_FILE, FILE_TO_FILE_TMPFS, FILE_TO_FILE_XFS, FILE_TO_PIPE, FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS, HAND_OVER,
    MAP_CLOSE, MAPPED_SCAN, MAPPED_SUM, RANDOM_READ, RANDOM_READ_DIRECT, RELAY, SMALL_FILES, SMALL_RANGES, TCP_TO_FILE,
    TCP_TO_FILE_DURABLE,
};

/// Routes that are answered in one sentence.
const CLASSES: [&[&str]; 8] = [
    &[FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS, FILE_TO_PIPE],
    &[TCP_TO_FILE, TCP_TO_FILE_DURABLE],
    &[RELAY],
    &[FILE_TO_FILE, FILE_TO_FILE_XFS, FILE_TO_FILE_TMPFS],
    &[SMALL_FILES, SMALL_RANGES],
    &[MAPPED_SCAN, MAPPED_SUM, MAP_CLOSE],
    &[RANDOM_READ, RANDOM_READ_DIRECT],
    &[HAND_OVER],
];

/// zcio's best lane at one point, among its like in one runtime.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// Where.
    pub cell: &'a Cell,
    /// Which lane.
    pub row: &'a Row,
    /// How it stands.
    pub against: &'a Against,
    place: (usize, usize),
}

/// A piece of a sentence.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// Words.
    Words(String),
    /// A measured number, with its place in the JSON.
    Number(String, f64),
}

impl Answer<'_> {
    /// The median of the ratio of speeds, and its place in the JSON.
    pub fn speed(&self) -> (String, f64) {
        (self.at("speed_ratio"), self.against.speed_ratio.median)
    }

    /// The median of the ratio of CPU times, and its place in the JSON.
    pub fn cpu(&self) -> (String, f64) {
        (self.at("cpu_ratio"), self.against.cpu_ratio.median)
    }

    fn at(&self, ratio: &str) -> String {
        format!("/cells/{}/lanes/{}/against/{ratio}/median", self.place.0, self.place.1)
    }
}

/// What zcio is judged in: a runtime, and the kind of program.
pub fn columns(outcome: &Outcome) -> Vec<String> {
    let mut all = Vec::new();
    for row in outcome.cells.iter().flat_map(|cell| &cell.lanes).filter(|row| row.against.is_some()) {
        if !all.contains(&column(row)) {
            all.push(column(row));
        }
    }
    all
}

fn column(row: &Row) -> String {
    if row.kind.is_empty() { row.runtime.clone() } else { format!("{}, {}", row.runtime, row.kind) }
}

/// The answer at the cell of that number, in that column.
pub fn at<'a>(outcome: &'a Outcome, index: usize, name: &str) -> Option<Answer<'a>> {
    let cell = &outcome.cells[index];
    let judged = cell.lanes.iter().enumerate().filter(|(_, row)| column(row) == name);
    let answers = judged.filter_map(|(lane, row)| {
        row.against.as_ref().map(|against| Answer { cell, row, against, place: (index, lane) })
    });
    answers.max_by(|a, b| a.speed().1.total_cmp(&b.speed().1))
}

/// Whether the run was too noisy to decide anything by it.
pub fn is_void(outcome: &Outcome) -> bool {
    let mut standings = outcome.cells.iter().flat_map(|cell| &cell.lanes).filter_map(|row| row.against.as_ref());
    outcome.cells.iter().any(|cell| !cell.lanes.is_empty()) && standings.all(|it| it.time == Standing::Noisy)
}

/// A sentence for each class of routes, in that column.
pub fn sentences(outcome: &Outcome, column: &str) -> Vec<Vec<Part>> {
    let sentence = |class: &&[&str]| {
        let clauses: Vec<_> = class.iter().filter_map(|route| clause(outcome, column, route)).collect();
        let mut parts = Vec::new();
        for (number, clause) in clauses.into_iter().enumerate() {
            parts.extend((number > 0).then(|| Part::Words(". ".into())));
            parts.extend(clause);
        }
        (!parts.is_empty()).then(|| parts.into_iter().chain([Part::Words(".".into())]).collect())
    };
    CLASSES.iter().filter_map(sentence).collect()
}

/// What to take on one route, points with the same answer told together.
fn clause(outcome: &Outcome, column: &str, route: &str) -> Option<Vec<Part>> {
    let points = (0..outcome.cells.len()).filter(|&index| outcome.cells[index].route == route);
    let answers: Vec<_> = points.filter_map(|index| at(outcome, index, column)).collect();
    let mut parts = vec![Part::Words(format!("{}: ", answers.first()?.cell.title))];
    for (number, run) in answers.chunk_by(|a, b| a.against.time == b.against.time).enumerate() {
        parts.extend((number > 0).then(|| Part::Words("; ".into())));
        tell(run, &mut parts);
    }
    Some(parts)
}

/// One answer that holds at these points.
fn tell(run: &[Answer<'_>], parts: &mut Vec<Part>) {
    let mut say = |words: String| parts.push(Part::Words(words));
    let (first, last) = (&run[0], &run[run.len() - 1]);
    let place = match (first.cell.label.as_str(), last.cell.label.as_str()) {
        ("", _) => String::new(),
        (one, other) if one == other => format!(" at {one}"),
        (one, other) => format!(" at {one} to {other}"),
    };
    let lanes = |name: fn(&Answer<'_>) -> String| {
        let mut names: Vec<_> = run.iter().map(name).collect();
        names.dedup();
        names.join(" or ")
    };
    match first.against.time {
        Standing::Better => say(format!("{}{place} (", lanes(|answer| answer.row.label.clone()))),
        Standing::Same => say(format!("either{place} (")),
        Standing::Worse => say(format!("{}{place} (zcio ", lanes(|answer| answer.against.lane.clone()))),
        Standing::Unclear => return say(format!("not shown{place}")),
        Standing::Noisy => return say(format!("too noisy{place}")),
    }
    if first.against.time != Standing::Same {
        range(run, Answer::speed, parts);
        parts.push(Part::Words(" × as fast, ".into()));
    }
    range(run, Answer::cpu, parts);
    parts.push(Part::Words(" × the CPU time)".into()));
}

/// The least and the largest of these numbers; one, where they are written alike.
fn range<'a>(run: &[Answer<'a>], number: fn(&Answer<'a>) -> (String, f64), parts: &mut Vec<Part>) {
    let mut numbers: Vec<_> = run.iter().map(number).collect();
    numbers.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (least, most) = (numbers.remove(0), numbers.pop());
    let most = most.filter(|most| format!("{:.2}", most.1) != format!("{:.2}", least.1));
    parts.push(Part::Number(least.0, least.1));
    if let Some(most) = most {
        parts.push(Part::Words("–".into()));
        parts.push(Part::Number(most.0, most.1));
    }
}

/// A sentence for a terminal or in Markdown.
pub fn plain(parts: &[Part]) -> String {
    let text = parts.iter().map(|part| match part {
        Part::Words(words) => words.clone(),
        Part::Number(_, number) => format!("{number:.2}"),
    });
    text.collect()
}

/// Where a lane that was run as two came out furthest from itself: the cell, the place of that number in the JSON, the number.
pub fn loudest(outcome: &Outcome) -> Option<(&Cell, String, f64)> {
    let rows =
        outcome.cells.iter().enumerate().flat_map(|(cell, it)| it.lanes.iter().enumerate().map(move |row| (cell, row)));
    let controls = rows.filter_map(|(cell, (lane, row))| Some((cell, lane, row.speed_ratio.filter(|_| row.control)?)));
    let (cell, lane, ratio) = controls.max_by(|a, b| noise(&a.2).total_cmp(&noise(&b.2)))?;
    let is_low = ratio.low.ln().abs() > ratio.high.ln().abs();
    let (name, value) = if is_low { ("low", ratio.low) } else { ("high", ratio.high) };
    Some((&outcome.cells[cell], format!("/cells/{cell}/lanes/{lane}/speed_ratio/{name}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;
    use crate::statistics::Summary;
    use crate::table::tests::{against, outcome};

    #[test]
    fn every_route_is_in_one_class() {
        for route in routes::ALL {
            let classes = CLASSES.iter().filter(|class| class.contains(&route.name()));
            assert_eq!(classes.count(), 1, "{}", route.name());
        }
    }

    #[test]
    fn a_defeat_is_called_a_defeat() {
        let ratio = |median: f64| Summary { median, low: median, high: median, min: median, max: median };
        for (median, expected) in [
            (1.3, "file → TCP: zcio at 64 KiB to 16 MiB (1.30 × as fast, 0.50 × the CPU time)."),
            (1.0, "file → TCP: either at 64 KiB to 16 MiB (0.50 × the CPU time)."),
            (0.8, "file → TCP: std at 64 KiB to 16 MiB (zcio 0.80 × as fast, 0.50 × the CPU time)."),
        ] {
            let outcome = outcome(ratio(median));
            let told: Vec<_> = sentences(&outcome, "Rust").iter().map(|parts| plain(parts)).collect();
            assert_eq!(told, [expected]);
        }
    }

    #[test]
    fn points_with_another_answer_are_told_apart() {
        let mut outcome = outcome(Summary { median: 1.3, low: 1.2, high: 1.4, min: 1.2, max: 1.4 });
        outcome.cells[0].lanes[1].against =
            Some(against(Summary { median: 0.9, low: 0.8, high: 1.1, min: 0.8, max: 1.1 }));
        let told = plain(&sentences(&outcome, "Rust")[0]);
        assert_eq!(told, "file → TCP: not shown at 64 KiB; zcio at 16 MiB (1.30 × as fast, 0.50 × the CPU time).");
        assert!(!is_void(&outcome));
        for cell in &mut outcome.cells {
            cell.lanes[1].against.as_mut().unwrap().time = Standing::Noisy;
        }
        assert!(is_void(&outcome));
    }
}
