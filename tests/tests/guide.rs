//! The guide's table of the plan (docs/guide/en/how-to/mechanisms.md) says what the plan says.

use zcio::plan::{Demand, candidates};
use zcio::{Facts, Kind, Visibility};

const PAGE: &str = include_str!("../../docs/guide/en/how-to/mechanisms.md");
const DEMAND: Demand = Demand { visibility: Visibility::Aliased, sink_offset: false, count: None };

fn facts(kind: Kind, size: u64) -> Facts {
    Facts {
        kind,
        size,
        append: false,
        direct: false,
        frozen: false,
        receives: false,
        nonblocking: false,
        readable: true,
        writable: true,
        identity: (1, 1),
        shares_blocks: false,
        encryption: zcio::Encryption::None,
    }
}

/// Ends that a row of the table speaks of, by what its first two columns say.
fn ends(from: &str, to: &str) -> Vec<(Facts, Facts)> {
    use Kind::{BlockDevice, CharDevice, File, Memory, Pipe, Tcp, UnixStream};
    const MIB: u64 = 1 << 20;
    let direct = |kind| Facts { direct: true, ..facts(kind, MIB) };
    let sharing = Facts { shares_blocks: true, ..facts(File, 0) };
    let frozen = Facts { frozen: true, ..facts(Memory, MIB) };
    let all = [File, BlockDevice, CharDevice, Pipe, Tcp, UnixStream].map(|kind| facts(kind, 0));
    let from_to = |sources: &[Facts], sinks: &[Facts]| {
        sources.iter().flat_map(|&source| sinks.iter().map(move |&sink| (source, sink))).collect()
    };
    match (from, to) {
        ("file, empty or without a size (`/proc`)", "anything") => from_to(&[facts(File, 0)], &all),
        ("file opened with `O_DIRECT`, or a sink that is", "anything") => {
            let mut ends: Vec<_> = from_to(&[direct(File)], &all);
            ends.extend(from_to(&[facts(File, MIB), facts(Tcp, 0), facts(Pipe, 0)], &[direct(File)]));
            ends
        }
        ("file from 64 KiB on", "file on the same kind of file system, which shares blocks (XFS, btrfs)") => {
            from_to(&[facts(File, 64 << 10), facts(File, MIB)], &[sharing])
        }
        ("file", "file") => from_to(&[facts(File, 1), facts(File, MIB)], &[facts(File, 0)]),
        ("file from 1 MiB on", "TCP socket") => from_to(&[facts(File, MIB)], &[facts(Tcp, 0)]),
        ("anything", "terminal or other character device, [memory](memory.md)") => {
            from_to(&all, &[facts(CharDevice, 0), facts(Memory, MIB)])
        }
        ("file or block device", "socket, pipe, other device") => {
            let mut ends: Vec<_> = from_to(&[facts(File, MIB - 1)], &[facts(Tcp, 0)]);
            ends.extend(from_to(
                &[facts(File, MIB), facts(BlockDevice, 0)],
                &[facts(Pipe, 0), facts(UnixStream, 0), facts(BlockDevice, 0)],
            ));
            ends
        }
        ("TCP or UNIX socket, pipe", "file, socket, pipe, other device") => from_to(
            &[Tcp, UnixStream, Pipe].map(|kind| facts(kind, 0)),
            &[File, BlockDevice, Pipe, Tcp, UnixStream].map(|kind| facts(kind, 0)),
        ),
        ("memory that nobody can write any more (`Pages`, Rust)", "pipe, TCP or UNIX socket") => {
            from_to(&[frozen], &[Pipe, Tcp, UnixStream].map(|kind| facts(kind, 0)))
        }
        ("anything else", "anything") => from_to(&[facts(Memory, MIB), facts(CharDevice, 0)], &all),
        other => panic!("a row that this test does not know: {other:?}"),
    }
}

#[test]
fn the_table_is_the_plan() {
    let table = PAGE.split("## The plan\n").nth(1).unwrap().split("## ").next().unwrap();
    let mut rows = 0;
    for line in table.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [from, to, order] = cells[..] else { panic!("{line}") };
        let order: Vec<_> = order.split(", ").map(|name| name.trim_matches('`')).collect();
        for (source, sink) in ends(from, to) {
            let plan: Vec<_> = candidates(&source, &sink, DEMAND).map(zcio::Mechanism::name).collect();
            assert_eq!(plan, order, "{from} to {to}: {source:?} {sink:?}");
        }
        rows += 1;
    }
    assert_eq!(rows, 10);
}
