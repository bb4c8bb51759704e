//! The table for a terminal, at most 120 columns wide: what the article says and what was measured side by side, a section
//! for each route, and below it what the article's table would have to say.

use std::fmt::{self, Formatter};

use super::{Cell, CopyCount, Cost, Evidence, Proof, Row};
use crate::paragraph;

/// In columns.
const WIDTH: usize = 120;
const HEADING: [&str; 2] = [
    "                 copies by the CPU                          system switch-  page faults   MB moved  inter-  CPU s/GB",
    " mechanism       article zcio measured (known by)            calls     es  minor major  disk   net  rupts  warm  cold",
];

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Linux {}, {} a transfer", self.kernel, bytes(self.size))?;
        let mut at = 0;
        while let Some(first) = self.rows.get(at) {
            let end =
                self.rows[at..].iter().position(|row| row.route != first.route).map_or(self.rows.len(), |n| at + n);
            section(f, &self.rows[at..end])?;
            at = end;
        }
        article(f, self)?;
        notes(f, self)
    }
}

fn section(f: &mut Formatter<'_>, rows: &[Row]) -> fmt::Result {
    writeln!(f, "\n{}\n{}\n{}", rows[0].route.title(), HEADING[0], HEADING[1])?;
    // One reason for all rows needs to be said once.
    if let Some(reason) = rows[0].copies.reason()
        && rows.iter().all(|row| row.copies.reason() == Some(reason))
    {
        for row in rows {
            writeln!(f, " {}", head(row))?;
        }
        return wrapped(f, " all of it unknown: ", reason);
    }
    rows.iter().try_for_each(|row| line(f, row))
}

/// Name, article, claim.
fn head(row: &Row) -> String {
    let article = row.article.map_or("·".to_string(), |article| article.cpu_copies.to_string());
    let claim = match row.claim {
        None => "·".to_string(),
        Some(claim) => claim.copies.map_or("?".to_string(), |copies| copies.to_string()),
    };
    format!("{:<16}{article:>6}{claim:>5}", row.subject)
}

fn line(f: &mut Formatter<'_>, row: &Row) -> fmt::Result {
    if let Some(reason) = row.copies.reason() {
        return wrapped(f, &format!(" {} unknown: ", head(row)), reason);
    }
    let measured =
        row.copies.value().zip(row.copies.known_by()).map_or(String::new(), |(copies, by)| count(*copies, by));
    write!(f, " {} {measured:<28}", head(row))?;
    match row.warm.value() {
        Some(warm) => costs(f, warm, row.cold.value())?,
        None => writeln!(f)?,
    }
    if let Some(mapped) = row.warm.value().and_then(|warm| warm.mapped.as_ref()) {
        wrapped(f, "     mapped: ", &mapped.to_string())?;
    }
    if let Some(reason) = row.warm.reason() {
        wrapped(f, "     costs unknown: ", reason)?;
    }
    if let Some(contradiction) = &row.contradiction {
        wrapped(f, "     CONTRADICTION: ", contradiction)?;
    }
    Ok(())
}

/// The count between its bounds, and what says so.
fn count(copies: CopyCount, known_by: Evidence) -> String {
    let number = bounds(copies);
    let model = if copies.most_known_by == Some(Evidence::Model) { " + model" } else { "" };
    let known_by = if known_by == Evidence::AliasingOfEachCall { "each call" } else { known_by.name() };
    format!("{number:<4}({known_by}{model})")
}

fn bounds(copies: CopyCount) -> String {
    match copies.most {
        Some(most) if most == copies.least => most.to_string(),
        Some(most) => format!("{}–{most}", copies.least),
        None => format!("≥ {}", copies.least),
    }
}

