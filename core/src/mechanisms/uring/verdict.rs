//! What the kernel says about zero-copy sends: whether it does them here, and whether it copied after all.

use nix::errno::Errno;

use crate::copies::{Copies, KnownBy};

#[derive(Debug, Default)]
pub(super) struct Verdict {
    tried: bool,
    /// This socket or kernel does not do it.
    refused: bool,
    /// Sends by reference whose memory is free again.
    released: usize,
    /// … of those, the ones that the kernel copied.
    copied: usize,
    /// Copies by the CPU before a send.
    before: u8,
}

impl Verdict {
    /// Whether sends are to be made by reference.
    pub fn is_zero_copy(&self) -> bool {
        !self.refused
    }

    /// A send is about to begin, of bytes that the CPU has copied so many times.
    pub fn sending(&mut self, zero_copy: bool, before: u8) {
        self.before = before;
        self.tried |= zero_copy;
    }

    /// A notification.
    pub fn released(&mut self, copied: bool) {
        self.released += 1;
        self.copied += usize::from(copied);
    }

    /// Whether that error means that sends by reference are not to be had here, and others are to be tried.
    pub fn gives_up_zero_copy(&mut self, errno: Errno) -> bool {
        // Not for this kind of socket; a kernel before 6.2; no room for locked pages or for the notification.
        let refusals = [Errno::EOPNOTSUPP, Errno::EINVAL, Errno::ENOMEM, Errno::ENOBUFS];
        let gives_up = self.tried && !self.refused && refusals.contains(&errno);
        self.refused |= gives_up;
        gives_up
    }

    /// What is known about copies: "copied" is proof, but "not copied" is none, because a device without scatter-gather
    /// copies later and does not say so.
    pub fn copies(&self) -> Option<Copies> {
        let all_copied = self.released > 0 && self.copied == self.released;
        all_copied.then_some(Copies { count: Some(self.before + 1), known_by: KnownBy::Kernel })
    }
}
