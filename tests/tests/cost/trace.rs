//! What strace wrote, counted cell by cell.

use std::collections::BTreeMap;
use std::fmt;

/// Whose transfer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The language's.
    Own,
    /// zcio's, with ends that it has never seen.
    New,
    /// … and with the same ends once more.
    Kept,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub row: String,
    pub size: u64,
    pub who: Who,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} KiB, {:?}", self.row, self.size >> 10, self.who)
    }
}

/// What is no part of moving bytes, whoever does it: the process's memory, its threads, its clocks.
const NOT_COUNTED: [&str; 26] = [
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "clone",
    "clone3",
    "exit",
    "futex",
    "getcpu",
    "getpid",
    "getrandom",
    "getrusage",
    "gettid",
    "madvise",
    "mprotect",
    "mremap",
    "munmap",
    "prctl",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
];

const MARK: &str = "\"/zcio-mark/";

/// The path of a mark, without what all have in common.
fn mark(line: &str) -> Option<&str> {
    let (_, path) = line.split_once(MARK)?;
    path.split_once('"').map(|(path, _)| path)
}

fn cell(path: &str) -> Option<Cell> {
    let [row, size, who] = path.split('/').collect::<Vec<_>>().try_into().ok()?;
    let who = match who {
        "own" => Who::Own,
        "new" => Who::New,
        "kept" => Who::Kept,
        _ => return None,
    };
    Some(Cell { row: row.into(), size: size.parse().ok()?, who })
}

/// The calls between the marks; of a cell that comes again the fewest, because its peer decides, too. `alone`: only those of the
/// thread that made the mark, where all are made by it and a runtime's own threads come in between.
pub fn count(trace: &str, alone: bool) -> BTreeMap<Cell, u64> {
    let (mut found, mut now, mut marked) = (BTreeMap::new(), None, "");
    let mut note = |counted: Option<(Cell, u64)>| {
        if let Some((cell, calls)) = counted {
            found.entry(cell).and_modify(|fewest: &mut u64| *fewest = calls.min(*fewest)).or_insert(calls);
        }
    };
    for line in trace.lines() {
        // "<pid> name(arguments…"; the second half of an interrupted line says "<... name resumed>".
        let (thread, call) = line.split_once(' ').map_or(("", ""), |(thread, call)| (thread, call.trim_start()));
        let Some((name, arguments)) = call.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        if let Some(path) = mark(arguments) {
            note(now.take());
            (now, marked) = (cell(path).map(|cell| (cell, 0)), thread);
        } else if let Some((_, calls)) = &mut now
            && (!alone || thread == marked)
            && !NOT_COUNTED.contains(&name)
            && !(name == "mmap" && arguments.contains("MAP_ANONYMOUS"))
        {
            *calls += 1;
        }
    }
    found
}

#[test]
fn calls_are_counted_between_marks_in_every_thread() {
    let trace = "\
1 access(\"/zcio-mark/file-tcp/4096/own\", F_OK) = -1 ENOENT
1 sendfile(4, 3, [0], 4096 <unfinished ...>
2 futex(0x7f, FUTEX_WAIT, 0) = 0
1 <... sendfile resumed>) = 4096
2 read(5, \"\", 1) = 0
1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f
1 access(\"/zcio-mark/end\", F_OK) = -1 ENOENT
1 close(3) = 0
1 access(\"/zcio-mark/file-tcp/4096/own\", F_OK) = -1 ENOENT
1 sendfile(4, 3, [0], 4096) = 4096
2 read(5, \"\", 1) = 0
2 read(5, \"\", 1) = 0
1 access(\"/zcio-mark/end\", F_OK) = -1 ENOENT
";
    let cell = Cell { row: "file-tcp".into(), size: 4096, who: Who::Own };
    assert_eq!(count(trace, false), BTreeMap::from([(cell.clone(), 2)]));
    assert_eq!(count(trace, true), BTreeMap::from([(cell, 1)]));
}
