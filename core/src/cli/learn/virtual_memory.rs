//! What page tables make possible: memory that two processes share, memory that is copied when it is written to, and
//! memory that the kernel takes back.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use super::drawing::bar;
use super::lesson::{Lesson, seen};
use crate::memory::experiments::{CopyOnWrite, Reclaim, SharedMapping, copy_on_write, reclaim, shared_mapping};
use crate::proof::Options;

#[derive(Serialize)]
struct Figures {
    copy_on_write: CopyOnWrite,
    /// For each page whether the child has it for itself after its write.
    own_pages: Vec<OwnPage>,
    shared: SharedMapping,
    reclaim: Option<Reclaim>,
}

#[derive(Serialize)]
struct OwnPage {
    page: u64,
    own: bool,
}

pub(super) fn look(options: &Options) -> io::Result<Lesson> {
    let copy_on_write = copy_on_write().map_err(crate::Error::whole)?;
    let shared = shared_mapping().map_err(crate::Error::whole)?;
    let mut unseen: Vec<_> = shared.unseen.iter().filter(|reason| reason.starts_with("frame")).cloned().collect();
    let reclaim = seen("reclaim", reclaim(&options.directory), &mut unseen);
    if reclaim.as_ref().is_some_and(|found| found.present_after == found.pages) {
        let directory = options.directory.display();
        unseen.push(format!("reclaim: the kernel kept every page; files in {directory} may be in memory only"));
    }
    let own = |page| copy_on_write.exclusive_in_child.contains(&(page as usize));
    let own_pages = (0..copy_on_write.pages).map(|page| OwnPage { page, own: own(page) }).collect();
    let agree = copy_on_write.parent_unchanged && shared.write_seen;
    let figures = Figures { copy_on_write, own_pages, shared, reclaim };
    let differs = if agree { "They agree. " } else { "Here they do not agree. " }.to_owned()
        + "What the article does not say: sharing and isolation are one mechanism. After a fork every page \
                   is shared; a private one is copied at the first write, that page and no other.";
    Ok(Lesson::new(&figures, draw(&figures), differs)?.without(unseen))
}

fn draw(figures: &Figures) -> String {
    let mut drawing = String::new();
    let mut cells = |head: &str, cell: &dyn Fn(&OwnPage) -> String| {
        let row = figures.own_pages.iter().fold(String::new(), |row, page| format!("{row}{:^4}", cell(page)));
        let _ = writeln!(drawing, "{}", format!("{head:<10}{row}").trim_end());
    };
    let either = |own: &'static str, shared: &'static str| {
        move |page: &OwnPage| if page.own { own.to_owned() } else { shared.to_owned() }
    };
    cells("page", &|page| page.page.to_string());
    cells("parent", &either("■", "■"));
    cells("", &either("", "║"));
    cells("child", &either("□", "■"));
    let CopyOnWrite { written, own_frames, parent_unchanged, .. } = &figures.copy_on_write;
    let same = if *parent_unchanged { "still reads what it wrote" } else { "reads what the child wrote" };
    let _ = writeln!(
        drawing,
        "private memory: the child wrote to page {written}; ║ one frame for both, □ one that only the child has"
    );
    let _ = writeln!(drawing, "the parent {same}");
    if let Some(frames) = own_frames {
        let _ = writeln!(drawing, "pages whose frames differ, by their numbers: {frames:?}");
    }
    let SharedMapping { pages, same_frames, write_seen, shared_pages, .. } = &figures.shared;
    let seen = if *write_seen { "reads what the child wrote" } else { "does not see what the child wrote" };
    let _ =
        writeln!(drawing, "\nshared memory: {shared_pages} of {pages} pages are in both processes; the parent {seen}");
    if let Some(same) = same_frames {
        let which = if *same { "the same" } else { "not the same" };
        let _ = writeln!(drawing, "the numbers of their frames are {which} in both");
    }
    if let Some(Reclaim { pages, present_before, present_after, read_again, content_kept }) = &figures.reclaim {
        let _ = writeln!(drawing, "\nreclaim: a file of {pages} pages is mapped");
        for (what, present) in [("read", present_before), ("asked for (MADV_PAGEOUT)", present_after)] {
            let _ = writeln!(drawing, "{what:<26}{}  {present} in memory", bar(*present, *pages, 16));
        }
        let kept = if *content_kept { "the same content" } else { "another content" };
        let (minor, major) = (read_again.minor, read_again.major);
        let _ = writeln!(drawing, "{:<26}{minor} minor and {major} major faults, {kept}", "read again");
    }
    drawing
}
