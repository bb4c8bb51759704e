//! Examines transfers in a process of its own, for tests that look at it from outside: as another user, or under strace.
//!
//! `prove all` prints the whole table as lines `route subject least most known_by`, or `route subject unknown reason`.
//! `prove one MECHANISM` examines one mechanism from file to file, calls a path that does not exist before and after each
//! transfer, and prints `system_calls system_calls_seen` of the two measured ones.

use zcio::proof::{Options, Proof, Route, Subject, examine};
use zcio::{Mechanism, Transfer};

/// The lines between which strace is to count: paths that do not exist.
fn mark(name: &str) {
    let _ = std::fs::metadata(format!("/zcio-mark/{name}"));
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["all"] => all(),
        ["one", mechanism] => one(mechanism.parse().unwrap()),
        _ => panic!("{arguments:?}"),
    }
}

fn all() {
    for row in Proof::run(&Options::quick()).rows {
        let (route, subject) = (row.route, &row.subject);
        match (row.copies.value(), row.copies.known_by(), row.copies.reason()) {
            (Some(copies), Some(known_by), _) => {
                println!("{route:?} {subject} {} {:?} {known_by:?}", copies.least, copies.most);
            }
            (_, _, reason) => println!("{route:?} {subject} unknown {}", reason.unwrap()),
        }
    }
}

fn one(mechanism: Mechanism) {
    let subject = Subject::new("marked", move |source, sink, count| {
        mark("begin");
        let report = Transfer::new(source, sink).count(count).mechanism(mechanism).run();
        mark("end");
        report
    });
    // The first time, the standard library tries out what the kernel has.
    mark("warm");
    let row = examine(Route::FileToFile, &subject, &Options::quick());
    for cost in [row.warm.value().unwrap(), row.cold.value().unwrap()] {
        let seen = cost.system_calls_seen.value().map_or(-1, |&seen| seen as i64);
        println!("{} {seen}", cost.system_calls.value().unwrap());
    }
}
