//! What of a Java virtual machine (the JDK's own) can be told from its address space and command line, without asking it.
//!
//! * It is one because libjvm.so is mapped.
//! * Its code cache is the executable memory of no file, with the reserved addresses directly behind each part: it
//!   reserves the segments and makes them accessible from their beginnings on.
//! * Its heap has a name with ZGC (`memfd:java_heap`). Otherwise it is one reservation, made accessible in parts, and of
//!   all reservations the one with the most writable memory; if the command line says a maximum, one of that size goes
//!   first. Parts of it may be pages of the class-data archive (`.jsa`), whose objects are mapped into the heap.

use std::ops::Range;
use std::path::Path;

use crate::memory::{Area, AreaKind};

/// What was found. Places are ranges of indices into the areas.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Findings {
    /// The path of libjvm.so.
    pub library: String,
    pub code_cache: Vec<Range<usize>>,
    pub heap: Vec<Range<usize>>,
    /// How the heap is known.
    pub heap_known_by: String,
}

/// Looks for a JVM among the areas of a process.
pub(super) fn find(areas: &[Area], command: &[String]) -> Option<Findings> {
    let library = areas.iter().find(|area| area.name.ends_with("/libjvm.so"))?.name.clone();
    let code_cache = runs(areas, |area| is_anonymous(area) && (area.executable || is_reserved(area)));
    let code_cache = code_cache.into_iter().filter_map(|run| from_first_executable(areas, run)).collect();
    let named: Vec<_> = runs(areas, |area| area.name.contains("java_heap"));
    let (heap, heap_known_by) = if named.is_empty() {
        heap_by_size(areas, maximum(command))
    } else {
        (named, "its name: memfd:java_heap (ZGC)".to_owned())
    };
    Some(Findings { library, code_cache, heap, heap_known_by })
}

/// What stands before the first executable area belongs to somebody else.
fn from_first_executable(areas: &[Area], run: Range<usize>) -> Option<Range<usize>> {
    let first = run.clone().find(|&place| areas[place].executable)?;
    Some(first..run.end)
}

fn heap_by_size(areas: &[Area], maximum: Option<(u64, &str)>) -> (Vec<Range<usize>>, String) {
    let candidates = runs(areas, |area| {
        let is_archive = area.kind == AreaKind::File && Path::new(&area.name).extension() == Some("jsa".as_ref());
        !area.shared && !area.executable && (is_anonymous(area) || is_archive)
    });
    let size = |run: &Range<usize>| areas[run.end - 1].addresses.end - areas[run.start].addresses.start;
    let writable =
        |run: &Range<usize>| areas[run.clone()].iter().filter(|area| area.writable).map(Area::len).sum::<u64>();
    // The JVM rounds the maximum up to whole regions or pages.
    let fits = |run: &Range<usize>| {
        maximum.is_some_and(|(bytes, _)| (bytes..=bytes + bytes / 8 + (2 << 20)).contains(&size(run)))
    };
    let Some(heap) = candidates.into_iter().max_by_key(|run| (fits(run), writable(run))) else {
        return (Vec::new(), "not found".to_owned());
    };
    let known_by = match maximum {
        Some((_, option)) if fits(&heap) => format!("a reservation of the size that {option} asks for"),
        _ => "a guess: the reservation with the most writable memory of no file".to_owned(),
    };
    (vec![heap], known_by)
}

/// The longest runs of neighbouring areas that all satisfy a condition.
fn runs(areas: &[Area], belongs: impl Fn(&Area) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (place, area) in areas.iter().enumerate().filter(|(_, area)| belongs(area)) {
        match runs.last_mut() {
            Some(run) if run.end == place && areas[place - 1].addresses.end == area.addresses.start => run.end += 1,
            _ => runs.push(place..place + 1),
        }
    }
    runs
}

fn is_anonymous(area: &Area) -> bool {
    area.kind == AreaKind::Anonymous
}

fn is_reserved(area: &Area) -> bool {
    !area.readable && !area.writable && !area.executable
}

/// The largest heap that the command line allows, in bytes, and the option that says so. The last one counts.
fn maximum(command: &[String]) -> Option<(u64, &str)> {
    command.iter().rev().find_map(|word| {
        let text = word.strip_prefix("-Xmx").or_else(|| word.strip_prefix("-XX:MaxHeapSize="))?;
        Some((parse_size(text)?, word.as_str()))
    })
}

/// `64m`: the units are powers of 1024.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(start: u64, end: u64, rights: &str, name: &str) -> Area {
        let kind = if name.is_empty() { AreaKind::Anonymous } else { AreaKind::File };
        Area {
            addresses: start << 20..end << 20,
            readable: rights.contains('r'),
            writable: rights.contains('w'),
            executable: rights.contains('x'),
            shared: rights.contains('s'),
            offset: 0,
            inode: 0,
            name: name.to_owned(),
            kind,
            usage: None,
        }
    }

    /// In mebibytes, after a JVM 17 with -Xmx64m.
    fn areas() -> Vec<Area> {
        vec![
            area(4032, 4094, "rw", ""),
            area(4094, 4095, "rw", "/jdk/lib/server/classes.jsa"),
            area(4095, 4096, "rw", ""),
            area(10_000, 10_001, "rw", ""),
            area(10_001, 10_064, "", ""),
            area(20_000, 20_090, "rw", ""),
            area(30_000, 30_003, "rwx", ""),
            area(30_003, 30_120, "", ""),
            area(30_120, 30_123, "rwx", ""),
            area(30_123, 30_240, "", ""),
            area(30_240, 30_300, "rx", "/jdk/lib/server/libjvm.so"),
        ]
    }

    fn ends(places: &[Range<usize>]) -> Vec<(usize, usize)> {
        places.iter().map(|run| (run.start, run.end)).collect()
    }

    #[test]
    fn heap_and_code_cache_are_found() {
        let command = ["java", "-Xmx1g", "-Xmx64m", "Main"].map(String::from);
        let found = find(&areas(), &command).unwrap();
        assert_eq!((ends(&found.heap), ends(&found.code_cache)), (vec![(0, 3)], vec![(6, 10)]));
        assert!(found.heap_known_by.contains("-Xmx64m"), "{}", found.heap_known_by);
        // Without the option the largest is taken, and called a guess.
        let found = find(&areas(), &[]).unwrap();
        assert_eq!(ends(&found.heap), [(5, 6)]);
        assert!(found.heap_known_by.contains("guess"));
    }

    #[test]
    fn no_libjvm_no_jvm() {
        assert_eq!(find(&areas()[..10], &[]), None);
    }

    #[test]
    fn sizes_of_options() {
        let sizes = ["64m", "2G", "1024", "512K", "x", "12q"].map(parse_size);
        assert_eq!(sizes, [Some(64 << 20), Some(2 << 30), Some(1024), Some(512 << 10), None, None]);
    }
}
