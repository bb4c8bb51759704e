//! epoll(7) for virtual threads: one platform thread of the Java side (`io.zcio.Poller`) waits for the descriptors of all
//! that are parked.

use std::os::fd::{BorrowedFd, IntoRawFd};

use jni::Env;
use jni::objects::JLongArray;
use jni::sys::{jboolean, jint, jlong};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::errors::Failure;

/// The most events taken at once.
const EVENTS: usize = 256;

/// The poller's epoll instance by its number.
#[allow(unsafe_code)]
fn epoll(number: jint) -> std::mem::ManuallyDrop<Epoll> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // SAFETY: the number comes from `create`, which gave its descriptor away, and `close` is the last to be called with it.
    std::mem::ManuallyDrop::new(Epoll(unsafe { OwnedFd::from_raw_fd(number) }))
}

/// The bridge to epoll(7). Not an API; see {@link Poller}.
pub(crate) enum NativePoller {}

impl NativePoller {
    /// An epoll instance.
    pub fn create() -> Result<jint, Failure> {
        let made = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        made.map(|epoll| epoll.0.into_raw_fd()).map_err(|errno| Failure::Io(errno.into()))
    }

    /// Must be the last call with it.
    pub fn close(number: jint) {
        drop(std::mem::ManuallyDrop::into_inner(epoll(number)));
    }

    /// One event of a descriptor will be reported with this token; false if it cannot be waited for.
    #[allow(unsafe_code)]
    pub fn add(number: jint, fd: jint, events: jint, token: jlong) -> jboolean {
        // The events of poll(2) have the same bits.
        let flags = EpollFlags::from_bits_truncate(events) | EpollFlags::EPOLLONESHOT;
        // SAFETY: a descriptor of what the calling thread has under way, which it keeps until it has removed it.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        epoll(number).add(fd, EpollEvent::new(flags, token as u64)).is_ok()
    }

    /// Forgets a descriptor, which must still be open.
    #[allow(unsafe_code)]
    pub fn remove(number: jint, fd: jint) {
        // SAFETY: as in `add`.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        // What was not added is not there.
        let _ = epoll(number).delete(fd);
    }

    /// Waits for events and puts their tokens into the array; gives back how many.
    pub fn wait_for(
        env: &mut Env<'_>,
        number: jint,
        milliseconds: jint,
        tokens: &JLongArray<'_>,
    ) -> jni::errors::Result<jint> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let room = EVENTS.min(tokens.len(env)?);
        let timeout = EpollTimeout::from(milliseconds.clamp(0, 1000) as u16);
        // A signal is an answer without events.
        let count = epoll(number).wait(&mut events[..room], timeout).unwrap_or(0);
        let found: Vec<jlong> = events[..count].iter().map(|event| event.data() as jlong).collect();
        tokens.set_region(env, 0, &found)?;
        Ok(count as jint)
    }
}
