//! What makes more calls than it may, and how many at most today: to become less, and to be taken out.
//!
//! Above 256 KiB the peer decides how often a step is preceded by a poll, and how much goes at once. On an idle machine it is a third of
//! these at most; beside other programs the peer comes late (168 were seen where 111 had been enough).

use super::SMALL;
use super::trace::Cell;

/// Language and row, the most calls up to 256 KiB, and above; 0 where it keeps the rule.
const KNOWN: &[(&str, &str, u64, u64)] = &[
    // The modes of both sockets are switched, and two pipes looked at.
    ("Rust", "tcp-tcp", 40, 150),
    // A file is held in another table of descriptors, with all that goes there; and each step is preceded by a poll.
    ("Python", "aio-file-tcp", 0, 330),
    // A UNIX socket takes 208 KiB at once, and then it depends on its reader.
    ("Python", "aio-file-unix", 48, 330),
    ("Python", "aio-memory-tcp", 0, 330),
    // Of 16 MiB; up to 1 MiB it is 3.
    ("Python", "file-tcp", 0, 420),
    ("Python", "file-unix", 36, 330),
    ("Python", "memory-tcp", 0, 210),
    ("Python", "region-tcp", 0, 210),
    // 4 where all of it is there (own: 2), and 34 where it is not.
    ("Python", "tcp-file", 36, 0),
    ("Python", "tcp-tcp", 48, 180),
    // Both ends are looked at, and a pipe or a socket that is read from is duplicated.
    // To a slow peer a call in blocking mode may move a part; otherwise 39.
    ("Java", "file-tcp", 0, 240),
    ("Java", "to-file-tcp", 0, 240),
    // Whether it is a FIFO, whether it has grown, and whether its descriptor still means it.
    ("Java", "path-tcp", 7, 240),
    ("Java", "tcp-file", 13, 0),
    ("Java", "tcp-tcp", 44, 180),
];

pub fn most(language: &str, cell: &Cell) -> Option<u64> {
    let known = KNOWN.iter().find(|(known, row, ..)| (*known, *row) == (language, cell.row.as_str()));
    known.map(|&(_, _, small, large)| if cell.size <= SMALL { small } else { large })
}
