//! The places and odd ends that the matrix leaves out: file systems of every sort, block devices, files that the kernel
//! makes up, files opened to append or with `O_DIRECT`, character devices, and descriptors without a stream of bytes.
//!
//! One rule for all: what the plan allows moves identical bytes or refuses with nothing written; what it does not allow is
//! refused as impossible; the automatic choice always moves them. Every check reads what really lies at the sink.

mod devices;
mod refused;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use Mechanism::{CopyFileRange, DirectIo, MmapWrite, ReadWrite, Reflink, Sendfile, Splice, Uring};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use zcio::plan::{Demand, impossible};
use zcio::{Endpoint, Error, ErrorKind, Mechanism, Transfer};
use zcio_tests::mounts::{LoopDevice, LoopFs, Tmpfs};
use zcio_tests::{Kind, Sink, Source, has, pattern, watchdog};

const SIZES: [usize; 5] = [0, 1, 4096, 65537, (1 << 20) + 3];
const OFFSETS: [usize; 3] = [0, 1, 4096];
const STREAMS: [Kind; 3] = [Kind::Tcp, Kind::Unix, Kind::Pipe];

fn mechanisms() -> impl Iterator<Item = Option<Mechanism>> {
    Mechanism::ALL.iter().copied().map(Some).chain([None]).filter(|&named| has(named))
}

/// One transfer and what it may leave at the sink.
#[derive(Clone, Copy)]
struct Case<'a> {
    name: &'a str,
    mechanism: Option<Mechanism>,
    /// In the source; at 0 its own position is used.
    offset: usize,
    count: Option<usize>,
    /// What the sink has before, and where in it the bytes land.
    before: &'a [u8],
    at: usize,
    /// What is to be moved.
    bytes: &'a [u8],
    /// A failure that is no refusal and still right here, as long as its count is.
    tolerates: fn(Option<Mechanism>, &Error) -> bool,
}

impl<'a> Case<'a> {
    fn new(name: &'a str, mechanism: Option<Mechanism>, bytes: &'a [u8]) -> Self {
        Self { name, mechanism, offset: 0, count: None, before: &[], at: 0, bytes, tolerates: |_, _| false }
    }

    /// What the sink has when `moved` bytes have arrived.
    fn after(&self, moved: usize) -> Vec<u8> {
        let mut after = self.before.to_vec();
        let moved = moved.min(self.bytes.len());
        if moved > 0 {
            after.resize(after.len().max(self.at + moved), 0);
            after[self.at..self.at + moved].copy_from_slice(&self.bytes[..moved]);
        }
        after
    }

    /// Runs it and compares with what `found` sees at the sink: whether it moved bytes, or what is wrong.
    fn run(&self, source: &Source, sink: Sink, found: impl FnOnce(Sink) -> Vec<u8>) -> Result<bool, String> {
        if let Source::File(file) = source {
            let mut file: &File = file;
            file.rewind().unwrap();
        }
        let result = {
            let (from, to) = (source.end(), Endpoint::new(sink.as_fd()).unwrap());
            let demand = Demand::default();
            let no = self.mechanism.and_then(|named| impossible(named, from.facts(), to.facts(), demand));
            let mut transfer = Transfer::new(from, to);
            if self.offset > 0 {
                transfer = transfer.offset(self.offset as u64);
            }
            if let Some(count) = self.count {
                transfer = transfer.count(count as u64);
            }
            if let Some(mechanism) = self.mechanism {
                transfer = transfer.mechanism(mechanism);
            }
            transfer.run().map_err(|error| (error, no.is_some()))
        };
        let found = found(sink);
        let (moved, right) = match &result {
            Ok(report) => (report.bytes, report.bytes == self.bytes.len() as u64),
            Err((error, true)) => (error.moved(), error.kind() == ErrorKind::Impossible && error.moved() == 0),
            Err((error, false)) if (self.tolerates)(self.mechanism, error) => (error.moved(), true),
            // The one that works between any two ends has no refusal to give.
            Err((error, false)) => {
                let may_refuse = !matches!(self.mechanism, None | Some(ReadWrite));
                (error.moved(), may_refuse && error.kind() == ErrorKind::Refused && error.moved() == 0)
            }
        };
        let same = found == self.after(moved as usize);
        if right && same {
            return Ok(result.is_ok() && moved > 0);
        }
        let outcome =
            result.map(|report| (report.bytes, report.mechanism, report.attempts)).map_err(|(error, _)| error);
        let by = self.mechanism.map_or("auto", Mechanism::name);
        let Self { name, offset, at, count, bytes, .. } = self;
        let (length, found) = (bytes.len(), found.len());
        Err(format!(
            "{name}, {by}: {length} bytes from {offset} to {at}, count {count:?}: {outcome:?}, sink has {found}, same {same}"
        ))
    }
}

