//! The article's ways to send a file: a picture of the path with the copies that were measured, and a table beside the
//! article's figures.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use super::drawing::{bar, columns, or_dot};
use super::lesson::Lesson;
use super::way::{Spent, Way};
use crate::mechanism::Mechanism;
use crate::proof::{Article, Options, Route};

const LOOPBACK: &[Route] = &[Route::FileToTcp];
/// The device decides, so it is varied.
const DEVICES: &[Route] = &[Route::FileToTcp, Route::FileToTcpGather, Route::FileToTcpNoGather];

/// Several ways, each with its line of the article.
#[derive(Serialize)]
pub(super) struct Figures {
    pub ways: Vec<Way>,
}

/// One way on one route or several, and the line of the article that the topic is about.
#[derive(Serialize)]
struct OneWay {
    article: Option<Article>,
    ways: Vec<Way>,
}

pub(super) fn read_write(options: &Options) -> io::Result<Lesson> {
    one(
        Mechanism::ReadWrite,
        LOOPBACK,
        options,
        "The copies are as the article says, and make a snapshot of it. The switches are those of one round. The disk takes \
         part only with a cold cache, the network interface only if there is one: loopback is a program.",
    )
}

pub(super) fn direct_io(options: &Options) -> io::Result<Lesson> {
    one(
        Mechanism::DirectIo,
        LOOPBACK,
        options,
        "It saves the copy out of the page cache and not the one to the socket. What the article leaves out: memory, offset \
         and length must be multiples of what the file demands, and the disk is read even if the file is in memory.",
    )
}

pub(super) fn mmap_write(options: &Options) -> io::Result<Lesson> {
    one(
        Mechanism::MmapWrite,
        LOOPBACK,
        options,
        "One copy, as it says. Its table has no column for what is paid instead: a page fault for each group of pages. And \
         the switches are those of one round.",
    )
}

/// The article's line is that of a device without gather.
pub(super) fn sendfile(options: &Options) -> io::Result<Lesson> {
    let article = Route::FileToTcpNoGather.article(Mechanism::Sendfile);
    beside(
        article,
        Mechanism::Sendfile,
        LOOPBACK,
        options,
        "The socket gets references to the page cache's own pages. Whether somebody copies them later is up to the device; \
         loopback takes them as they are. So it is no snapshot: the file can change on its way.",
    )
}

pub(super) fn sendfile_gather(options: &Options) -> io::Result<Lesson> {
    one(
        Mechanism::Sendfile,
        DEVICES,
        options,
        "It is not another call. The device that sends decides at that moment: with scatter-gather nothing is copied, \
         without it at least once.",
    )
}

pub(super) fn splice(options: &Options) -> io::Result<Lesson> {
    one(
        Mechanism::Splice,
        DEVICES,
        options,
        "It is two calls for each pipeful, file to pipe and pipe to socket, and it needs the same device as sendfile.",
    )
}

/// Calls and switches of the article's ways.
pub(super) fn layers(options: &Options) -> io::Result<Lesson> {
    let mut unseen = Vec::new();
    let of_article = |mechanism: &Mechanism| Route::FileToTcp.article(*mechanism).is_some();
    let mechanisms = Mechanism::ALL.iter().copied().filter(of_article);
    let ways = mechanisms.map(|way| Way::measure(way, Route::FileToTcp, options, &mut unseen)).collect();
    let figures = Figures { ways };
    let differs = "Two switches a call, that is so. But a call moves what a buffer, a pipe or a socket has room for, and waits \
                   are calls, too: the article's figure is that of one round at best. A switch of mode is not a context \
                   switch, which the scheduler makes when a call has to wait.";
    Ok(Lesson::new(&figures, draw_layers(&figures), differs)?.without(unseen))
}

fn draw_layers(figures: &Figures) -> String {
    let mut drawing = "\
program  ──┐     ┌──┐     ┌──
           │     │  │     │      each system call is two switches: in, and out
kernel     └─────┘  └─────┘

                 switches
file to TCP      article\
"
    .to_owned();
    let first = figures.ways.first();
    let heads = [
        first.and_then(|way| way.one_round.as_ref()).map(|calls| calls.bytes),
        first.and_then(|way| way.warm.as_ref()).map(|spent| spent.bytes),
    ];
    let heads = heads.map(|bytes| or_dot(bytes.map(|bytes| format!("{bytes} bytes"))));
    let _ = writeln!(drawing, "{}", columns(heads));
    let switches = |way: &Way| way.warm.as_ref().and_then(|spent| spent.switches);
    let most = figures.ways.iter().filter_map(switches).max().unwrap_or(0);
    for way in &figures.ways {
        let (article, one_round) = (way.article.map(|article| article.switches), way.one_round.as_ref());
        let (round, whole) = (or_dot(one_round.map(|calls| calls.switches)), switches(way));
        let bar = whole.map_or(String::new(), |count| bar(count, most, 32));
        let _ =
            writeln!(drawing, "{:<16} {:>7}{round:>16}{:>16}  {bar}", way.mechanism, or_dot(article), or_dot(whole));
    }
    drawing
}

