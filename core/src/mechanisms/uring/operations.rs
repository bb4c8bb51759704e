//! The operations that a [`Ring`] knows: each one names the memory it uses, so that the ring can keep it.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{opcode, squeue, types};
use nix::errno::Errno;

use super::gather::Gather;
use super::record::Memory;
use super::ring::{OnSignal, Ring};
use crate::buffer::Pages;
use crate::sys::{Span, SyscallCounter};

/// `IORING_SEND_ZC_REPORT_USAGE` (Linux 6.2): the notification says whether the kernel copied.
const REPORT_USAGE: u16 = 1 << 3;
/// The index of the one registered buffer.
const BUFFER: u16 = 0;

/// One operation's file, place, successor and name.
#[derive(Clone, Copy)]
pub(crate) struct Op<'fd> {
    /// The file. A linked operation looks a descriptor up only when its turn comes: it must stay open until the answer.
    pub file: Target<'fd>,
    /// The offset; `None` for the file's own position, or a stream.
    pub at: Option<u64>,
    /// Answer EAGAIN rather than wait (`RWF_NOWAIT`). `O_NONBLOCK` alone does not do that: the ring waits for such a file.
    pub nowait: bool,
    /// Whether the next operation waits for this one.
    pub then: Then,
    /// What the completion is known by.
    pub tag: u64,
}

/// What an operation works on.
#[derive(Clone, Copy)]
pub(crate) enum Target<'fd> {
    Descriptor(BorrowedFd<'fd>),
    /// A direct descriptor: one that only the ring has.
    Direct(u32),
}

/// How an operation and the one pushed after it belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// They do not.
    Any,
    /// The next one begins when this one has done all it was asked, and is cancelled (ECANCELED) if it did less.
    Next,
}

/// How a socket is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sending {
    /// Do not wait for room.
    pub nonblocking: bool,
    /// By reference to the slot (TCP).
    pub zero_copy: bool,
}

impl Sending {
    /// `MSG_WAITALL`: a send that is cut short ends the chain of linked ones. `MSG_NOSIGNAL` is set by the kernel.
    fn flags(self) -> i32 {
        libc::MSG_WAITALL | if self.nonblocking { libc::MSG_DONTWAIT } else { 0 }
    }
}

impl Op<'_> {
    fn rw_flags(&self) -> i32 {
        if self.nowait { libc::RWF_NOWAIT } else { 0 }
    }

    fn offset(&self) -> u64 {
        self.at.unwrap_or(u64::MAX)
    }

    fn flags(&self) -> squeue::Flags {
        match self.then {
            Then::Any => squeue::Flags::empty(),
            Then::Next => squeue::Flags::IO_LINK,
        }
    }
}

/// Builds an entry for either sort of file: the crate's builders take them as different types.
macro_rules! entry {
    ($op:expr, $file:ident => $built:expr) => {
        match $op.file {
            Target::Descriptor(fd) => {
                let $file = types::Fd(fd.as_raw_fd());
                $built.build()
            }
            Target::Direct(index) => {
                let $file = types::Fixed(index);
                $built.build()
            }
        }
        .flags($op.flags())
    };
}

impl Ring {
    /// read(2) into the beginning of a slot. Two at once would mix their bytes.
    pub fn read(&mut self, op: Op<'_>, slot: usize, length: usize) {
        let start = self.address(slot, &(0..length));
        let entry = entry!(op, file => opcode::ReadFixed::new(file, start, length as u32, BUFFER)
            .offset(op.offset()).rw_flags(op.rw_flags()));
        // SAFETY: `start` is valid for `length` bytes, in a slot that the record holds.
        unsafe { self.push(entry, op.tag, Memory::Filled(slot)) }
    }

    /// write(2) out of a slot.
    pub fn write(&mut self, op: Op<'_>, slot: usize, range: &Range<usize>) {
        let (start, length) = (self.address(slot, range), range.len() as u32);
        let entry = entry!(op, file => opcode::WriteFixed::new(file, start, length, BUFFER)
            .offset(op.offset()).rw_flags(op.rw_flags()));
        // SAFETY: `start` is valid for the range's length, in a slot that the record holds.
        unsafe { self.push(entry, op.tag, Memory::Emptied(slot)) }
    }

