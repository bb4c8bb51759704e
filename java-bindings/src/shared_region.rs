//! Memory shared between processes: what the class `io.zcio.NativeShared` declares.
//!
//! A socket is duplicated for the call ([`Descriptor`]) and waited for at most a tenth of a second; the Java side asks again
//! until it is ready, and looks in between whether its thread was interrupted or the channel closed.

use std::os::fd::{AsFd, OwnedFd};

use jni::objects::{JClass, JLongArray, JObject};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::SharedRegion;
use zcio::region::{Peer, Seals};

use crate::descriptors::Descriptor;
use crate::errors::{Failure, Throw};
use crate::handle;
use crate::region::{Held, give, native};

/// In the order of `io.zcio.Seal`.
const SEALS: [Seals; 5] = [Seals::SHRINK, Seals::GROW, Seals::WRITE, Seals::FUTURE_WRITE, Seals::SEAL];

fn seals_of(bits: jint) -> Seals {
    let chosen = SEALS.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
    chosen.fold(Seals::NONE, |set, (_, &seal)| set | seal)
}

/// In the order of `io.zcio.Peer.Kind`.
fn peer_of(kind: jint, number: jint) -> Peer {
    match kind {
        0 => Peer::SameUser,
        1 => Peer::User(number as u32),
        2 => Peer::Process(number),
        _ => Peer::Anyone,
    }
}

/// What only shared regions can do, on the one of a handle.
fn with<T>(region: jlong, operation: impl FnOnce(&SharedRegion) -> zcio::error::Result<T>) -> Result<T, Failure> {
    match handle::borrow::<Held>(region) {
        Held::Shared(shared) => operation(shared).map_err(Failure::region),
        Held::Own(_) => unreachable!("only SharedRegion calls this, with its own region"),
    }
}

/// The duplicate of an accepted peer's socket, once it is ready; `None` if it was not for 100 ms.
fn ready(env: &mut Env<'_>, channel: &JObject<'_>, peer: Peer, events: PollFlags) -> Result<Option<OwnedFd>, Failure> {
    let Descriptor::Duplicate(socket) = Descriptor::of_channel(env, channel)? else {
        return Err(Failure::Closed);
    };
    peer.check(socket.as_fd()).map_err(Failure::region)?;
    let mut polled = [PollFd::new(socket.as_fd(), events)];
    match poll(&mut polled, PollTimeout::from(100_u8)) {
        Ok(0) | Err(Errno::EINTR) => Ok(None),
        // Another trouble than waiting shows itself again in the operation.
        _ => Ok(Some(socket)),
    }
}

native! {
    /// `static native long create(long length, long[] facts)`
    fn Java_io_zcio_NativeShared_create(env, length: jlong, facts: JLongArray<'local>) -> jlong {
        let shared = SharedRegion::create(length as u64).map_err(Failure::region)?;
        give(env, Held::Shared(shared), &facts)
    }
}

native! {
    /// `static native boolean send(long region, SocketChannel channel, int peer, int number)`: false if it must be asked again.
    fn Java_io_zcio_NativeShared_send(
        env, region: jlong, channel: JObject<'local>, peer: jint, number: jint
    ) -> jboolean {
        let peer = peer_of(peer, number);
        let Some(socket) = ready(env, &channel, peer, PollFlags::POLLOUT)? else { return Ok(false) };
        match with(region, |shared| shared.send(socket.as_fd(), peer)) {
            Err(Failure::Region(trouble)) if would_wait(&trouble.error) => Ok(false),
            sent => sent.map(|()| true),
        }
    }
}

native! {
    /// `static native long receive(SocketChannel channel, int peer, int number, int seals, long[] facts)`: 0 if it must be
    /// asked again.
    fn Java_io_zcio_NativeShared_receive(
        env, channel: JObject<'local>, peer: jint, number: jint, seals: jint, facts: JLongArray<'local>
    ) -> jlong {
        let peer = peer_of(peer, number);
        let Some(socket) = ready(env, &channel, peer, PollFlags::POLLIN)? else { return Ok(0) };
        match SharedRegion::receive(socket.as_fd(), peer, seals_of(seals)) {
            Err(error) if would_wait(&error) => Ok(0),
            received => give(env, Held::Shared(received.map_err(Failure::region)?), &facts),
        }
    }
}

fn would_wait(error: &zcio::Error) -> bool {
    error.errno() == Some(Errno::EAGAIN as i32)
}

native! {
    /// `static native void seal(long region, int seals)`
    fn Java_io_zcio_NativeShared_seal(_env, region: jlong, seals: jint) -> () {
        with(region, |shared| shared.seal(seals_of(seals)))
    }
}

native! {
    /// `static native int seals(long region)`
    fn Java_io_zcio_NativeShared_seals(_env, region: jlong) -> jint {
        let set = with(region, SharedRegion::seals)?;
        let bits = SEALS.iter().enumerate().filter(|(_, seal)| set.contains(**seal));
        Ok(bits.fold(0, |bits, (index, _)| bits | 1 << index))
    }
}

native! {
    /// `static native void grow(long region, long length)`
    fn Java_io_zcio_NativeShared_grow(_env, region: jlong, length: jlong) -> () {
        with(region, |shared| shared.grow(length as u64))
    }
}

native! {
    /// `static native void refresh(long region)`
    fn Java_io_zcio_NativeShared_refresh(_env, region: jlong) -> () {
        with(region, SharedRegion::refresh)
    }
}
