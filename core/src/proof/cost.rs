//! What a transfer of some size costs, by the counters of the kernel: of the process where there are such, of the whole
//! device or machine otherwise.
//!
//! The peer at the other end is a thread of this process; its processor time is taken out. Threads of a host (a JVM's
//! collector) that work meanwhile are not: measure in a process that does nothing else.

use std::fs::File;
use std::io::{self, Seek};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::cell::{Cell, Evidence};
use super::counters::{BlockBytes, BlockDevice, Interrupts};
use super::ends::{self, Near, Source};
use super::helper::Helper;
use super::mapped::Mapped;
use super::route::Route;
use super::setting::Setting;
use super::subject::Subject;
use super::witness::{Devices, Process};
use crate::mechanism::Mechanism;
use crate::memory::Faults;
use crate::residency::residency;

const NO_FILE: &str = "the source is no file: no page cache is before it";

/// What one transfer cost.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::MemoryToPipe, &Subject::engine(Mechanism::ReadWrite), &Options::quick());
/// let cost = row.warm.value().unwrap();
/// println!("{} bytes took {:?} calls", cost.bytes, cost.system_calls.value());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Cost {
    /// Bytes it moved.
    pub bytes: u64,
    /// How long it took, in seconds, until the last byte was handed over.
    pub seconds: f64,
    /// Processor time for a gigabyte (10⁹ bytes), in seconds, without the peer's.
    pub cpu_seconds_per_gb: Cell<f64>,
    /// System calls by the engine's own count: those that move bytes.
    pub system_calls: Cell<u64>,
    /// All system calls of the calling thread by the kernel's count: with those about memory and threads, without those of
    /// threads that a mechanism has of its own (`direct_io`).
    pub system_calls_seen: Cell<u64>,
    /// Switches between user and kernel mode that the engine's system calls made: two each.
    pub switches: Cell<u64>,
    /// Page faults of the process.
    pub faults: Cell<Faults>,
    /// How much of the source file was in the page cache before, from 0 to 1.
    pub cached_before: Cell<f64>,
    /// What the block device of the file moved until everything was written out.
    pub block: Cell<BlockBytes>,
    /// Bytes that the network device sent until the receiver had everything.
    pub network: Cell<u64>,
    /// Interrupts of the whole machine during the transfer.
    pub interrupts: Cell<Interrupts>,
    /// What `zerocopy_receive` mapped; of no other mechanism.
    #[cfg_attr(feature = "cli", serde(skip_serializing_if = "Option::is_none"))]
    pub mapped: Option<Mapped>,
}

/// Whether the source's pages are in memory before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cache {
    Warm,
    Cold,
}

/// A route with its source file, which the transfers of all mechanisms share.
pub(super) struct Section<'a> {
    setting: &'a Setting,
    pub route: Route,
    size: u64,
    source: Option<File>,
}

impl<'a> Section<'a> {
    pub fn new(setting: &'a Setting, route: Route, size: u64) -> io::Result<Self> {
        let mut section = Self { setting, route, size, source: None };
        if route.starts_at_file() {
            let source = ends::filled(setting.file(route)?, size, b'o')?;
            source.sync_all()?;
            section.source = Some(source);
        }
        Ok(section)
    }

    /// Lets the subject move everything once, and counts.
    pub fn measure(&self, subject: &Subject, cache: Cache) -> io::Result<Cost> {
        self.prepare(cache)?;
        let cached_before = self.cached();
        let (source, feed) = self.source()?;
        let (near, drain) = Helper::draining(self.setting.sink(self.route, self.size)?)?;
        let (from, to) = (source.end()?, near.end()?);
        let to_file = to.facts().kind.is_seekable();
        let devices = Devices::begin(self.device(&near), self.setting.network(self.route)?);
        let helpers: Vec<_> = [drain, feed].into_iter().flatten().collect();

        let calls = self.setting.system_calls();
        helpers.iter().for_each(Helper::go);
        let process = Process::begin(&helpers, calls)?;
        let report = (subject.run)(from, to, self.size);
        let counted = process.end(&helpers)?;
        let mapped = match (&report, source.descriptor()) {
            (Ok(report), Some(socket)) if report.mechanism == Mechanism::ZerocopyReceive => {
                Some(Mapped::of(report, socket))
            }
            _ => None,
        };

        // The peer waits for the end of what it receives, also when there was an error.
        match near {
            Near::Descriptor(file) if to_file => File::from(file).sync_data()?,
            near => drop(near),
        }
        drop(source);
        let report = report.map_err(crate::Error::whole)?;
        for helper in helpers {
            let seen = helper.finish()?;
            if seen != report.bytes {
                return Err(io::Error::other(format!("the peer saw {seen} bytes of {}", report.bytes)));
            }
        }
        let (block, network) = devices.end();
        let per_gb = counted.time.as_secs_f64() * 1e9 / report.bytes as f64;
        Ok(Cost {
            bytes: report.bytes,
            seconds: counted.elapsed.as_secs_f64(),
            cpu_seconds_per_gb: Cell::known(per_gb, Evidence::Process),
            system_calls: Cell::known(report.system_calls, Evidence::Engine),
            system_calls_seen: counted.calls,
            switches: Cell::known(2 * report.system_calls, Evidence::Engine),
            faults: Cell::known(counted.faults, Evidence::Process),
            cached_before,
            block,
            network,
            interrupts: counted.interrupts,
            mapped,
        })
    }

    /// How much of the source is in the page cache.
    fn cached(&self) -> Cell<f64> {
        let Some(file) = &self.source else { return Cell::unknown(NO_FILE) };
        let found = residency(file, 0, self.size);
        Cell::of(found.map(|found| found.present as f64 / found.total.max(1) as f64), Evidence::PageCache)
    }

    /// Puts the source where it is to be: in memory or not.
    fn prepare(&self, cache: Cache) -> io::Result<()> {
        match (&self.source, cache) {
            (None, Cache::Warm) => Ok(()),
            (None, Cache::Cold) => Err(io::Error::other(NO_FILE)),
            (Some(_), Cache::Cold) if self.route == Route::FileToFileMemory => {
                Err(io::Error::other("the file is memory: there is no disk to read it from"))
            }
            (Some(file), Cache::Cold) => {
                file.sync_all()?;
                Ok(posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
            }
            (Some(file), Cache::Warm) => {
                let (mut buffer, mut at) = (vec![0; 1 << 20], 0);
                loop {
                    match file.read_at(&mut buffer, at)? {
                        0 => return Ok(()),
                        count => at += count as u64,
                    }
                }
            }
        }
    }

    /// The source, and the thread that feeds it, if it has one.
    fn source(&self) -> io::Result<(Source, Option<Helper>)> {
        if let Some(file) = &self.source {
            let mut file = file.try_clone()?;
            file.rewind()?;
            return Ok((Source::File(file), None));
        }
        if !self.route.starts_at_stream() {
            return Ok((Source::memory(self.size as usize, b'o')?, None));
        }
        let (far, near): (TcpStream, TcpStream) = self.setting.loopback().connect()?;
        let feed = Helper::feeding(far, self.size)?;
        Ok((Source::Socket(near), Some(feed)))
    }

    /// The block device that counts: that of the source, or else that of the sink.
    fn device(&self, sink: &Near) -> io::Result<BlockDevice> {
        match (&self.source, sink) {
            (Some(source), _) => BlockDevice::of(source),
            (None, Near::Descriptor(sink)) if self.route == Route::TcpToFile => {
                BlockDevice::of(&sink.try_clone()?.into())
            }
            (None, _) => Err(io::Error::other("no file is at either end")),
        }
    }
}
