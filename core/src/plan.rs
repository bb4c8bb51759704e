//! In which order mechanisms are tried between two ends. Whether one is possible there at all, its own file says.
//!
//! Pure: facts in, names out, no system call, so the whole table is tested below. What only the kernel can know (a file
//! system that refuses, a system call that is not there) is met while moving, in [`crate::transfer`], which then goes on
//! with the next mechanism of the order. `read_write` is possible between any two streams of bytes and is always last.

pub use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::mechanism::Mechanism;
use Mechanism::{CopyFileRange, DirectIo, ReadWrite, Reflink, Sendfile, Splice, Vmsplice};

/// From this many bytes on a file goes to a TCP socket through a pipe of this capacity. sendfile(2) uses a pipe of its own
/// inside, of 64 KiB. Measured over loopback with 1 GiB and both ends on one processor, where two lanes of the same code
/// agree within 3 %: sendfile reaches 0.70 of the speed at 1.26 times the CPU time (`PIN=same cargo bench --bench
/// file_to_tcp`). With each end on a processor of its own the scheduler decides: two lanes of the same code are then 10 %
/// apart after 50 rounds, and so are these two. Below, one system call beats two.
const BULK: u64 = 1 << 20;

/// Up to so many bytes of a socket go to a file through a buffer: what [`ReadWrite`] has.
pub(crate) const FEW: u64 = 256 << 10;

/// From this size in bytes on it matters whether two files can share blocks. Measured on XFS: a clone takes 15 µs for any
/// size, by `copy_file_range` as by FICLONE, a read/write loop 36 µs for 4 KiB, 75 for 64 KiB and 1,137 for 8 MiB. Asking
/// for the file system's type costs half a microsecond, so small files are left to `copy_file_range`, which shares too.
const WORTH_SHARING: u64 = 64 << 10;

/// Whether the answer to [`Facts::shares_blocks`] of the sink would change the plan.
pub fn would_share(source: &Facts, sink: &Facts) -> bool {
    (source.kind, sink.kind) == (Kind::File, Kind::File) && source.size >= WORTH_SHARING && !sink.append
}

/// The mechanisms worth trying between two ends, best first; those that are [`impossible`] are left out.
///
/// An empty or size-less source file (`/proc`) is left to read(2): a size of 0 says nothing there, and
/// `copy_file_range` would take it for the end.
pub fn candidates(source: &Facts, sink: &Facts, demand: Demand) -> impl Iterator<Item = Mechanism> {
    let source_is_direct = source.direct && source.kind.is_seekable();
    let sink_is_direct = sink.direct && sink.kind.is_seekable();
    let order: &'static [Mechanism] = match (source.kind, sink.kind) {
        (Kind::File, _) if source.size == 0 && !sink_is_direct => &[ReadWrite],
        // The descriptor itself takes only aligned memory, offsets and lengths: direct_io knows how to give it those.
        _ if source_is_direct || sink_is_direct => &[DirectIo, ReadWrite],
        // The same blocks as copy_file_range would share, but in one call whatever the length, with the unaligned ends
        // treated apart, and known to be shared. Elsewhere it would be one more refusal in every report.
        (Kind::File, Kind::File) if sink.shares_blocks && would_share(source, sink) => {
            &[Reflink, CopyFileRange, Sendfile, ReadWrite]
        }
        // On ext4 all three are equal within 3 % where the loop's second copy comes from the processor's cache (3.3 GB/s,
        // `--bench file_to_file`); elsewhere the loop was seen at 0.66 of the others. copy_file_range goes first because
        // on XFS, btrfs and NFS it shares blocks or copies on the server's side.
        (Kind::File, Kind::File) => &[CopyFileRange, Sendfile, ReadWrite],
        (Kind::File, Kind::Tcp) if demand.count.unwrap_or(u64::MAX).min(source.size) >= BULK => {
            &[Splice, Sendfile, ReadWrite]
        }
        // One call from the page cache to the other end; splice does the same in two when sendfile is refused.
        (Kind::File | Kind::BlockDevice, _) => &[Sendfile, Splice, ReadWrite],
        // Few bytes are copied sooner than a pipe of our own is looked at, in two calls instead of four; a 256 KiB loop is as fast
        // as splice.
        (Kind::Tcp | Kind::UnixStream, Kind::File) if demand.count.is_some_and(|count| count <= FEW) => &[ReadWrite],
        // From a stream only splice avoids user space: socket to socket about twice as fast as a read/write loop at a
        // quarter of its CPU time; socket to file 1.4 to 1.6 GB/s against 0.8 (8 KiB loop) and 1.4 (256 KiB loop).
        (Kind::Tcp | Kind::UnixStream | Kind::Pipe, _) => &[Splice, ReadWrite],
        // Frozen pages can be handed over; anything else is copied by write(2), which for memory is one copy only.
        // zerocopy_send is never automatic: on loopback the kernel copies, and below 10 KB it costs more than it saves.
        (Kind::Memory, Kind::Pipe | Kind::Tcp | Kind::UnixStream) if source.frozen => &[Vmsplice, ReadWrite],
        _ => &[ReadWrite],
    };
    order.iter().copied().filter(move |mechanism| mechanism.impossible(source, sink, demand).is_none())
}

