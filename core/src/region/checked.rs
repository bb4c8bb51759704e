//! Copies out of mapped memory and into it that the kernel makes, so that a page which is gone is an error and no signal.
//!
//! A load from a page whose file was cut short is SIGBUS; the same access made by the kernel is EFAULT. So the kernel makes
//! it: `process_vm_readv(2)` and `process_vm_writev(2)` on this very process, one copy, no descriptor needed. It was
//! chosen by measurement over a copy through a pipe (two copies, two or more calls), see `benches/region.rs`: a fifth of its
//! time for small copies, a third for large ones. Reading the file by pread(2) instead would be as fast, but would not see the pages that a
//! private region has changed.
//!
//! The kernel always lets a process at its own memory, but a seccomp filter may refuse the call by name (container
//! runtimes did, on kernels before 4.8). Then, and only then, the pipe is used, for the rest of the process's life.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::sys::{Span, SpanMut, Sys, memory};

/// `process_vm_readv` has been refused here.
static BY_PIPE: AtomicBool = AtomicBool::new(false);

/// What one round through the pipe carries: its capacity unless the system was told otherwise (pipe(7)).
const PIPE: usize = 1 << 16;

/// Copies the beginning of memory that others may change; gives back how many bytes. EFAULT where there is no page any more: a
/// region of a file that was cut short.
pub(crate) fn copy_from(memory: Span<'_>, space: &mut [u8]) -> Sys<usize> {
    copy_between(memory, space.into())
}

/// The same into memory that others may look at, where a page may be gone as well.
pub(crate) fn copy_between(memory: Span<'_>, space: SpanMut<'_>) -> Sys<usize> {
    let count = memory.len().min(space.len());
    if count == 0 {
        return Ok(0);
    }
    // SAFETY: `count` bytes are mapped there, and here to be written: promises made when the spans were made. The kernel copies.
    unsafe { read(memory.as_ptr(), space.as_mut_ptr(), count) }
}

/// Copies memory of which pages may be gone: EFAULT, or a short count, where they are.
///
/// # Safety
/// `from` points into mapped memory, or what was mapped; `into` is writable, both for `length` bytes.
pub(super) unsafe fn read(from: *const u8, into: *mut u8, length: usize) -> Sys<usize> {
    if !BY_PIPE.load(Ordering::Relaxed) {
        // SAFETY: as the caller promised.
        match unsafe { memory::checked_read(from, into, length) } {
            Err(Errno::EPERM | Errno::ENOSYS | Errno::EACCES) => BY_PIPE.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    // SAFETY: as the caller promised.
    unsafe { read_by_pipe(from, into, length) }
}

/// # Safety
/// As [`memory::checked_write`].
pub(super) unsafe fn write(into: *mut u8, from: *const u8, length: usize) -> Sys<usize> {
    if !BY_PIPE.load(Ordering::Relaxed) {
        // SAFETY: as the caller promised.
        match unsafe { memory::checked_write(into, from, length) } {
            Err(Errno::EPERM | Errno::ENOSYS | Errno::EACCES) => BY_PIPE.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    // SAFETY: as the caller promised.
    unsafe { write_by_pipe(into, from, length) }
}

/// Out of the mapping into a pipe by write(2), out of the pipe by read(2).
///
/// # Safety
/// As [`memory::checked_read`].
unsafe fn read_by_pipe(from: *const u8, into: *mut u8, length: usize) -> Sys<usize> {
    let (out, inlet) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // SAFETY: as the caller promised, and not more than was asked for.
    let write = |length| unsafe { memory::write_from(inlet.as_fd(), from, length) };
    let wanted = length.min(PIPE);
    let count = match write(wanted) {
        // A pipe takes a page of its own whole or not at all, and that may have been parts of two pages here, one of them
        // there: up to the end of that one.
        Err(Errno::EFAULT) => write(wanted.min(memory::page_size() - from as usize % memory::page_size())),
        result => result,
    }?;
    let mut done = 0;
    while done < count {
        // SAFETY: as the caller promised.
        done += unsafe { memory::read_into(out.as_fd(), into.wrapping_add(done), count - done) }?;
    }
    Ok(count)
}

/// Into a pipe by write(2), out of it into the mapping by read(2).
///
/// # Safety
/// As [`memory::checked_write`].
unsafe fn write_by_pipe(into: *mut u8, from: *const u8, length: usize) -> Sys<usize> {
    let (out, inlet) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // SAFETY: as the caller promised.
    let count = unsafe { memory::write_from(inlet.as_fd(), from, length.min(PIPE)) }?;
    // SAFETY: as the caller promised. What does not fit is dropped with the pipe, and was not counted.
    unsafe { memory::read_into(out.as_fd(), into, count) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::region::{Access, RegionOptions};

    /// Both ways must give the same bytes, the same EFAULT and the same partial counts.
    #[test]
    fn the_pipe_does_what_process_vm_does() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        file.write_all(&content).unwrap();
        let region = RegionOptions::new().access(Access::ReadWrite).map(file.as_fd()).unwrap();
        let view = region.view(..).unwrap();
        let (mut by_call, mut by_pipe) = (vec![0; 5000], vec![0; 5000]);
        // SAFETY: inside the view.
        let start = unsafe { view.as_mut_ptr().add(4097) };
        // SAFETY: inside the view, all four.
        unsafe {
            assert_eq!(memory::checked_read(start, by_call.as_mut_ptr(), 5000), Ok(5000));
            assert_eq!(read_by_pipe(start, by_pipe.as_mut_ptr(), 5000), Ok(5000));
            assert_eq!((&by_call[..], &by_pipe[..]), (&content[4097..9097], &content[4097..9097]));
            assert_eq!(write_by_pipe(start, b"through the pipe".as_ptr(), 16), Ok(16));
            assert_eq!(memory::checked_write(start.add(16), b"and directly".as_ptr(), 12), Ok(12));
        }
        let mut back = [0; 28];
        assert_eq!(region.read_at(4097, &mut back).unwrap(), 28);
        assert_eq!(&back, b"through the pipeand directly");
        file.set_len(8192).unwrap();
        // SAFETY: inside the view, whose pages from 8192 on are gone: what is being tested.
        unsafe {
            assert_eq!(read_by_pipe(start.add(8192), by_pipe.as_mut_ptr(), 5000), Err(Errno::EFAULT));
            assert_eq!(memory::checked_read(start.add(8192), by_call.as_mut_ptr(), 5000), Err(Errno::EFAULT));
            assert_eq!(write_by_pipe(start.add(8192), b"x".as_ptr(), 1), Err(Errno::EFAULT));
            assert_eq!(memory::checked_write(start.add(8192), b"x".as_ptr(), 1), Err(Errno::EFAULT));
            assert_eq!(memory::checked_read(start, by_call.as_mut_ptr(), 5000), Ok(4095), "up to the cut");
            assert_eq!(read_by_pipe(start, by_pipe.as_mut_ptr(), 5000), Ok(4095), "up to the cut");
        }
    }
}