/// The counts with a cold cache where there are such: then faults, disk and interrupts show.
fn costs(f: &mut Formatter<'_>, warm: &Cost, cold: Option<&Cost>) -> fmt::Result {
    let counts = cold.unwrap_or(warm);
    let (disk, network) =
        (counts.block.value().map(|block| block.read + block.written), counts.network.value().copied());
    let megabytes = |bytes: Option<u64>| or_dot(bytes.map(|bytes| format!("{:.1}", bytes as f64 / 1e6)));
    let faults = counts.faults.value();
    let per_gb = |cost: Option<&Cost>| {
        or_dot(cost.and_then(|cost| cost.cpu_seconds_per_gb.value()).map(|seconds| format!("{seconds:.2}")))
    };
    writeln!(
        f,
        " {:>5} {:>6} {:>6} {:>5} {:>6} {:>5} {:>6} {:>5} {:>5}",
        or_dot(warm.system_calls.value()),
        or_dot(warm.switches.value()),
        or_dot(faults.map(|faults| faults.minor)),
        or_dot(faults.map(|faults| faults.major)),
        megabytes(disk),
        megabytes(network),
        or_dot(counts.interrupts.value().map(|found| found.by_devices)),
        per_gb(Some(warm)),
        per_gb(cold),
    )?;
    match cold.and_then(|cold| cold.cached_before.value()) {
        Some(&cached) if cached > 0.01 => {
            writeln!(f, "     not quite cold: {:.0} % of the file stayed in the page cache", cached * 100.0)
        }
        _ => Ok(()),
    }
}

fn or_dot(value: Option<impl ToString>) -> String {
    value.map_or("·".into(), |value| value.to_string())
}

/// The article's own lines, each beside what was measured over each device.
fn article(f: &mut Formatter<'_>, proof: &Proof) -> fmt::Result {
    writeln!(f, "\nthe article's table, measured")?;
    writeln!(f, "                                          copies by the CPU  copies by devices       switches")?;
    let size = bytes(proof.size);
    writeln!(
        f,
        " way                        over          article measured  article disk cold warm  article  16 KiB  {size:>7}"
    )?;
    for row in &proof.rows {
        let Some(article) = row.article else { continue };
        let over = row.route.title().rsplit(", ").next().unwrap_or_default().replace("with scatter-gather", "SG");
        let measured = row.copies.value().map_or("unknown".into(), |copies| bounds(*copies));
        let disk = |cost: &Cell<Cost>| {
            let cost = cost.value()?;
            Some(format!("{:.1}", cost.block.value()?.read as f64 / cost.bytes as f64))
        };
        let one_round = or_dot(row.one_round.value().map(|calls| 2 * calls));
        let switches = or_dot(row.warm.value().and_then(|cost| cost.switches.value()));
        writeln!(
            f,
            " {:<26} {over:<12} {:>8} {measured:>8}  {:>7} {:>9} {:>4}  {:>7}  {one_round:>6}  {switches:>7}",
            article.way,
            article.cpu_copies,
            article.dma_copies,
            or_dot(disk(&row.cold)),
            or_dot(disk(&row.warm)),
            article.switches,
        )?;
    }
    Ok(())
}

fn notes(f: &mut Formatter<'_>, proof: &Proof) -> fmt::Result {
    writeln!(f)?;
    for text in [
        "copies: 0 means that the receiver saw a change made after the transfer, so its pages are the source's own. Otherwise \
         at least as many copies were made as experiments show; \"+ model\": that it was no more, only the model says. \
         zcio: what the transfer's own report says; ?: it makes no claim.",
        "calls and switches (two a call) are the engine's own count, with a warm cache. The rest is the kernel's: faults, \
         disk, network and interrupts with a cold cache where there is a file to read; processor time without the peer's. \
         Disk, network and interrupts are counted for the whole device or machine: others' use is in them.",
    ] {
        wrapped(f, "", text)?;
    }
    let corrections = super::corrections::corrections(proof);
    if !corrections.is_empty() {
        writeln!(f, "\nthe article, corrected")?;
    }
    for correction in corrections {
        wrapped(f, "  ", &correction)?;
    }
    writeln!(f, "\nthe price: a file changed in flight")?;
    match &proof.hazard {
        Cell::Unknown { unknown } => wrapped(f, "  unknown: ", unknown),
        Cell::Known { value, .. } => {
            writeln!(
                f,
                "  the file said {:?} and was changed to {:?} after the transfer had returned",
                value.sent, value.changed_to
            )?;
            for (name, arrival) in [("aliased", &value.aliased), ("snapshot", &value.snapshot)] {
                writeln!(f, "  {name} (by {}): {:?} arrived", arrival.mechanism, arrival.text)?;
            }
            Ok(())
        }
    }
}

/// A text in lines of the table's width.
fn wrapped(f: &mut Formatter<'_>, lead: &str, text: &str) -> fmt::Result {
    paragraph::write(f, lead, text, WIDTH)
}

fn bytes(size: u64) -> String {
    if size.is_multiple_of(1 << 20) { format!("{} MiB", size >> 20) } else { format!("{size} bytes") }
}
