//! Relays: two sockets, duplicated.

use jni::Env;
use jni::objects::{JObject, JObjectArray};
use jni::sys::jlong;
use zcio::{Endpoint, Relay};

use crate::descriptors::{Descriptor, Waiting};
use crate::errors::Failure;
use crate::natives::SocketChannel;
use crate::packed::packed;
use crate::running::{Machine, Running};
use crate::transfer::number;

fn socket(env: &mut Env<'_>, channel: &SocketChannel<'_>, waiting: Waiting) -> Result<Endpoint<'static>, Failure> {
    Ok(Descriptor::of_socket(env, channel, waiting)?.source()?.endpoint)
}

/// The bridge to the native code's relays. Not an API.
pub(crate) enum NativeRelay {}

impl NativeRelay {
    /// Joins two sockets and moves nothing yet; gives back a handle.
    pub fn start(
        env: &mut Env<'_>,
        first: &SocketChannel<'_>,
        second: &SocketChannel<'_>,
        waiting: jlong,
    ) -> Result<jlong, Failure> {
        let waiting = Waiting::of(waiting);
        let (first, second) = (socket(env, first, waiting)?, socket(env, second, waiting)?);
        let ends = vec![number(&first), number(&second)];
        Ok(Running::new(Machine::Relay(Relay::new(first, second)), ends, false, None).into_handle())
    }

    /// What has happened so far.
    pub fn report<'local>(env: &mut Env<'local>, handle: jlong) -> jni::errors::Result<JObjectArray<'local>> {
        match &Running::of(handle).machine {
            Machine::Relay(relay) => packed(env, &relay.report()),
            Machine::Transfer(_) | Machine::FanOut(_) => Ok(JObjectArray::<JObject>::null()),
        }
    }
}
