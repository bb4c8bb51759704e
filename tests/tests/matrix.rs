//! Every ordered pair of ends × every mechanism × sizes × offsets: identical bytes, or the documented refusal.

use std::io::{Seek, SeekFrom};

use zcio::{ErrorKind, Mechanism, Report, Transfer};
use zcio_tests::{Kind, Sink, Source, has, pattern};

const SIZES: [usize; 6] = [0, 1, 4095, 4096, 65537, (8 << 20) + 3];
const OFFSETS: [u64; 3] = [0, 1, 4096];

/// What memory has more than comes.
const ROOM: usize = 7;

/// What the documentation of [`Mechanism`] promises, said a second time on purpose.
fn is_possible(mechanism: Mechanism, source: Kind, sink: Kind) -> bool {
    match mechanism {
        Mechanism::ReadWrite => true,
        // Memory is read into, by the mechanisms that read.
        Mechanism::DirectIo if sink.is_memory() => source.is_file(),
        _ if sink.is_memory() => false,
        Mechanism::Uring => true,
        // Into regions made for it: see `zerocopy_receive.rs`.
        Mechanism::ZerocopyReceive => false,
        Mechanism::Splice => !source.is_memory(),
        Mechanism::Vmsplice => source == Kind::Pages,
        Mechanism::ZerocopySend => sink == Kind::Tcp && (source.is_file() || source.is_memory()),
        Mechanism::DirectIo => source.is_file() || sink.is_file(),
        Mechanism::Sendfile | Mechanism::MmapWrite => source.is_file(),
        Mechanism::CopyFileRange | Mechanism::Reflink => source.is_file() && sink.is_file(),
        other => panic!("{other} is new: say here between which ends it is possible"),
    }
}

struct Case {
    source: Kind,
    sink: Kind,
    mechanism: Option<Mechanism>,
    size: usize,
    offset: u64,
}

impl Case {
    fn name(&self) -> String {
        let mechanism = self.mechanism.map_or("auto", Mechanism::name);
        format!("{:?} -> {:?}, {mechanism}, {} bytes from {}", self.source, self.sink, self.size, self.offset)
    }

    /// Runs the case and gives the transfer's answer and what arrived. A sink file starts at the offset, too.
    fn run(&self, bytes: &[u8]) -> (Result<Report, zcio::Error>, Vec<u8>) {
        let source = Source::with(self.source, bytes);
        let mut sink = if self.sink.is_memory() { Sink::memory(self.size + ROOM) } else { Sink::new(self.sink) };
        if let Sink::File(file) = &mut sink {
            file.seek(SeekFrom::Start(self.offset)).unwrap();
        }
        let mut transfer = Transfer::new(source.end(), sink.end());
        if self.offset > 0 {
            transfer = transfer.offset(self.offset);
        }
        if let Some(mechanism) = self.mechanism {
            transfer = transfer.mechanism(mechanism);
        }
        let result = transfer.run();
        drop(transfer);
        let moved = result.as_ref().map_or_else(zcio::Error::moved, |report| report.bytes);
        (result, sink.received_of(moved))
    }

    fn check(&self, bytes: &[u8]) {
        let (result, received) = self.run(bytes);
        let name = self.name();
        if self.offset > 0 && !self.source.is_file() && !self.source.is_memory() {
            let error = result.expect_err(&name);
            assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidInput, Some(libc::ESPIPE)), "{name}: {error}");
            assert!(received.is_empty(), "{name}: written although refused");
            return;
        }
        let frozen_nothing = self.source == Kind::Pages && self.size == 0;
        let impossible =
            |named| !is_possible(named, self.source, self.sink) || (frozen_nothing && named == Mechanism::Vmsplice);
        if let Some(mechanism) = self.mechanism.filter(|&named| impossible(named)) {
            let error = result.expect_err(&name);
            assert_eq!((error.kind(), error.moved()), (ErrorKind::Impossible, 0), "{name}: {error}");
            assert!(error.to_string().contains(mechanism.name()), "{name}: {error}");
            assert!(received.is_empty(), "{name}: written although refused");
            return;
        }
        let expected = bytes.get(self.offset as usize..).unwrap_or(&[]);
        // ext4 and tmpfs cannot share blocks: the kernel's no, before anything is written. (reflink.rs has XFS and btrfs.)
        if self.mechanism == Some(Mechanism::Reflink) && !expected.is_empty() && !temporary_files_can_share_blocks() {
            let error = result.expect_err(&name);
            let (kind, errno) = (ErrorKind::Refused, Some(libc::EOPNOTSUPP));
            assert_eq!((error.kind(), error.errno(), error.moved()), (kind, errno, 0), "{name}: {error}");
            assert!(received.is_empty(), "{name}: written although refused");
            return;
        }
        let report = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        let hole = if self.sink.is_file() && !expected.is_empty() { self.offset as usize } else { 0 };
        assert_eq!(report.bytes, expected.len() as u64, "{name}");
        assert_eq!(report.is_short(), self.sink.is_memory(), "{name}: {:?}", report.requested);
        assert_eq!(received.len(), hole + expected.len(), "{name}");
        assert!(received[..hole].iter().all(|&byte| byte == 0), "{name}: written before the position");
        assert!(received[hole..] == *expected, "{name}: other bytes");
        if let Some(mechanism) = self.mechanism {
            assert_eq!((report.mechanism, report.automatic, report.attempts.len()), (mechanism, false, 0), "{name}");
        }
    }
}

/// Whether the temporary directory is on a file system that clones, by its type.
fn temporary_files_can_share_blocks() -> bool {
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, XFS_SUPER_MAGIC, statfs};
    let found = statfs(&std::env::temp_dir()).unwrap().filesystem_type();
    [BTRFS_SUPER_MAGIC, XFS_SUPER_MAGIC].contains(&found)
}

fn every_case_from(source: Kind) {
    let _dog = zcio_tests::watchdog(300, "matrix");
    let bytes = pattern(*SIZES.last().unwrap());
    let mechanisms = || Mechanism::ALL.iter().copied().map(Some).chain([None]).filter(|&named| has(named));
    for sink in Kind::SINKS {
        for mechanism in mechanisms() {
            for size in SIZES {
                for offset in OFFSETS {
                    Case { source, sink, mechanism, size, offset }.check(&bytes[..size]);
                }
            }
        }
    }
}

#[test]
fn from_files() {
    every_case_from(Kind::File);
}

#[test]
fn from_tcp() {
    every_case_from(Kind::Tcp);
}

#[test]
fn from_unix_sockets() {
    every_case_from(Kind::Unix);
}

#[test]
fn from_pipes() {
    every_case_from(Kind::Pipe);
}

#[test]
fn from_memory() {
    every_case_from(Kind::Bytes);
    every_case_from(Kind::Pages);
}

#[test]
fn automatic_avoids_user_space_wherever_the_kernel_can() {
    let bytes = pattern(65537);
    for source in Kind::ALL {
        for sink in Kind::ALL {
            let case = Case { source, sink, mechanism: None, size: bytes.len(), offset: 0 };
            let report = case.run(&bytes).0.unwrap();
            assert_ne!(report.mechanism, Mechanism::ReadWrite, "{}: {:?}", case.name(), report.attempts);
        }
    }
}
