//! The article's table, and the ways of Java's NIO, measured.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use super::drawing::or_dot;
use super::lesson::Lesson;
use super::way::Way;
use super::ways::{Figures, short};
use crate::mechanism::Mechanism;
use crate::proof::{Options, Route};

/// The five lines of the article, as far as this machine can do them.
pub(super) fn comparison(options: &Options) -> io::Result<Lesson> {
    let mut unseen = Vec::new();
    let routes = [Route::FileToTcp, Route::FileToTcpNoGather];
    let lines = routes.iter().flat_map(|&route| {
        let mechanisms = route.mechanisms().into_iter().filter(move |&way| route.article(way).is_some());
        mechanisms.map(move |mechanism| (route, mechanism))
    });
    let ways = lines.map(|(route, mechanism)| Way::measure(mechanism, route, options, &mut unseen)).collect();
    let figures = Figures { ways };
    let differs = "Copies are the device's affair as much as the call's: with scatter-gather sendfile and splice make none, \
                   without it one at least. Two copies by devices need a cold cache and a real network interface. The \
                   switches are those of one round. And it has no column for page faults, which mmap pays with.";
    Ok(Lesson::new(&figures, draw(&figures), differs)?.without(unseen))
}

fn draw(figures: &Figures) -> String {
    let mut drawing = format!(
        "{:<27}{:<12}{:>14}{:>16}{:>20}\n{:<39}{:>8}{:>6}{:>8}{:>8} {:>9} {:>9} {:>7}\n",
        "",
        "",
        "CPU copies",
        "switches",
        "from the disk",
        "",
        "article",
        "here",
        "article",
        "here",
        "cold",
        "warm",
        "faults"
    );
    for way in &figures.ways {
        let Some(article) = way.article else { continue };
        let disk = |spent: &Option<super::way::Spent>| spent.as_ref().and_then(|spent| spent.read_from_disk);
        let faults = way.spent().and_then(|spent| spent.page_faults);
        let _ = writeln!(
            drawing,
            "{:<27}{:<12}{:>8}{:>6}{:>8}{:>8} {:>9} {:>9} {:>7}",
            article.way,
            short(way.over),
            article.cpu_copies,
            or_dot(way.copies()),
            article.switches,
            or_dot(way.warm.as_ref().and_then(|spent| spent.switches)),
            or_dot(disk(&way.cold)),
            or_dot(disk(&way.warm)),
            or_dot(faults),
        );
    }
    let bytes = figures.ways.iter().find_map(|way| way.warm.as_ref()).map(|spent| spent.bytes);
    let _ = writeln!(
        drawing,
        "\nof {} bytes; SG: scatter-gather; zcio prove has every other way and route, too",
        or_dot(bytes)
    );
    drawing
}

/// What Java's ways are below, and that measured.
const NIO: [(&str, &str, Route, Mechanism); 5] = [
    ("transferTo a SocketChannel", "sendfile", Route::FileToTcp, Mechanism::Sendfile),
    ("transferTo a FileChannel", "sendfile, copy_file_range", Route::FileToFile, Mechanism::CopyFileRange),
    ("transferFrom a SocketChannel", "read, pwrite", Route::TcpToFile, Mechanism::ReadWrite),
    ("map, then write to a socket", "mmap, write", Route::FileToTcp, Mechanism::MmapWrite),
    ("read and write, direct buffer", "read, write", Route::FileToTcp, Mechanism::ReadWrite),
];

#[derive(Serialize)]
struct NioFigures {
    ways: Vec<NioWay>,
}

/// A way of NIO's.
#[derive(Serialize)]
struct NioWay {
    nio: &'static str,
    below: &'static str,
    /// The mechanism that does the same, measured without a JVM.
    measured: Way,
}

pub(super) fn java_nio(options: &Options) -> io::Result<Lesson> {
    let mut unseen = Vec::new();
    let ways = NIO.map(|(nio, below, route, mechanism)| NioWay {
        nio,
        below,
        measured: Way::measure(mechanism, route, options, &mut unseen),
    });
    // That a socket has no page cache before it is no loss.
    unseen.retain(|reason| !reason.starts_with(Route::TcpToFile.title()));
    let figures = NioFigures { ways: ways.into() };
    let differs = "transferFrom never uses sendfile: from a socket it is a loop of read and pwrite, with 8 KiB a round, so of \
                   many more calls than are counted here. A direct buffer saves the copy between heap and native memory, \
                   which these figures do not have. The calls are measured without a JVM; the guide shows strace of one.";
    Ok(Lesson::new(&figures, draw_nio(&figures), differs)?.without(unseen))
}

fn draw_nio(figures: &NioFigures) -> String {
    let mut drawing =
        format!("{:<31}{:<27}{:>12}{:>14}{:>13}\n", "", "calls below", "CPU copies", "system calls", "page faults");
    for NioWay { nio, below, measured } in &figures.ways {
        let calls = measured.warm.as_ref().and_then(|spent| spent.system_calls);
        let faults = measured.spent().and_then(|spent| spent.page_faults);
        let copies = or_dot(measured.copies());
        let _ = writeln!(drawing, "{nio:<31}{below:<27}{copies:>12}{:>14}{:>13}", or_dot(calls), or_dot(faults));
    }
    let bytes = figures.ways.iter().find_map(|way| way.measured.warm.as_ref()).map(|spent| spent.bytes);
    let _ = writeln!(drawing, "\nof {} bytes", or_dot(bytes));
    drawing
}
