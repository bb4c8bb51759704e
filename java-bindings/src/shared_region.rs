//! Memory shared between processes: what the class `io.zcio.NativeShared` declares.
//!
//! A socket is duplicated for the call ([`Descriptor`]) and waited for at most a tenth of a second; the Java side asks again
//! until it is ready, and looks in between whether its thread was interrupted or the channel closed.

use std::os::fd::{AsFd, OwnedFd};

use jni::Env;
use jni::objects::JLongArray;
use jni::sys::{jboolean, jint, jlong};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zcio::SharedRegion;
use zcio::region::{Peer, Seals};

use crate::awake::Waiting;
use crate::descriptors::Descriptor;
use crate::errors::Failure;
use crate::handle;
use crate::natives::SocketChannel;
use crate::region::{Held, give};

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
fn ready(
    env: &mut Env<'_>,
    channel: &SocketChannel<'_>,
    peer: Peer,
    events: PollFlags,
) -> Result<Option<OwnedFd>, Failure> {
    let Descriptor::Duplicate(socket) = Descriptor::of_socket(env, channel, Waiting::InPoll)? else {
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

fn would_wait(error: &zcio::Error) -> bool {
    error.errno() == Some(Errno::EAGAIN as i32)
}

/// The bridge to the native code of shared regions; handles and facts as in {@link NativeRegion}. Not an API.
pub(crate) enum NativeShared {}

impl NativeShared {
    pub fn create(env: &mut Env<'_>, length: jlong, facts: &JLongArray<'_>) -> Result<jlong, Failure> {
        let shared = SharedRegion::create(length as u64).map_err(Failure::region)?;
        give(env, Held::Shared(shared), facts)
    }

    /// Waits at most 100 ms; false if the socket was not ready.
    pub fn send(
        env: &mut Env<'_>,
        region: jlong,
        channel: &SocketChannel<'_>,
        peer: jint,
        number: jint,
    ) -> Result<jboolean, Failure> {
        let peer = peer_of(peer, number);
        let Some(socket) = ready(env, channel, peer, PollFlags::POLLOUT)? else { return Ok(false) };
        match with(region, |shared| shared.send(socket.as_fd(), peer)) {
            Err(Failure::Region(trouble)) if would_wait(&trouble.error) => Ok(false),
            sent => sent.map(|()| true),
        }
    }

    /// Waits at most 100 ms; 0 if nothing came.
    pub fn receive(
        env: &mut Env<'_>,
        channel: &SocketChannel<'_>,
        peer: jint,
        number: jint,
        seals: jint,
        facts: &JLongArray<'_>,
    ) -> Result<jlong, Failure> {
        let peer = peer_of(peer, number);
        let Some(socket) = ready(env, channel, peer, PollFlags::POLLIN)? else { return Ok(0) };
        match SharedRegion::receive(socket.as_fd(), peer, seals_of(seals)) {
            Err(error) if would_wait(&error) => Ok(0),
            received => give(env, Held::Shared(received.map_err(Failure::region)?), facts),
        }
    }

    /// {@code seals}: one bit for each {@link Seal}.
    pub fn seal(region: jlong, seals: jint) -> Result<(), Failure> {
        with(region, |shared| shared.seal(seals_of(seals)))
    }

    pub fn seals(region: jlong) -> Result<jint, Failure> {
        let set = with(region, SharedRegion::seals)?;
        let bits = SEALS.iter().enumerate().filter(|(_, seal)| set.contains(**seal));
        Ok(bits.fold(0, |bits, (index, _)| bits | 1 << index))
    }

    pub fn grow(region: jlong, length: jlong) -> Result<(), Failure> {
        with(region, |shared| shared.grow(length as u64))
    }

    pub fn refresh(region: jlong) -> Result<(), Failure> {
        with(region, SharedRegion::refresh)
    }
}
