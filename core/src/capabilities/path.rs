//! What one file system does, asked on two files without a name.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::answer::{Answer, Capability, Cause};
use super::probes::{DIOALIGN, DONTCACHE, answer};
use super::reasons::Surroundings;
use crate::error::{Error, Result};
use crate::mechanism::Mechanism;
use crate::probe::Probe;
use crate::sys::probe;

pub(super) fn all(path: &Path) -> Result<Vec<Capability>> {
    let directory = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => path,
        // A file, or one that is yet to be made: what counts is where.
        _ => path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    };
    let unnamed = || unnamed_file(directory).map_err(|errno| Error::os("open", errno).at(Some(directory)));
    let (source, sink) = (unnamed()?, unnamed()?);
    // With no byte in it a file system might say yes without looking.
    nix::unistd::write(&source, &[0; 4096]).map_err(|errno| Error::os("write", errno).at(Some(directory)))?;
    let surroundings = Surroundings::look();
    let ask = |name, probe: Probe| {
        let ask = probe.on_files?;
        Some(of_file_system(answer(&surroundings, name, probe, ask(source.as_fd(), sink.as_fd()))))
    };
    let mechanisms = Mechanism::ALL.iter().filter_map(|mechanism| ask(mechanism.name(), mechanism.probe()));
    let mut list: Vec<_> = mechanisms.collect();
    list.push(dioalign(&surroundings, source.as_fd()));
    list.extend(ask("dontcache", DONTCACHE));
    Ok(list)
}

/// A no that is neither the kernel's age nor a filter is the file system's own.
fn of_file_system(mut capability: Capability) -> Capability {
    if matches!(capability.answer, Answer::No(Cause::NotConfigured | Cause::Other)) {
        capability.answer = Answer::No(Cause::FileSystem);
        capability.reason = "this file system does not do it".into();
    }
    capability
}

/// What alignment direct I/O needs here, if the file system tells (statx(2), `STATX_DIOALIGN`).
fn dioalign(surroundings: &Surroundings, file: std::os::fd::BorrowedFd<'_>) -> Capability {
    let told = probe::statx(file);
    // What a kernel does not know it leaves out, as a file system does that has no answer.
    let unknown = matches!(told, Ok(None)) && surroundings.is_before(DIOALIGN.since);
    let asked = if unknown { Err(Errno::EOPNOTSUPP) } else { told.map(|_| ()) };
    let mut capability = answer(surroundings, "dioalign", DIOALIGN, asked);
    match told {
        _ if unknown => {}
        Ok(Some((memory, offset))) if offset > 0 => {
            capability.reason = format!("memory to {memory} bytes, offset and length to {offset}");
        }
        Ok(told) => {
            capability.answer = Answer::No(Cause::FileSystem);
            capability.reason = match told {
                Some(_) => "this file system has no direct I/O".into(),
                None => "this file system does not tell its alignment".into(),
            };
        }
        Err(_) => {}
    }
    capability
}

/// `O_TMPFILE`; where the file system has none, a file that loses its name at once.
fn unnamed_file(directory: &Path) -> std::result::Result<OwnedFd, Errno> {
    let (flags, mode) = (OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::S_IRUSR | Mode::S_IWUSR);
    match open(directory, flags | OFlag::O_TMPFILE, mode) {
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {
            let path = unique_name(directory);
            let file = open(&path, flags | OFlag::O_CREAT | OFlag::O_EXCL, mode)?;
            nix::unistd::unlink(&path)?;
            Ok(file)
        }
        opened => opened,
    }
}

fn unique_name(directory: &Path) -> PathBuf {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    directory.join(format!(".zcio-probe-{}-{number}", std::process::id()))
}