/// Who moved bytes, and everything that was wrong: one bug must not hide the next.
#[derive(Default)]
struct Tally {
    moved: BTreeSet<Mechanism>,
    wrong: Vec<String>,
}

impl Tally {
    fn run(&mut self, case: &Case<'_>, source: &Source, sink: Sink, found: impl FnOnce(Sink) -> Vec<u8>) {
        match case.run(source, sink, found) {
            Ok(moved) => self.moved.extend(case.mechanism.filter(|_| moved)),
            Err(wrong) => self.wrong.push(wrong),
        }
    }

    /// Nothing was wrong, and a test in which these mechanisms only ever refuse would prove nothing.
    fn end(self, name: &str, must_have_moved: &[Mechanism]) {
        let Self { moved, wrong } = self;
        assert!(wrong.is_empty(), "{name}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
        let missing: Vec<_> = must_have_moved.iter().filter(|&&named| !moved.contains(&named) && has(named)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?} never moved a byte");
    }
}

/// A sink file at a position, so that what lies before it is a hole.
fn at(mut file: File, position: usize) -> Sink {
    file.seek(SeekFrom::Start(position as u64)).unwrap();
    Sink::File(file)
}

fn filled(mut file: File, bytes: &[u8]) -> Source {
    file.write_all(bytes).unwrap();
    Source::File(file)
}

type Make = Box<dyn Fn() -> File>;

/// The name of each place, and a new file in it.
fn places() -> Option<Vec<(&'static str, Make)>> {
    let (tmpfs, ext4) = (Tmpfs::of(64 << 20)?, LoopFs::ext4(128 << 20)?);
    let (xfs, btrfs) = (LoopFs::xfs(320 << 20)?, LoopFs::btrfs(256 << 20)?);
    let memfd = || nix::sys::memfd::memfd_create(c"zcio", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap().into();
    Some(vec![
        ("tmpfs", Box::new(move || tempfile::tempfile_in(tmpfs.path()).unwrap())),
        ("ext4", Box::new(move || tempfile::tempfile_in(ext4.path()).unwrap())),
        ("xfs", Box::new(move || tempfile::tempfile_in(xfs.path()).unwrap())),
        ("btrfs", Box::new(move || tempfile::tempfile_in(btrfs.path()).unwrap())),
        ("memfd", Box::new(memfd)),
    ])
}

#[test]
fn files_within_and_between_places() {
    let _dog = watchdog(120, "files between places");
    let (Some(places), bytes) = (places(), pattern(SIZES[4])) else { return };
    for (from, make_source) in &places {
        for (to, make_sink) in &places {
            let (name, mut tally) = (format!("{from} -> {to}"), Tally::default());
            for size in SIZES {
                let source = filled(make_source(), &bytes[..size]);
                for (offset, mechanism) in OFFSETS.into_iter().flat_map(|at| mechanisms().map(move |by| (at, by))) {
                    let expected = bytes[..size].get(offset..).unwrap_or(&[]);
                    let case = Case { offset, at: offset, ..Case::new(&name, mechanism, expected) };
                    tally.run(&case, &source, at(make_sink(), offset), Sink::received);
                }
            }
            let mut must = vec![ReadWrite, MmapWrite, Sendfile, Splice, Uring];
            must.extend((from == to).then_some(CopyFileRange));
            must.extend((from == to && ["xfs", "btrfs"].contains(from)).then_some(Reflink));
            must.extend((["ext4", "xfs"].contains(from) && ["ext4", "xfs"].contains(to)).then_some(DirectIo));
            tally.end(&name, &must);
        }
    }
}

#[test]
fn files_in_places_and_streams() {
    let _dog = watchdog(120, "files and streams");
    let (Some(places), bytes) = (places(), pattern(SIZES[4])) else { return };
    for (place, make) in &places {
        for stream in STREAMS {
            let names = [format!("{place} -> {stream:?}"), format!("{stream:?} -> {place}")];
            let mut tallies = [Tally::default(), Tally::default()];
            for size in SIZES {
                let file = filled(make(), &bytes[..size]);
                for (offset, mechanism) in OFFSETS.into_iter().flat_map(|at| mechanisms().map(move |by| (at, by))) {
                    let expected = bytes[..size].get(offset..).unwrap_or(&[]);
                    let case = Case { offset, ..Case::new(&names[0], mechanism, expected) };
                    tallies[0].run(&case, &file, Sink::new(stream), Sink::received);
                    let case = Case { at: offset, ..Case::new(&names[1], mechanism, &bytes[..size]) };
                    let source = Source::with(stream, case.bytes);
                    tallies[1].run(&case, &source, at(make(), offset), Sink::received);
                }
            }
            let [out, into] = tallies;
            out.end(&names[0], &[ReadWrite, MmapWrite, Sendfile, Splice, Uring]);
            into.end(&names[1], &[ReadWrite, Splice, Uring]);
        }
    }
}

/// Every kind of source for a sink that is special.
fn sources(bytes: &[u8]) -> impl Iterator<Item = (Kind, Source)> {
    [Kind::File, Kind::Tcp, Kind::Unix, Kind::Pipe, Kind::Bytes, Kind::Pages]
        .into_iter()
        .map(|kind| (kind, Source::with(kind, bytes)))
}

fn opened(path: &Path, flags: i32) -> File {
    File::options().read(true).write(true).custom_flags(flags).open(path).unwrap()
}

#[test]
fn files_that_the_kernel_makes_up() {
    let _dog = watchdog(120, "kernel files");
    let paths = [
        "/proc/version",
        "/proc/cmdline",
        "/proc/self/auxv",
        "/proc/sys/kernel/osrelease",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/notes",
        "/sys/kernel/btf/vmlinux",
    ];
    let mut tally = Tally::default();
    for path in paths.into_iter().filter(|path| Path::new(path).exists()) {
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.is_empty(), "{path}");
        for (sink, mechanism) in Kind::ALL.into_iter().flat_map(|sink| mechanisms().map(move |by| (sink, by))) {
            for offset in [0, 1] {
                let name = format!("{path} -> {sink:?}");
                let case = Case { offset, ..Case::new(&name, mechanism, &bytes[offset..]) };
                let source = Source::File(File::open(path).unwrap());
                tally.run(&case, &source, Sink::new(sink), Sink::received);
            }
        }
    }
    tally.end("kernel files", &[ReadWrite, Uring]);
}

#[test]
fn a_file_opened_to_append() {
    let _dog = watchdog(120, "append");
    let (before, bytes) = (pattern(5000), pattern(SIZES[4]));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("appended");
    let mut tally = Tally::default();
    for (size, mechanism) in SIZES.into_iter().flat_map(|size| mechanisms().map(move |by| (size, by))) {
        for (kind, source) in sources(&bytes[..size]) {
            std::fs::write(&path, &before).unwrap();
            let name = format!("{kind:?} -> append");
            let case = Case { before: &before, at: before.len(), ..Case::new(&name, mechanism, &bytes[..size]) };
            let file = File::options().read(true).append(true).open(&path).unwrap();
            // A position in the middle means nothing to it.
            tally.run(&case, &source, at(file, 7), Sink::received);
        }
    }
    tally.end("append", &[ReadWrite, MmapWrite, Uring]);
}

/// `O_DIRECT` asks for alignments: who names a mechanism may be told so, before the first byte.
fn misaligned(mechanism: Option<Mechanism>, error: &Error) -> bool {
    mechanism.is_some() && error.errno() == Some(libc::EINVAL) && error.moved() == 0
}

#[test]
fn files_opened_past_the_page_cache() {
    let _dog = watchdog(120, "O_DIRECT");
    let bytes = pattern(SIZES[4]);
    let (Some(ext4), Some(xfs), Some(btrfs)) =
        (LoopFs::ext4(128 << 20), LoopFs::xfs(320 << 20), LoopFs::btrfs(256 << 20))
    else {
        return;
    };
    let mut tally = Tally::default();
    for (place, dir) in [("ext4", ext4.path()), ("xfs", xfs.path()), ("btrfs", btrfs.path())] {
        let (from, to) = (dir.join("from"), dir.join("to"));
        let sink = |position| {
            std::fs::write(&to, b"").unwrap();
            at(opened(&to, libc::O_DIRECT), position)
        };
        let landed = |sink| {
            drop(sink);
            std::fs::read(&to).unwrap()
        };
        for (size, mechanism) in SIZES.into_iter().flat_map(|size| mechanisms().map(move |by| (size, by))) {
            std::fs::write(&from, &bytes[..size]).unwrap();
            let direct = Source::File(opened(&from, libc::O_DIRECT));
            for offset in OFFSETS {
                let expected = bytes[..size].get(offset..).unwrap_or(&[]);
                for kind in Kind::ALL {
                    let names = [format!("{place} O_DIRECT -> {kind:?}"), format!("{kind:?} -> {place} O_DIRECT")];
                    let case = Case { offset, tolerates: misaligned, ..Case::new(&names[0], mechanism, expected) };
                    tally.run(&case, &direct, Sink::new(kind), Sink::received);
                    let case = Case { offset: 0, at: offset, ..case };
                    let case = Case { name: &names[1], bytes: &bytes[..size], ..case };
                    tally.run(&case, &Source::with(kind, case.bytes), sink(offset), landed);
                }
                let name = format!("{place} O_DIRECT -> O_DIRECT");
                let case = Case { offset, at: offset, tolerates: misaligned, ..Case::new(&name, mechanism, expected) };
                tally.run(&case, &direct, sink(offset), landed);
            }
        }
    }
    tally.end("O_DIRECT", &[MmapWrite, DirectIo]);
}
