//! Memory that is an end of a transfer: an address and a length, never a slice.
//!
//! Another thread of the program that lent it, or another process, may write to it or read it meanwhile (a Python bytearray,
//! a direct buffer of Java, a shared region). The kernel does not mind; a `&[u8]` would. So the address only goes into system
//! calls.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Readable memory that outlives `'a`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    start: *const u8,
    length: usize,
    lent: PhantomData<&'a [u8]>,
}

// SAFETY: the kernel alone follows the address, and no thread is special to it.
unsafe impl Send for Span<'_> {}
// SAFETY: as above: two threads that hand one address to the kernel make system calls, not references.
unsafe impl Sync for Span<'_> {}

impl<'a> From<&'a [u8]> for Span<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { start: bytes.as_ptr(), length: bytes.len(), lent: PhantomData }
    }
}

impl Span<'_> {
    /// # Safety
    ///
    /// `length` bytes from `start` on stay readable for as long as the span is used.
    pub unsafe fn new(start: *const u8, length: usize) -> Self {
        Self { start, length, lent: PhantomData }
    }

    pub fn len(self) -> usize {
        self.length
    }

    pub fn as_ptr(self) -> *const u8 {
        self.start
    }

    /// From this byte on, at most `most` bytes; empty behind the end.
    pub fn part(self, at: u64, most: u64) -> Self {
        let skipped = usize::try_from(at).unwrap_or(usize::MAX).min(self.length);
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.length - skipped);
        // The sum stays inside the memory, or one past its end.
        Self { start: self.start.wrapping_add(skipped), length, lent: PhantomData }
    }
}

/// Writable memory that outlives `'a`, and to which no other reference of Rust's is used meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanMut<'a>(Span<'a>);

impl<'a> From<&'a mut [u8]> for SpanMut<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        Self(Span { start: bytes.as_mut_ptr(), length: bytes.len(), lent: PhantomData })
    }
}

impl<'a> SpanMut<'a> {
    /// # Safety
    ///
    /// `length` bytes from `start` on stay writable for as long as the span is used, and Rust has no reference to them.
    pub unsafe fn new(start: *mut u8, length: usize) -> Self {
        Self(Span { start, length, lent: PhantomData })
    }

    pub fn len(self) -> usize {
        self.0.length
    }

    pub fn as_mut_ptr(self) -> *mut u8 {
        self.0.start.cast_mut()
    }

    /// See [`Span::part`].
    pub fn part(self, at: u64, most: u64) -> Self {
        Self(self.0.part(at, most))
    }

    /// The same memory to be read.
    pub fn as_span(self) -> Span<'a> {
        self.0
    }

    /// Lends the memory to another thread for as long as `work` takes, and waits until that has let go of it.
    pub fn lend<T>(self, work: impl FnOnce(Lent) -> T) -> T {
        /// Dropped, also by a panic of `work`, it has waited.
        struct Returned(Receiver<()>);
        impl Drop for Returned {
            fn drop(&mut self) {
                // Nothing is ever sent: an error, when the other half is dropped with the `Lent`.
                let _ = self.0.recv();
            }
        }
        let (until, returned) = channel();
        let _returned = Returned(returned);
        let span = Span { start: self.0.start, length: self.0.length, lent: PhantomData };
        work(Lent { span: SpanMut(span), _until: until })
    }
}

/// Memory that another thread may fill until it drops this; see [`SpanMut::lend`].
#[derive(Debug)]
pub(crate) struct Lent {
    span: SpanMut<'static>,
    _until: Sender<()>,
}

impl Lent {
    pub fn span(&self) -> SpanMut<'_> {
        self.span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_inside() {
        let span = Span::from(&b"0123456789"[..]);
        for (at, most, expected) in
            [(0, u64::MAX, "0123456789"), (3, 4, "3456"), (8, 4, "89"), (10, 1, ""), (u64::MAX, u64::MAX, "")]
        {
            let part = span.part(at, most);
            let skipped = part.as_ptr() as usize - span.as_ptr() as usize;
            assert_eq!(&b"0123456789"[skipped..skipped + part.len()], expected.as_bytes());
        }
    }

    #[test]
    fn what_is_lent_has_been_given_back_even_after_a_panic() {
        for panics in [false, true] {
            let mut memory = [0; 100];
            let (started, has_started) = channel();
            let lending = std::panic::AssertUnwindSafe(|| {
                SpanMut::from(&mut memory[..]).lend(|lent| {
                    std::thread::spawn(move || {
                        started.send(()).unwrap();
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        // SAFETY: writable for as long as it is lent.
                        unsafe { lent.span().as_mut_ptr().write_bytes(7, lent.span().len()) };
                    });
                    has_started.recv().unwrap();
                    assert!(!panics, "on purpose");
                });
            });
            assert_eq!(std::panic::catch_unwind(lending).is_err(), panics);
            assert_eq!(memory, [7; 100]);
        }
    }
}
