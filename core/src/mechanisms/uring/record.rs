//! An operation of a ring from push to its last completion: what it refers to meanwhile, and what the kernel says about it.

use std::ffi::CString;

use nix::errno::Errno;

use super::gather::Gather;
use crate::buffer::Pages;

/// One operation, from push to its last completion.
pub(super) struct Record {
    pub tag: u64,
    pub number: u32,
    pub memory: Memory,
}

/// What an operation refers to.
pub(super) enum Memory {
    Nothing,
    /// A slot that it fills.
    Filled(usize),
    /// A slot that it sends or writes out.
    Emptied(usize),
    /// Pages of somebody else's that nobody can write.
    Pages {
        _kept: Pages,
    },
    /// Many slots that it writes out.
    Gathered(Gather),
    /// A path that it opens.
    Path {
        _kept: CString,
    },
}

/// What the kernel said about an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    /// The operation's tag.
    pub tag: u64,
    pub answer: Answer,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// It is over: its result.
    Done(Result<usize, Errno>),
    /// The memory of a zero-copy send, answered before, is free again; whether the kernel had copied it.
    Released { copied: bool },
}