fn one(mechanism: Mechanism, routes: &[Route], options: &Options, differs: &str) -> io::Result<Lesson> {
    beside(routes[0].article(mechanism), mechanism, routes, options, differs)
}

fn beside(
    article: Option<Article>,
    mechanism: Mechanism,
    routes: &[Route],
    options: &Options,
    differs: &str,
) -> io::Result<Lesson> {
    let mut unseen = Vec::new();
    let ways = routes.iter().map(|&route| Way::measure(mechanism, route, options, &mut unseen)).collect();
    let figures = OneWay { article, ways };
    Ok(Lesson::new(&figures, draw(&figures, mechanism), differs)?.without(unseen))
}

fn draw(figures: &OneWay, mechanism: Mechanism) -> String {
    let mut drawing = path(&figures.ways[0], mechanism);
    let heads = columns(figures.ways.iter().map(|way| short(way.over)));
    let _ = writeln!(drawing, "{:<34}{:>8}{heads}", "", "article");
    let mut line = |what: &str, article: Option<u8>, cell: &dyn Fn(&Way) -> Option<String>| {
        let cells = columns(figures.ways.iter().map(|way| or_dot(cell(way))));
        let _ = writeln!(drawing, "{what:<34}{:>8}{cells}", or_dot(article));
    };
    let article = figures.article;
    let bytes = |way: &Way| way.warm.as_ref().map(|spent| spent.bytes);
    let from_warm = |get: fn(&Spent) -> Option<u64>| move |way: &Way| Some(get(way.warm.as_ref()?)?.to_string());
    let from_cold = |get: fn(&Spent) -> Option<u64>| move |way: &Way| Some(get(way.cold.as_ref()?)?.to_string());
    let from_spent = |get: fn(&Spent) -> Option<u64>| move |way: &Way| Some(get(way.spent()?)?.to_string());
    line("copies by the processor", article.map(|article| article.cpu_copies), &Way::copies);
    line("  known by", None, &|way| way.copies.as_ref().map(|count| count.known_by.replace("aliasing, ", "")));
    line("copies by devices", article.map(|article| article.dma_copies), &|_| None);
    line("  bytes from the disk, cold cache", None, &from_cold(|spent| spent.read_from_disk));
    line("                       warm cache", None, &from_warm(|spent| spent.read_from_disk));
    line("switches of one round", article.map(|article| article.switches), &|way| {
        way.one_round.as_ref().map(|calls| calls.switches.to_string())
    });
    line("  of the whole", None, &from_warm(|spent| spent.switches));
    line(
        "system calls of the whole",
        article.map(|article| article.system_calls),
        &from_warm(|spent| spent.system_calls),
    );
    line("page faults, cold cache", None, &from_spent(|spent| spent.page_faults));
    line("interrupts of devices, cold cache", None, &from_spent(|spent| spent.interrupts_by_devices));
    line("bytes of the whole", None, &|way| bytes(way).map(|bytes| bytes.to_string()));
    if figures.ways.len() > 1 {
        drawing += "\nSG: scatter-gather of the device, the article's gather\n";
    }
    drawing
}

/// The end of a route's title, for the head of a column.
pub(super) fn short(over: &str) -> String {
    over.replace("veth with scatter-gather", "veth, SG")
}

/// From the disk to the receiver, with the copies that the experiments found between.
fn path(way: &Way, mechanism: Mechanism) -> String {
    let copies = |place: usize| way.calls.get(place).map_or("?".to_owned(), |step| step.copies.to_string());
    let all = way.copies().unwrap_or_else(|| "?".to_owned());
    match mechanism {
        Mechanism::ReadWrite => format!(
            "\
program               ┌─▶ buffer ─┐
                      │ read: {}   │ write: {}
kernel    page cache ─┘           └─▶ socket ──▶ receiver
              ▲
disk      ────┘                             copies by the processor at each arrow

",
            copies(0),
            copies(1)
        ),
        Mechanism::MmapWrite => format!(
            "\
program    mapping ──┐ (the page cache's own pages; mmap: {})
              ║      │ write: {}
kernel    page cache └─▶ socket ──▶ receiver
              ▲
disk      ────┘                             copies by the processor at each arrow

",
            copies(0),
            copies(1)
        ),
        Mechanism::DirectIo => "\
program        ┌─▶ aligned buffer ──┐
               │                    │ write
kernel         │  (no page cache)   └─▶ socket ──▶ receiver
               │
disk      ─────┘

"
        .to_owned(),
        _ => format!(
            "\
program                         (has none of the bytes)

kernel    page cache ──{:─<12}▶ socket ──▶ receiver        copies by the processor: {all}
              ▲
disk      ────┘

",
            format!(" {} ", mechanism.name())
        ),
    }
}
