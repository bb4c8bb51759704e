//! epoll(7) for virtual threads: one platform thread of the Java side (`io.zcio.Poller`) waits for the descriptors of all
//! that are parked.

use std::os::fd::{BorrowedFd, IntoRawFd};

use jni::objects::{JClass, JLongArray};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, NativeMethod};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::errors::Failure;
use crate::natives::native;

/// The most events taken at once.
const EVENTS: usize = 256;

/// The poller's epoll instance by its number.
#[allow(unsafe_code)]
fn epoll(number: jint) -> std::mem::ManuallyDrop<Epoll> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // SAFETY: the number comes from `create`, which gave its descriptor away, and `close` is the last to be called with it.
    std::mem::ManuallyDrop::new(Epoll(unsafe { OwnedFd::from_raw_fd(number) }))
}

fn create<'local>(_env: &mut Env<'local>, _class: JClass<'local>) -> Result<jint, Failure> {
    let made = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
    made.map(|epoll| epoll.0.into_raw_fd()).map_err(|errno| Failure::Descriptor(errno.into()))
}

fn close<'local>(_env: &mut Env<'local>, _class: JClass<'local>, number: jint) -> Result<(), Failure> {
    drop(std::mem::ManuallyDrop::into_inner(epoll(number)));
    Ok(())
}

/// `static native boolean add(int epoll, int fd, int events, long token)`: one event is reported, then none until it is
/// added again. False for what cannot be waited for.
#[allow(unsafe_code)]
fn add<'local>(
    _env: &mut Env<'local>,
    _class: JClass<'local>,
    number: jint,
    fd: jint,
    events: jint,
    token: jlong,
) -> Result<jboolean, Failure> {
    // The events of poll(2) have the same bits.
    let flags = EpollFlags::from_bits_truncate(events) | EpollFlags::EPOLLONESHOT;
    // SAFETY: a descriptor of what the calling thread has under way, which it keeps until it has removed it.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(epoll(number).add(fd, EpollEvent::new(flags, token as u64)).is_ok())
}

#[allow(unsafe_code)]
fn remove<'local>(_env: &mut Env<'local>, _class: JClass<'local>, number: jint, fd: jint) -> Result<(), Failure> {
    // SAFETY: as in `add`.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    // What was not added is not there.
    let _ = epoll(number).delete(fd);
    Ok(())
}

/// `static native int waitFor(int epoll, int milliseconds, long[] tokens)`: how many tokens were put into the array.
fn wait_for<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    number: jint,
    milliseconds: jint,
    tokens: JLongArray<'local>,
) -> Result<jint, Failure> {
    let mut events = [EpollEvent::empty(); EVENTS];
    let room = EVENTS.min(tokens.len(env)?);
    let timeout = EpollTimeout::from(milliseconds.clamp(0, 1000) as u16);
    // A signal is an answer without events.
    let count = epoll(number).wait(&mut events[..room], timeout).unwrap_or(0);
    let found: Vec<jlong> = events[..count].iter().map(|event| event.data() as jlong).collect();
    tokens.set_region(env, 0, &found)?;
    Ok(count as jint)
}

/// What `NativePoller` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(fn create() -> int),
    native!(fn close(epoll: int) -> void),
    native!(fn add(epoll: int, fd: int, events: int, token: long) -> boolean),
    native!(fn remove(epoll: int, fd: int) -> void),
    native!(fn wait_for(epoll: int, milliseconds: int, tokens: [long]) -> int),
];