/// Why a mechanism cannot serve these ends, or `None` if it can be tried.
pub fn impossible(mechanism: Mechanism, source: &Facts, sink: &Facts, demand: Demand) -> Option<&'static str> {
    mechanism.impossible(source, sink, demand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Visibility;
    use Mechanism::{MmapWrite, ZerocopySend};

    const KINDS: [Kind; 7] =
        [Kind::File, Kind::BlockDevice, Kind::CharDevice, Kind::Pipe, Kind::Tcp, Kind::UnixStream, Kind::Memory];
    const ALIASED: Demand = Demand { visibility: Visibility::Aliased, sink_offset: false, count: None };
    const SNAPSHOT: Demand = Demand { visibility: Visibility::Snapshot, sink_offset: false, count: None };

    fn facts(kind: Kind) -> Facts {
        Facts {
            kind,
            size: if kind == Kind::File { 4096 } else { 0 },
            append: false,
            direct: false,
            frozen: false,
            receives: false,
            nonblocking: false,
            readable: true,
            writable: true,
            identity: (1, 1),
            shares_blocks: false,
            encryption: crate::Encryption::None,
        }
    }

    fn order(source: Kind, sink: Kind, demand: Demand) -> Vec<Mechanism> {
        candidates(&facts(source), &facts(sink), demand).collect()
    }

    #[test]
    fn the_whole_table() {
        use Kind::{BlockDevice, CharDevice, File, Memory, Pipe, Tcp, UnixStream};
        for source in KINDS {
            for sink in KINDS {
                let expected: &[Mechanism] = match (source, sink) {
                    (CharDevice | Memory, _) | (_, CharDevice | Memory) => &[ReadWrite],
                    (File, File) => &[CopyFileRange, Sendfile, ReadWrite],
                    (File | BlockDevice, _) => &[Sendfile, Splice, ReadWrite],
                    (Pipe | Tcp | UnixStream, _) => &[Splice, ReadWrite],
                    other => unreachable!("{other:?}"),
                };
                assert_eq!(order(source, sink, ALIASED), expected, "{source:?} -> {sink:?}");
            }
        }
    }

    #[test]
    fn memory_is_filled_by_reads() {
        let memory = facts(Kind::Memory);
        for source in KINDS.map(facts).into_iter().chain([Facts { frozen: true, ..memory }]) {
            for demand in [ALIASED, SNAPSHOT, Demand { sink_offset: true, ..ALIASED }] {
                let named = Mechanism::ALL.iter().copied();
                let possible: Vec<_> =
                    named.filter(|&named| impossible(named, &source, &memory, demand).is_none()).collect();
                let expected: &[Mechanism] =
                    if source.kind == Kind::File { &[ReadWrite, DirectIo] } else { &[ReadWrite] };
                assert_eq!(possible, expected, "{:?}", source.kind);
                assert_eq!(candidates(&source, &memory, demand).collect::<Vec<_>>(), [ReadWrite], "{:?}", source.kind);
            }
        }
        let direct = Facts { direct: true, ..facts(Kind::File) };
        assert_eq!(candidates(&direct, &memory, ALIASED).collect::<Vec<_>>(), [DirectIo, ReadWrite]);
    }

    #[test]
    fn a_snapshot_never_shares_pages_with_a_receiver() {
        use Kind::{BlockDevice, File, Pipe, Tcp, UnixStream};
        for source in [File, BlockDevice, Pipe, Tcp, UnixStream] {
            for sink in [Pipe, Tcp, UnixStream] {
                assert_eq!(order(source, sink, SNAPSHOT), [ReadWrite], "{source:?} -> {sink:?}");
                assert!(impossible(Splice, &facts(source), &facts(sink), SNAPSHOT).is_some(), "{source:?} -> {sink:?}");
            }
        }
        // Into a file there is always a copy.
        assert_eq!(order(File, File, SNAPSHOT), [CopyFileRange, Sendfile, ReadWrite]);
        assert_eq!(order(Tcp, File, SNAPSHOT), [Splice, ReadWrite]);
        for named in [Sendfile, Splice, ZerocopySend] {
            assert!(impossible(named, &facts(File), &facts(Tcp), SNAPSHOT).is_some(), "{named}");
        }
    }

    #[test]
    fn much_goes_to_tcp_through_a_large_pipe() {
        let (file, tcp) = (facts(Kind::File), facts(Kind::Tcp));
        let large = Facts { size: BULK, ..file };
        let order = |source: &Facts, count| candidates(source, &tcp, Demand { count, ..ALIASED }).collect::<Vec<_>>();
        assert_eq!(order(&large, None), [Splice, Sendfile, ReadWrite]);
        assert_eq!(order(&large, Some(BULK)), [Splice, Sendfile, ReadWrite]);
        assert_eq!(order(&large, Some(BULK - 1)), [Sendfile, Splice, ReadWrite]);
        assert_eq!(order(&file, Some(BULK)), [Sendfile, Splice, ReadWrite]);
    }

    #[test]
    fn an_end_opened_past_the_page_cache_is_given_whole_blocks() {
        let direct = Facts { direct: true, ..facts(Kind::File) };
        for kind in [Kind::File, Kind::Pipe, Kind::Tcp, Kind::UnixStream] {
            assert_eq!(candidates(&direct, &facts(kind), ALIASED).collect::<Vec<_>>(), [DirectIo, ReadWrite]);
            assert_eq!(candidates(&facts(kind), &direct, ALIASED).collect::<Vec<_>>(), [DirectIo, ReadWrite]);
        }
        // A pipe in packet mode has the same flag.
        let packets = Facts { direct: true, ..facts(Kind::Pipe) };
        assert_eq!(candidates(&facts(Kind::Tcp), &packets, ALIASED).collect::<Vec<_>>(), [Splice, ReadWrite]);
        assert!(impossible(Reflink, &direct, &facts(Kind::File), ALIASED).is_some());
    }

    #[test]
    fn a_file_without_a_size_is_read() {
        let source = Facts { size: 0, ..facts(Kind::File) };
        for sink in KINDS {
            assert_eq!(candidates(&source, &facts(sink), ALIASED).collect::<Vec<_>>(), [ReadWrite]);
        }
    }

    #[test]
    fn blocks_are_shared_where_the_sink_can_and_the_size_is_worth_it() {
        let sharing = |kind| Facts { shares_blocks: true, ..facts(kind) };
        let large = |kind| Facts { size: WORTH_SHARING, ..facts(kind) };
        let order = |source: Facts, sink: Facts| candidates(&source, &sink, ALIASED).collect::<Vec<_>>();
        let file = Kind::File;
        assert_eq!(order(large(file), sharing(file)), [Reflink, CopyFileRange, Sendfile, ReadWrite]);
        assert_eq!(order(large(file), facts(file)), [CopyFileRange, Sendfile, ReadWrite]);
        let small = Facts { size: WORTH_SHARING - 1, ..facts(file) };
        assert_eq!(order(small, sharing(file)), [CopyFileRange, Sendfile, ReadWrite]);
        assert_eq!(order(large(file), Facts { append: true, ..sharing(file) }), [ReadWrite]);
        // A clone is a snapshot, and one may be written at any offset.
        let demand = Demand { visibility: Visibility::Snapshot, sink_offset: true, count: None };
        let found: Vec<_> = candidates(&large(file), &sharing(file), demand).collect();
        assert_eq!(found, [Reflink, CopyFileRange, ReadWrite]);
        for kind in KINDS.into_iter().filter(|&kind| kind != file) {
            assert!(!would_share(&large(file), &facts(kind)) && !would_share(&facts(kind), &sharing(file)), "{kind:?}");
            assert!(impossible(Reflink, &facts(kind), &facts(file), ALIASED).is_some(), "{kind:?}");
            assert!(impossible(Reflink, &facts(file), &facts(kind), ALIASED).is_some(), "{kind:?}");
        }
    }

    #[test]
    fn an_appending_sink_is_written_with_write() {
        let sink = Facts { append: true, ..facts(Kind::File) };
        for source in KINDS {
            assert_eq!(candidates(&facts(source), &sink, ALIASED).collect::<Vec<_>>(), [ReadWrite], "{source:?}");
        }
        assert!(impossible(MmapWrite, &facts(Kind::File), &sink, ALIASED).is_none());
    }

    #[test]
    fn sendfile_cannot_write_at_an_offset() {
        let demand = Demand { sink_offset: true, ..ALIASED };
        assert_eq!(order(Kind::File, Kind::File, demand), [CopyFileRange, ReadWrite]);
        assert!(impossible(Sendfile, &facts(Kind::File), &facts(Kind::File), demand).is_some());
    }

    #[test]
    fn read_write_is_always_possible_and_always_last() {
        for source in KINDS {
            for sink in KINDS {
                for demand in [ALIASED, SNAPSHOT] {
                    assert_eq!(order(source, sink, demand).last(), Some(&ReadWrite));
                    assert!(impossible(ReadWrite, &facts(source), &facts(sink), demand).is_none());
                }
            }
        }
    }
}
