//! epoll(7) for virtual threads: one platform thread of the Java side (`io.zcio.Poller`) waits for the descriptors of all
//! that are parked.

use std::os::fd::{BorrowedFd, IntoRawFd};

use jni::EnvUnowned;
use jni::objects::{JClass, JLongArray};
use jni::sys::{jboolean, jint, jlong};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::errors::{Failure, Throw};

/// The most events taken at once.
const EVENTS: usize = 256;

/// The poller's epoll instance by its number.
#[allow(unsafe_code)]
fn epoll(number: jint) -> std::mem::ManuallyDrop<Epoll> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // SAFETY: the number comes from `create`, which gave its descriptor away for good; nothing closes it.
    std::mem::ManuallyDrop::new(Epoll(unsafe { OwnedFd::from_raw_fd(number) }))
}

/// `static native int create() throws IOException`
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_NativePoller_create<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
) -> jint {
    env.with_env(|_| -> Result<jint, Failure> {
        let made = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        made.map(|epoll| epoll.0.into_raw_fd()).map_err(|errno| Failure::Descriptor(errno.into()))
    })
    .resolve::<Throw>()
}

/// `static native boolean add(int epoll, int fd, int events, long token)`: one event is reported, then none until it is
/// added again. False for what cannot be waited for.
#[allow(unsafe_code)] // An exported name, and a number that is believed.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_NativePoller_add<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    number: jint,
    fd: jint,
    events: jint,
    token: jlong,
) -> jboolean {
    env.with_env(|_| -> Result<jboolean, Failure> {
        // The events of poll(2) have the same bits.
        let flags = EpollFlags::from_bits_truncate(events) | EpollFlags::EPOLLONESHOT;
        // SAFETY: a descriptor of what the calling thread has under way, which it keeps until it has removed it.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        Ok(epoll(number).add(fd, EpollEvent::new(flags, token as u64)).is_ok())
    })
    .resolve::<Throw>()
}

/// `static native void remove(int epoll, int fd)`
#[allow(unsafe_code)] // An exported name, and a number that is believed.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_NativePoller_remove<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    number: jint,
    fd: jint,
) {
    env.with_env(|_| -> Result<(), Failure> {
        // SAFETY: as in `add`.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        // What was not added is not there.
        let _ = epoll(number).delete(fd);
        Ok(())
    })
    .resolve::<Throw>();
}

/// `static native int await(int epoll, int milliseconds, long[] tokens)`: how many tokens were put into the array.
#[allow(unsafe_code)] // An exported name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_io_zcio_NativePoller_await<'local>(
    mut env: EnvUnowned<'local>,
    _class: JClass<'local>,
    number: jint,
    milliseconds: jint,
    tokens: JLongArray<'local>,
) -> jint {
    env.with_env(|env| -> Result<jint, Failure> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let room = EVENTS.min(tokens.len(env)?);
        let timeout = EpollTimeout::from(milliseconds.clamp(0, 1000) as u16);
        // A signal is an answer without events.
        let count = epoll(number).wait(&mut events[..room], timeout).unwrap_or(0);
        let found: Vec<jlong> = events[..count].iter().map(|event| event.data() as jlong).collect();
        tokens.set_region(env, 0, &found)?;
        Ok(count as jint)
    })
    .resolve::<Throw>()
}