    /// send(2) out of a slot. A zero-copy send has a second completion, when the slot is free again.
    pub fn send(&mut self, op: Op<'_>, slot: usize, range: &Range<usize>, how: Sending) {
        let (start, length) = (self.address(slot, range).cast_const(), range.len() as u32);
        let entry = if how.zero_copy {
            entry!(op, file => opcode::SendZc::new(file, start, length)
                .buf_index(Some(BUFFER)).flags(how.flags()).zc_flags(REPORT_USAGE))
        } else {
            entry!(op, file => opcode::Send::new(file, start, length).flags(how.flags()))
        };
        // SAFETY: `start` is valid for the range's length, in a slot that the record holds.
        unsafe { self.push(entry, op.tag, Memory::Emptied(slot)) }
    }

    /// A zero-copy send(2) of memory that nobody can write any more; it is kept until the second completion.
    pub fn send_pages(&mut self, op: Op<'_>, pages: &Pages, range: Range<usize>, nonblocking: bool) {
        let bytes = &pages[range];
        let how = Sending { nonblocking, zero_copy: true };
        let entry = entry!(op, file => opcode::SendZc::new(file, bytes.as_ptr(), bytes.len() as u32)
            .flags(how.flags()).zc_flags(REPORT_USAGE));
        // SAFETY: the record keeps the pages.
        unsafe { self.push(entry, op.tag, Memory::Pages { _kept: pages.clone() }) }
    }

    /// writev(2) or sendmsg(2) of parts of many slots, in order.
    pub fn gather(&mut self, op: Op<'_>, parts: impl Iterator<Item = (usize, Range<usize>)>, send: Option<Sending>) {
        let gather = Gather::new(parts.map(|(slot, range)| (slot, self.address(slot, &range), range)));
        let entry = if let Some(how) = send {
            entry!(op, file => opcode::SendMsg::new(file, gather.message()).flags(how.flags() as u32))
        } else {
            let (pieces, count) = gather.pieces();
            entry!(op, file => opcode::Writev::new(file, pieces, count).offset(op.offset()).rw_flags(op.rw_flags()))
        };
        // SAFETY: list and header are on the heap, in `gather`, and point into slots: the record holds them all.
        unsafe { self.push(entry, op.tag, Memory::Gathered(gather)) }
    }

    /// open(2) of a path, relative to the working directory, as a direct descriptor; closes what had that index.
    pub fn open(&mut self, path: CString, flags: i32, index: u32, tag: u64) {
        let destination = types::DestinationSlot::try_from_slot_target(index).expect("an index of the ring's table");
        let entry = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr())
            .file_index(Some(destination))
            .flags(flags)
            .build();
        // SAFETY: the path's bytes are on the heap, and the record keeps them.
        unsafe { self.push(entry, tag, Memory::Path { _kept: path }) }
    }

    /// write(2), or send(2), of memory that is only borrowed: returns when the operation is over.
    pub fn lend(
        &mut self,
        calls: &mut SyscallCounter,
        op: Op<'_>,
        bytes: Span<'_>,
        send: Option<Sending>,
    ) -> Result<usize, Errno> {
        let (start, length) = (bytes.as_ptr(), bytes.len() as u32);
        let entry = if let Some(how) = send {
            entry!(op, file => opcode::Send::new(file, start, length).flags(how.flags()))
        } else {
            entry!(op, file => opcode::Write::new(file, start, length).offset(op.offset()).rw_flags(op.rw_flags()))
        };
        // SAFETY: `answer` returns only when the operation is over or will never begin, and the bytes are borrowed longer.
        unsafe { self.push(entry, op.tag, Memory::Nothing) }
        self.answer(calls, op.tag, OnSignal::Cancel)
    }
}
