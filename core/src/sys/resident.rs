//! Keeping the library that this crate is part of in the process, once something that lasts refers to its code.
//!
//! A library is unloaded when whoever loaded it is done with it (dlclose(3)): a Java class loader that is collected, the host
//! of a plug-in. Two things of ours go on: a handler for SIGBUS, and threads that nobody waits for. To take the handler out again would not do.
//! Another copy of this library, or somebody else, may have put theirs before ours meanwhile, with ours as the one that
//! they hand faults on to, and nobody can take a handler out of the middle of such a chain. So the library stays. That costs
//! address space and the few pages it has written to. One that has neither is unloaded like any other.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

use super::Sys;

/// From now on the library is not unloaded. An executable never is.
pub(crate) fn stay() -> Sys<()> {
    static STAYS: AtomicBool = AtomicBool::new(false);
    if STAYS.load(Ordering::Acquire) {
        return Ok(());
    }
    if let Some(here) = object_of(stay as *const c_void)
        && !is_executable(&here)
    {
        // SAFETY: the loader's own name for what is loaded. The handle is not needed: the flag stays with the library.
        let kept = unsafe { libc::dlopen(here.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
        if kept.is_null() {
            return Err(Errno::ELIBACC);
        }
    }
    STAYS.store(true, Ordering::Release);
    Ok(())
}

/// The library or executable that has that address; `None` where everything is one static executable.
fn object_of(address: *const c_void) -> Option<libc::Dl_info> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr(3) takes any address; zero bytes are a valid `Dl_info`.
    (unsafe { libc::dladdr(address, found.as_mut_ptr()) } != 0).then(|| unsafe { found.assume_init() })
}

/// Whether that is what execve(2) has started: the kernel says where the headers of that are.
fn is_executable(object: &libc::Dl_info) -> bool {
    // SAFETY: takes a number.
    let headers = unsafe { libc::getauxval(libc::AT_PHDR) };
    object_of(headers as *const c_void).is_some_and(|started| started.dli_fbase == object.dli_fbase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_stays_by_itself_and_a_library_is_told_from_it() {
        assert!(is_executable(&object_of(stay as *const c_void).unwrap()));
        assert!(!is_executable(&object_of(libc::malloc as *const c_void).unwrap()));
        assert_eq!(stay(), Ok(()));
    }
}
