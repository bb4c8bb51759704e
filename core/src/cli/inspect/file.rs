//! The page cache's part of a file as a map: a cell stands for one page or, in a large file, for as many as make it fit.

use std::io::{self, Write};
use std::path::Path;

use indicatif::BinaryBytes;
use nix::fcntl::OFlag;
use serde::Serialize;

use crate::cli::documents;
use crate::cli::interruption::look;
use crate::opening::open_regular;
use crate::residency::{FileResidency, residency};
use crate::sys::memory::page_size;

/// Fits a terminal of 80 columns together with the offsets before it.
const CELLS_IN_ROW: u64 = 64;
const ROWS: u64 = 16;

#[derive(Serialize)]
struct Document<'a> {
    path: String,
    size: u64,
    page_size: u64,
    pages: u64,
    present: u64,
    counted_by: &'static str,
    cells: &'a [Cell],
}

/// A part of the file, in bytes and pages.
#[derive(Serialize)]
struct Cell {
    offset: u64,
    length: u64,
    pages: u64,
    present: u64,
}

impl Cell {
    fn glyph(&self) -> char {
        match self.present {
            0 => '·',
            present if present == self.pages => '█',
            present if present * 2 < self.pages => '░',
            _ => '▒',
        }
    }
}

pub(super) fn run(path: &Path, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let shown = path.display().to_string();
    let (file, stat) = open_regular(path, OFlag::O_RDONLY, &mut look).map_err(crate::Error::whole)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let whole = residency(&file, 0, u64::MAX).map_err(|error| error.at(Some(path)).whole())?;
    let cells =
        cells(size, |offset, length| residency(&file, offset, length)).map_err(|error| error.at(Some(path)).whole())?;
    if json {
        let FileResidency { present, total, counted_by } = whole;
        let (page_size, counted_by) = (page_size() as u64, counted_by.name());
        let cells = &cells;
        return documents::write(
            out,
            &Document { path: shown, size, page_size, pages: total, present, counted_by, cells },
        );
    }
    draw(&shown, size, &whole, &cells, out)
}

/// The file in cells of equal length, the last one less.
fn cells<E>(size: u64, count: impl Fn(u64, u64) -> Result<FileResidency, E>) -> Result<Vec<Cell>, E> {
    let page = page_size() as u64;
    let step = size.div_ceil(page).div_ceil(CELLS_IN_ROW * ROWS).max(1) * page;
    let mut cells = Vec::new();
    for offset in (0..size).step_by(step as usize) {
        let length = step.min(size - offset);
        let found = count(offset, length)?;
        cells.push(Cell { offset, length, pages: found.total, present: found.present });
    }
    Ok(cells)
}

fn draw(shown: &str, size: u64, whole: &FileResidency, cells: &[Cell], out: &mut dyn Write) -> io::Result<()> {
    let page = page_size() as u64;
    let FileResidency { present, total, counted_by } = whole;
    let percent = if *total == 0 { 100.0 } else { *present as f64 * 100.0 / *total as f64 };
    writeln!(out, "{shown}: {} in {total} pages", BinaryBytes(size))?;
    let bytes = BinaryBytes(present * page);
    writeln!(out, "{present} pages ({bytes}, {percent:.1} %) in memory, says {}\n", counted_by.name())?;
    for row in cells.chunks(CELLS_IN_ROW as usize) {
        let line: String = row.iter().map(Cell::glyph).collect();
        writeln!(out, "{:>12} {line}", BinaryBytes(row[0].offset).to_string())?;
    }
    if let Some(cell) = cells.first() {
        let each = BinaryBytes(cell.pages * page);
        writeln!(out, "\nEach cell is {each}: █ in memory, ▒ half of it or more, ░ less, · none")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_in_one_cell() {
        for pages in [0, 1, 63, 1024, 1025, 5000, 1 << 30] {
            let size = (pages * 4096_u64).saturating_sub(100);
            let all = |_, length: u64| -> Result<_, ()> {
                let total = length.div_ceil(4096);
                Ok(FileResidency { present: total, total, counted_by: crate::CountedBy::Mincore })
            };
            let cells = cells(size, all).unwrap();
            assert!(cells.len() as u64 <= CELLS_IN_ROW * ROWS);
            assert_eq!(cells.iter().map(|cell| cell.pages).sum::<u64>(), pages);
            assert_eq!(cells.iter().map(|cell| cell.length).sum::<u64>(), size);
        }
    }
}
