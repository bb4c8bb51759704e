//! The page table of a live process, this one, and what it costs that the table is a tree.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use super::drawing::bar;
use super::lesson::{Lesson, seen};
use crate::memory::experiments::{PageTables, page_tables};
use crate::memory::{Process, pages};
use crate::proof::Options;
use crate::region::{Advice, Region};
use crate::sys::memory::page_size;

const PAGES: u64 = 8;
/// Some of them, so that the rest is seen to be nothing.
const WRITTEN: [u64; 4] = [0, 3, 4, 7];

#[derive(Debug, Serialize)]
struct Figures {
    page_size: u64,
    pages: Vec<Page>,
    page_tables: Option<PageTables>,
}

#[derive(Debug, Serialize)]
struct Page {
    address: String,
    written: bool,
    present: bool,
    /// `None`: not present, or hidden.
    frame: Option<String>,
}

pub(super) fn look(_: &Options) -> io::Result<Lesson> {
    let mut unseen = Vec::new();
    // Before anything of this process is measured: what it allocates for itself grows the tables, too.
    let page_tables = seen("what page tables cost", page_tables(), &mut unseen);
    let region = Region::anonymous(PAGES * page_size() as u64).map_err(crate::Error::whole)?;
    region.advise(.., Advice::NoHugePage).map_err(crate::Error::whole)?;
    for page in WRITTEN {
        region.write_at(page * page_size() as u64, b"w").map_err(crate::Error::whole)?;
    }
    let (pages, hidden) = table(&region)?;
    let figures = Figures { page_size: page_size() as u64, pages, page_tables };
    let differs = "The table is a tree. A branch without pages does not exist, so an empty address space costs nothing; pages \
                   far apart need a table of the lowest level each, and a list would cost the same for both. And frames \
                   are in no order.";
    unseen.extend(hidden);
    Ok(Lesson::new(&figures, draw(&figures), differs)?.without(unseen))
}

/// The entries of a region's pages, and what the kernel hides of them.
fn table(region: &Region) -> io::Result<(Vec<Page>, Vec<String>)> {
    let view = region.view(..).map_err(crate::Error::whole)?;
    let start = view.as_ptr() as u64;
    let table = pages(Process::Own, start..start + view.len() as u64).map_err(crate::Error::whole)?;
    let page = |(number, entry): (u64, &crate::memory::PageEntry)| Page {
        address: format!("{:#x}", start + number * table.page_size),
        written: WRITTEN.contains(&number),
        present: entry.is_present(),
        frame: entry.frame().map(|frame| format!("{frame:#x}")),
    };
    let hidden = table.unseen.into_iter().filter(|reason| reason.starts_with("frame numbers"));
    Ok(((0..).zip(&table.entries).map(page).collect(), hidden.collect()))
}

fn draw(figures: &Figures) -> String {
    let mut drawing = format!(
        "pages of {} bytes, new, and some of them written to\n\n{:<17}{:<10}{:<18}frame of physical memory\n",
        figures.page_size, "virtual address", "written", "page-table entry"
    );
    for page in &figures.pages {
        let frame = match &page.frame {
            Some(frame) => format!("───▶  {frame}"),
            None if page.present => "───▶  ?".to_owned(),
            None => String::new(),
        };
        let (written, entry) = (if page.written { "yes" } else { "" }, if page.present { "present" } else { "·" });
        let _ = writeln!(drawing, "{:<17}{written:<10}{entry:<18}{frame}", page.address);
    }
    if let Some(tables) = &figures.page_tables {
        let _ = writeln!(drawing, "\nwhat the tables of {} pages take that are written to", tables.pages);
        for (what, bytes) in [
            ("side by side".to_owned(), tables.side_by_side),
            (format!("{} bytes apart", tables.distance), tables.far_apart),
        ] {
            let _ = writeln!(drawing, "{what:<24}{}  {bytes} bytes", bar(bytes, tables.far_apart, 32));
        }
    }
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mincore(2) is another way than the page table's file.
    #[test]
    fn the_pages_drawn_as_present_are_those_in_memory() {
        let region = Region::anonymous(PAGES * page_size() as u64).unwrap();
        region.advise(.., Advice::NoHugePage).unwrap();
        for page in [1, 2, 6] {
            region.write_at(page * page_size() as u64, b"w").unwrap();
        }
        let (pages, _) = table(&region).unwrap();
        let present: Vec<_> = pages.iter().map(|page| page.present).collect();
        let size = page_size() as u64;
        let in_core = |page| region.residency(page * size..(page + 1) * size).unwrap().present == 1;
        assert_eq!(present, (0..PAGES).map(in_core).collect::<Vec<_>>());
        assert_eq!(present, [false, true, true, false, false, false, true, false]);
        let start = region.view(..).unwrap().as_ptr() as usize;
        assert_eq!(pages[6].address, format!("{:#x}", start + 6 * page_size()));
    }
}
