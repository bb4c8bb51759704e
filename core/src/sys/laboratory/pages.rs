//! Loads and stores that make page faults, and whether there can be a page at all.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::sys::Sys;
use crate::sys::memory::page_size;

/// Whether a page can be mapped at this address at all: false beyond the end of user space (`MAP_FIXED_NOREPLACE`).
pub(crate) fn is_user_space(address: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE;
    let wanted = address as *mut libc::c_void;
    // SAFETY: MAP_FIXED_NOREPLACE never touches what is mapped already.
    let mapped = unsafe { libc::mmap(wanted, page_size(), libc::PROT_NONE, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return Errno::last() == Errno::EEXIST;
    }
    // SAFETY: the page was mapped just now, by this function, and nobody else knows it.
    unsafe { libc::munmap(mapped, page_size()) };
    mapped == wanted
}

/// What write(2) answers if the kernel is to take one byte from that address: 0 is that it did. The byte goes into a pipe that
/// nobody reads.
pub(crate) fn write_from(address: usize) -> Sys<Errno> {
    let (_reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: the kernel checks the address; nothing of this process is written to.
    let written = unsafe { libc::write(writer.as_raw_fd(), address as *const libc::c_void, 1) };
    Ok(if written < 0 { Errno::last() } else { Errno::UnknownErrno })
}

/// Reads one byte of every page, as a program would: the processor's own loads, so that page faults are real.
///
/// # Safety
/// The range is mapped readable and stays so, with memory behind every page.
pub(crate) unsafe fn touch(start: *const u8, length: usize) {
    for offset in (0..length).step_by(page_size()) {
        // SAFETY: inside the range; volatile, so that the load happens.
        unsafe { start.add(offset).read_volatile() };
    }
}

/// Writes one byte into every page; see [`touch`].
///
/// # Safety
/// The range is mapped writable and stays so, with memory behind every page, and its content is the caller's to change.
pub(crate) unsafe fn fill_pages(start: *mut u8, length: usize, value: u8) {
    for offset in (0..length).step_by(page_size()) {
        // SAFETY: inside the range; volatile, so that the store happens.
        unsafe { start.add(offset).write_volatile(value) };
    }
}
