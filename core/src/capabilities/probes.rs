//! The questions that need no path, each one a real call on descriptors of our own: those of the mechanisms, which stand in
//! their files, and what else there is.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, SpliceFFlags, fcntl, tee};
use nix::sys::memfd::MFdFlags;

use super::answer::{Answer, Capability, Cause};
use super::reasons::Surroundings;
use crate::mechanism::Mechanism;
use crate::probe::{Asked, Probe, between_pipes, memory_file, pipe};
use crate::sys::{by_number, probe, tls};

/// What is no mechanism.
const OTHERS: [(&str, Probe); 11] = [
    ("tee", Probe::since(2, 6).here(|| between_pipes(|_, from, to| tee(from, to, 1, SpliceFFlags::SPLICE_F_NONBLOCK)))),
    ("statx", Probe::since(4, 11).here(|| Ok(probe::statx(pipe()?.0.as_fd()).map(|_| ())))),
    ("cachestat", Probe::since(6, 5).here(|| Ok(probe::cachestat(memory_file()?.as_fd())))),
    ("pagemap_scan", Probe::since(6, 7).here(pagemap_scan)),
    ("memfd_seals", Probe::since(3, 17).here(|| Ok(seals()))),
    ("mremap_dontunmap", Probe::since(5, 13).here(|| Ok(probe::move_page(memory_file()?.as_fd())))),
    ("madv_populate", Probe::since(5, 14).here(|| Ok(probe::knows_advice(libc::MADV_POPULATE_READ)))),
    ("madv_dontneed_locked", Probe::since(5, 18).here(|| Ok(probe::knows_advice(probe::MADV_DONTNEED_LOCKED)))),
    ("madv_collapse", Probe::since(6, 1).here(|| Ok(probe::knows_advice(probe::MADV_COLLAPSE)))),
    ("dioalign", DIOALIGN),
    ("dontcache", DONTCACHE),
];

/// The alignment that direct I/O needs.
pub(super) const DIOALIGN: Probe = Probe::since(6, 1);

/// Reads that leave nothing in the page cache.
pub(super) const DONTCACHE: Probe = Probe::since(6, 14).on_files(|file, _| probe::read_uncached(file));

pub(super) fn all() -> Vec<Capability> {
    let surroundings = Surroundings::look();
    let mechanisms = Mechanism::ALL.iter().map(|mechanism| (mechanism.name(), mechanism.probe()));
    let mut list: Vec<_> = mechanisms.chain(OTHERS).map(|(name, probe)| ask(&surroundings, name, probe)).collect();
    list.push(ktls());
    list
}

fn ask(surroundings: &Surroundings, name: &'static str, probe: Probe) -> Capability {
    match probe.here {
        Some(ask) => match ask() {
            Ok(result) => answer(surroundings, name, probe, result),
            Err(errno) => not_asked(name, errno),
        },
        // None of the file systems can.
        None if surroundings.is_before(probe.since) => answer(surroundings, name, probe, Err(Errno::EOPNOTSUPP)),
        None => {
            let reason = "each file system has its own answer: ask with a path".into();
            Capability { name, answer: Answer::AskPath, errno: None, reason }
        }
    }
}

/// The capability that follows from how a question was answered.
pub(super) fn answer(
    surroundings: &Surroundings,
    name: &'static str,
    probe: Probe,
    result: Result<(), Errno>,
) -> Capability {
    match result {
        Ok(()) => Capability { name, answer: Answer::Yes, errno: None, reason: String::new() },
        Err(errno) => {
            let setting = probe.forbidden_by.and_then(|setting| setting(errno, surroundings.filtered));
            let (cause, reason) = match setting {
                Some(reason) => (Cause::Forbidden, reason),
                None => surroundings.explain(errno, probe.since),
            };
            Capability { name, answer: Answer::No(cause), errno: Some(errno as i32), reason }
        }
    }
}

/// What the question needs (a pipe, a file in memory) was not to be had.
fn not_asked(name: &'static str, errno: Errno) -> Capability {
    let reason = format!("could not be asked: {}", errno.desc());
    Capability { name, answer: Answer::No(Cause::Limit), errno: Some(errno as i32), reason }
}

fn pagemap_scan() -> Asked {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let pagemap = nix::fcntl::open("/proc/self/pagemap", flags, nix::sys::stat::Mode::empty())?;
    Ok(probe::pagemap_scan(pagemap.as_fd()))
}

fn seals() -> Result<(), Errno> {
    let file = by_number::memfd_create(c"zcio-probe", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE)).map(|_| ())
}

/// TLS in the kernel.
fn ktls() -> Capability {
    if tls::is_loaded() {
        return Capability { name: "ktls", answer: Answer::Yes, errno: None, reason: String::new() };
    }
    Capability {
        name: "ktls",
        answer: Answer::No(Cause::NotConfigured),
        errno: None,
        reason: "CONFIG_TLS is not set or its module is not loaded: net.ipv4.tcp_available_ulp has no tls".into(),
    }
}
