//! What devices do while a file is read: interrupts, and copies that the processor does not make.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use super::drawing::{bar, or_dot};
use super::lesson::Lesson;
use super::way::{Spent, Way};
use crate::mechanism::Mechanism;
use crate::proof::{Options, Route};
use crate::sys::memory::page_size;

#[derive(Serialize)]
struct Figures {
    page_size: u64,
    pages: Option<u64>,
    /// A file, read into memory.
    read: Way,
}

fn read(options: &Options, unseen: &mut Vec<String>) -> Figures {
    let read = Way::measure(Mechanism::ReadWrite, Route::FileToMemory, options, unseen);
    let bytes = read.warm.as_ref().map(|spent| spent.bytes);
    let page_size = page_size() as u64;
    Figures { page_size, pages: bytes.map(|bytes| bytes / page_size), read }
}

pub(super) fn interrupts(options: &Options) -> io::Result<Lesson> {
    let mut unseen = Vec::new();
    let figures = read(options, &mut unseen);
    let differs = "That is how disks worked without DMA. Today an interrupt says only that a device is done, with a request of \
                   many pages or with several of them; the device has put the data into memory itself. The counters are the \
                   whole machine's: what other programs cause is in them.";
    Ok(Lesson::new(&figures, draw_interrupts(&figures), differs)?.without(unseen))
}

fn draw_interrupts(figures: &Figures) -> String {
    let mut drawing = format!("a file of {} pages is read\n\n", or_dot(figures.pages));
    let _ = writeln!(drawing, "{:<24}{:<36}{:<12}", "", "interrupts by devices", "by timers and processors");
    for (what, spent) in [("on its disk alone", &figures.read.cold), ("in the page cache", &figures.read.warm)] {
        let count = spent.as_ref().and_then(|spent| spent.interrupts_by_devices);
        let processors = spent.as_ref().and_then(|spent| spent.interrupts_by_processors);
        let bar = count.zip(figures.pages).map_or(String::new(), |(count, pages)| bar(count, pages, 24));
        let _ = writeln!(drawing, "{what:<24}{bar:<26}{:<10}{}", or_dot(count), or_dot(processors));
    }
    let _ = writeln!(drawing, "{:<24}a full bar would be one for each page", "");
    drawing
}

pub(super) fn dma(options: &Options) -> io::Result<Lesson> {
    let mut unseen = Vec::new();
    let figures = read(options, &mut unseen);
    let differs = "A disk takes part only if the page cache is cold, and a network interface only if there is one: loopback and \
                   the devices of containers are programs. While the disk works, the processor is free: that is what DMA is \
                   for. The counter is the device's: what others read meanwhile is in it.";
    Ok(Lesson::new(&figures, draw_dma(&figures), differs)?.without(unseen))
}

fn draw_dma(figures: &Figures) -> String {
    let mut drawing = "\
disk ══ DMA ══▶ page cache ── a copy by the processor ──▶ program

"
    .to_owned();
    let _ = writeln!(
        drawing,
        "{:<22}{:<44}{:>14}{:>14}",
        "a file is read", "bytes that the disk moved", "ms", "ms of the CPU"
    );
    for (what, spent) in [("on its disk alone", &figures.read.cold), ("in the page cache", &figures.read.warm)] {
        let Some(Spent { bytes, read_from_disk, milliseconds, processor_milliseconds, .. }) = spent else { continue };
        let moved =
            read_from_disk.map_or("·".into(), |moved| format!("{}  {moved} of {bytes}", bar(moved, *bytes, 20)));
        let busy = or_dot(processor_milliseconds.as_ref());
        let _ = writeln!(drawing, "{what:<22}{moved:<44}{milliseconds:>14}{busy:>14}");
    }
    drawing
}
