//! The questions that need no path: each one a real call on descriptors of our own.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::answer::{Answer, Capability, Cause};
use super::reasons::Surroundings;
use crate::buffer::AlignedBuffer;
use crate::sys::{SyscallCounter, probe};

/// The thing's own answer; or, outside, what kept it from being asked.
type Asked = Result<Result<(), Errno>, Errno>;
type Probe = fn() -> Asked;

/// Name, the release that brought it, the question. The mechanisms stand first, in the order of [`crate::Mechanism`].
const PROBES: [(&str, (u32, u32), Probe); 12] = [
    ("read_write", (0, 0), || Ok(Ok(()))),
    ("mmap_write", (0, 0), || Ok(SyscallCounter::default().map(memory_file()?.as_fd(), 0, 1).map(|_| ()))),
    // To a pipe since 2.6.33.
    ("sendfile", (2, 6), sendfile),
    ("splice", (2, 6), || between_pipes(|calls, from, to| calls.splice(from, None, to, None, 1))),
    ("copy_file_range", (4, 5), copy_file_range),
    ("vmsplice", (2, 6), vmsplice),
    ("zerocopy_send", (4, 14), zerocopy),
    ("tee", (2, 6), || {
        between_pipes(|_, from, to| nix::fcntl::tee(from, to, 1, nix::fcntl::SpliceFFlags::SPLICE_F_NONBLOCK))
    }),
    ("statx", (4, 11), || Ok(probe::statx(pipe()?.0.as_fd()).map(|_| ()))),
    ("cachestat", (6, 5), || Ok(probe::cachestat(memory_file()?.as_fd()))),
    ("pagemap_scan", (6, 7), pagemap_scan),
    ("memfd_seals", (3, 17), || Ok(seals())),
];

/// What each file system answers for itself, and the release before which none of them can.
const OF_FILE_SYSTEMS: [(&str, (u32, u32)); 4] =
    [("direct_io", (2, 6)), ("reflink", (4, 5)), ("dioalign", (6, 1)), ("dontcache", (6, 14))];

pub(super) fn all() -> Vec<Capability> {
    let surroundings = Surroundings::look();
    let mut list: Vec<_> = PROBES
        .into_iter()
        .map(|(name, since, probe)| match probe() {
            Ok(result) => answer(&surroundings, name, since, result),
            Err(errno) => not_asked(name, errno),
        })
        .collect();
    list.push(uring(&surroundings));
    list.push(ktls());
    for (name, since) in OF_FILE_SYSTEMS {
        let too_old = surroundings.release.is_some_and(|release| release < since);
        list.push(if too_old {
            answer(&surroundings, name, since, Err(Errno::EOPNOTSUPP))
        } else {
            let reason = "each file system has its own answer: ask with a path".into();
            Capability { name, answer: Answer::AskPath, errno: None, reason }
        });
    }
    list
}

/// The capability that follows from how a question was answered.
pub(super) fn answer(
    surroundings: &Surroundings,
    name: &'static str,
    since: (u32, u32),
    result: Result<(), Errno>,
) -> Capability {
    match result {
        Ok(()) => Capability { name, answer: Answer::Yes, errno: None, reason: String::new() },
        Err(errno) => {
            let (cause, reason) = surroundings.explain(errno, since);
            Capability { name, answer: Answer::No(cause), errno: Some(errno as i32), reason }
        }
    }
}

/// What the question needs (a pipe, a file in memory) was not to be had.
fn not_asked(name: &'static str, errno: Errno) -> Capability {
    let reason = format!("could not be asked: {}", errno.desc());
    Capability { name, answer: Answer::No(Cause::Limit), errno: Some(errno as i32), reason }
}

/// A file of one block in memory.
fn memory_file() -> Result<OwnedFd, Errno> {
    let file = memfd_create(c"zcio-probe", MFdFlags::MFD_CLOEXEC)?;
    nix::unistd::ftruncate(&file, 4096)?;
    Ok(file)
}

/// A pipe to be thrown away: one of the engine's own must not come back to it with a byte inside.
fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
}

fn sendfile() -> Asked {
    let (file, pipe) = (memory_file()?, pipe()?);
    Ok(SyscallCounter::default().sendfile(file.as_fd(), Some(0), pipe.1.as_fd(), 1).map(|_| ()))
}

fn copy_file_range() -> Asked {
    let (source, sink) = (memory_file()?, memory_file()?);
    Ok(SyscallCounter::default().copy_file_range(source.as_fd(), 0, sink.as_fd(), Some(0), 1).map(|_| ()))
}

/// Asks for something between a pipe with a byte in it and an empty one.
fn between_pipes(ask: fn(&mut SyscallCounter, BorrowedFd<'_>, BorrowedFd<'_>) -> Result<usize, Errno>) -> Asked {
    let (from, to) = (pipe()?, pipe()?);
    nix::unistd::write(&from.1, b"?")?;
    Ok(ask(&mut SyscallCounter::default(), from.0.as_fd(), to.1.as_fd()).map(|_| ()))
}

fn vmsplice() -> Asked {
    let (pages, pipe) = (AlignedBuffer::new(1).map_err(|_| Errno::ENOMEM)?.freeze(), pipe()?);
    Ok(SyscallCounter::default().vmsplice(pipe.1.as_fd(), &pages, 0..1).map(|_| ()))
}

fn zerocopy() -> Asked {
    let tcp = |family| socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    // A network namespace can be without one of the two.
    let socket = tcp(AddressFamily::Inet).or_else(|_| tcp(AddressFamily::Inet6))?;
    Ok(SyscallCounter::default().set_zerocopy(socket.as_fd(), true))
}

fn pagemap_scan() -> Asked {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let pagemap = nix::fcntl::open("/proc/self/pagemap", flags, nix::sys::stat::Mode::empty())?;
    Ok(probe::pagemap_scan(pagemap.as_fd()))
}

fn seals() -> Result<(), Errno> {
    let file = memfd_create(c"zcio-probe", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE)).map(|_| ())
}

fn uring(surroundings: &Surroundings) -> Capability {
    let result = probe::io_uring_setup();
    let mut capability = answer(surroundings, "uring", (5, 1), result);
    let disabled = surroundings.uring_disabled;
    // 1 locks out only the unprivileged; with a filter as well, the filter is as likely.
    if result == Err(Errno::EPERM) && (disabled == 2 || (disabled == 1 && !surroundings.filtered)) {
        capability.answer = Answer::No(Cause::Forbidden);
        capability.reason = format!("kernel.io_uring_disabled is {disabled}");
    }
    capability
}

/// TLS in the kernel. Asking a socket for it would make a privileged process load the module: the list is only read.
fn ktls() -> Capability {
    let list = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp").unwrap_or_default();
    if list.split_whitespace().any(|name| name == "tls") {
        return Capability { name: "ktls", answer: Answer::Yes, errno: None, reason: String::new() };
    }
    Capability {
        name: "ktls",
        answer: Answer::No(Cause::NotConfigured),
        errno: None,
        reason: "CONFIG_TLS is not set or its module is not loaded: net.ipv4.tcp_available_ulp has no tls".into(),
    }
}
