//! A copy by this process's own instructions that ends early where a page is gone, for where the handler of [`super::signal`] is there.
//!
//! The copy is a routine of a few instructions that has no stack frame. Of a SIGBUS, whose address says where the page was lost, the
//! handler looks at the instruction: one of the routine's was copying, and nothing else could have been interrupted there. It
//! goes on behind the copying instructions, and what is in the register for it says how many bytes were left. There is
//! nothing to unwind and nothing to remember for a thread: whatever the kernel restores with the registers is all the state.
//!
//! How many bytes were copied is told as a lower bound: where loads and stores are of several bytes, some of those before the lost
//! page may have to be copied again.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the routine gives back, in two registers.
#[repr(C)]
struct Outcome {
    /// Bytes that were not copied.
    left: usize,
    /// Where the instructions that copy begin.
    place: usize,
}

/// Where those instructions begin; 0 while nobody has asked.
static PLACE: AtomicUsize = AtomicUsize::new(0);

/// Makes the handler know the routine. False where there is none for this processor, or none that is quick.
pub(super) fn prepare() -> bool {
    let quick = routine::is_quick();
    if quick {
        // SAFETY: nothing is copied.
        let outcome = unsafe { routine::copy(std::ptr::null_mut(), std::ptr::null(), 0) };
        PLACE.store(outcome.place, Ordering::SeqCst);
    }
    quick
}

/// Copies as many bytes as it can, from the first one on; gives back how many at least. Not before [`prepare`], and only while the
/// handler is sure to be asked about a SIGBUS of this thread's.
///
/// # Safety
/// `from` may be read and `into` written, both for `length` bytes, but for pages that are gone: SIGBUS, and not SIGSEGV.
pub(super) unsafe fn copy(into: *mut u8, from: *const u8, length: usize) -> usize {
    // SAFETY: as the caller promised.
    length - unsafe { routine::copy(into, from, length) }.left
}

/// Inside the handler: whether the routine was interrupted, which then goes on behind what could not be copied.
///
/// # Safety
/// The context is the one that the kernel gave to the handler of a fault.
pub(super) unsafe fn go_on(context: *mut c_void) -> bool {
    let place = PLACE.load(Ordering::SeqCst);
    // SAFETY: as the caller promised; nobody else looks at it.
    let next = unsafe { routine::next(&mut *context.cast()) };
    let interrupted = place != 0 && (place..place + routine::LENGTH).contains(&(*next as usize));
    if interrupted {
        *next = (place + routine::LENGTH) as _;
    }
    interrupted
}

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
mod routine {
    use std::arch::naked_asm;

    use super::Outcome;

    /// Bytes of `rep movsb`, the instruction that copies: F3 A4.
    pub const LENGTH: usize = 2;

    /// Whether the processor moves strings by more than a byte at a time.
    pub fn is_quick() -> bool {
        is_x86_feature_detected!("ermsb")
    }

    /// The address of the next instruction of an interrupted thread.
    pub fn next(context: &mut libc::ucontext_t) -> &mut libc::greg_t {
        &mut context.uc_mcontext.gregs[libc::REG_RIP as usize]
    }

    /// `rep movsb` counts down in `rcx` as it goes, whatever interrupts it.
    #[unsafe(naked)]
    pub unsafe extern "sysv64" fn copy(into: *mut u8, from: *const u8, length: usize) -> Outcome {
        naked_asm!("mov rcx, rdx", "lea rdx, [rip + 2f]", "2:", "rep movsb", "mov rax, rcx", "ret",)
    }
}

#[cfg(all(target_arch = "aarch64", target_pointer_width = "64"))]
mod routine {
    use std::arch::naked_asm;

    use super::Outcome;

    /// Bytes of the instructions from the first that copies to the last: from 2 to 3 below, each of four.
    pub const LENGTH: usize = 19 * 4;

    /// It is made of loads and stores that every processor has.
    pub fn is_quick() -> bool {
        true
    }

    /// The address of the next instruction of an interrupted thread.
    pub fn next(context: &mut libc::ucontext_t) -> &mut libc::c_ulonglong {
        &mut context.uc_mcontext.pc
    }

    /// 64 bytes at a time and the rest one by one; `x3` counts down what has not been stored.
    #[unsafe(naked)]
    pub unsafe extern "C" fn copy(into: *mut u8, from: *const u8, length: usize) -> Outcome {
        naked_asm!(
            "mov x3, x2",
            "mov x4, x0",
            "mov x5, x1",
            "adr x1, 2f",
            "2:",
            "cmp x3, #64",
            "b.lo 4f",
            "ldp x6, x7, [x5]",
            "ldp x8, x9, [x5, #16]",
            "ldp x10, x11, [x5, #32]",
            "ldp x12, x13, [x5, #48]",
            "stp x6, x7, [x4]",
            "stp x8, x9, [x4, #16]",
            "stp x10, x11, [x4, #32]",
            "stp x12, x13, [x4, #48]",
            "add x5, x5, #64",
            "add x4, x4, #64",
            "sub x3, x3, #64",
            "b 2b",
            "4:",
            "cbz x3, 3f",
            "ldrb w6, [x5], #1",
            "strb w6, [x4], #1",
            "sub x3, x3, #1",
            "b 4b",
            "3:",
            "mov x0, x3",
            "ret",
        )
    }
}

/// Elsewhere the kernel copies.
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_pointer_width = "64")))]
mod routine {
    use super::Outcome;

    pub const LENGTH: usize = 0;

    pub fn is_quick() -> bool {
        false
    }

    pub fn next(_context: &mut libc::ucontext_t) -> &'static mut usize {
        unreachable!("nothing is copied here")
    }

    pub unsafe fn copy(_into: *mut u8, _from: *const u8, length: usize) -> Outcome {
        Outcome { left: length, place: 0 }
    }
}
