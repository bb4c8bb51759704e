//! Pseudo-terminals, in the mode that a shell gives its programs: blocking.

use std::fs::File;
use std::os::fd::FromRawFd;

/// Both ends of a pseudo-terminal that passes bytes on as they are; the second is what a program sees.
pub fn terminal() -> (File, File) {
    let (mut near, mut far) = (0, 0);
    // SAFETY: both pointers are to locals; the others may be null.
    let opened = unsafe {
        libc::openpty(&raw mut near, &raw mut far, std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut())
    };
    assert_eq!(opened, 0);
    // SAFETY: both are open, and belong to nobody else.
    let ends = unsafe { (File::from_raw_fd(near), File::from_raw_fd(far)) };
    // SAFETY: all-zero is a valid termios, and is filled before it is used.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(far, &raw mut settings), 0);
        libc::cfmakeraw(&raw mut settings);
        assert_eq!(libc::tcsetattr(far, libc::TCSANOW, &raw const settings), 0);
    }
    ends
}
