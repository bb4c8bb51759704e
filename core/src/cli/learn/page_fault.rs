//! Memory comes with the first touch, by page faults.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use super::drawing::bar;
use super::lesson::{Lesson, seen};
use crate::memory::Faults;
use crate::memory::experiments::{DemandPaging, ReadAhead, demand_paging, read_ahead};
use crate::proof::Options;

const PAGES: u64 = 1024;

#[derive(Serialize)]
struct Figures {
    memory: DemandPaging,
    file: Option<ReadAhead>,
}

pub(super) fn look(options: &Options) -> io::Result<Lesson> {
    let memory = demand_paging(PAGES).map_err(crate::Error::whole)?;
    let mut unseen = Vec::new();
    let file = seen("the faults of a file", read_ahead(&options.directory, PAGES), &mut unseen);
    if file.as_ref().is_some_and(|file| file.present_before == file.pages) {
        unseen
            .push(format!("faults that wait for a disk: files in {} are in memory only", options.directory.display()));
    }
    let figures = Figures { memory, file };
    // One more may be the program's own.
    let mut differs = if figures.memory.first_touch.minor >= figures.memory.pages {
        "For new memory they agree: one fault a page, once.".to_owned()
    } else {
        "Here the kernel gave another number of pages with a fault than one.".to_owned()
    };
    differs += " For files the article leaves out that the kernel does more than one page at a time: it reads ahead from the \
                disk and maps neighbours with the same fault. A fault that waits for a device is a major one.";
    Ok(Lesson::new(&figures, draw(&figures), differs)?.without(unseen))
}

fn draw(figures: &Figures) -> String {
    let DemandPaging { pages, present_before, first_touch, second_touch, present_after, .. } = figures.memory;
    let mut drawing = format!("{:<36}{:<38}{:>10}\n", "", "pages in memory", "page faults");
    let _ = writeln!(drawing, "{:<36}{:<36}{:>6}{:>7}", "", "", "minor", "major");
    let mut line = |what: &str, present: Option<u64>, faults: Option<Faults>| {
        let present = present.map_or(String::new(), |count| format!("{}  {count} of {pages}", bar(count, pages, 16)));
        let faults = faults.map_or(String::new(), |faults| format!("{:>6}{:>7}", faults.minor, faults.major));
        let _ = writeln!(drawing, "{what:<36}{present:<36}{faults}");
    };
    line("new memory is mapped", Some(present_before), None);
    line("a byte of each page is written", Some(present_after), Some(first_touch));
    line("and again", Some(present_after), Some(second_touch));
    if let Some(file) = &figures.file {
        line("a file that is on its disk, mapped", Some(file.present_before), None);
        line("a byte of each page is read", None, Some(file.faults));
    }
    drawing
}
