//! Relays: two sockets, duplicated.

use jni::Env;
use jni::objects::{JObject, JObjectArray};
use jni::sys::{jboolean, jlong};
use zcio::{Direction, Endpoint, Relay};

use crate::awake::Waiting;
use crate::descriptors::Descriptor;
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
    /// Joins two sockets, of which one or both may give nothing, and moves nothing yet; gives back a handle.
    pub fn start(
        env: &mut Env<'_>,
        first: &SocketChannel<'_>,
        second: &SocketChannel<'_>,
        first_is_shut: jboolean,
        second_is_shut: jboolean,
        waiting: jlong,
    ) -> Result<jlong, Failure> {
        let waiting = Waiting::of(waiting);
        let (first, second) = (socket(env, first, waiting)?, socket(env, second, waiting)?);
        let ends = vec![number(&first), number(&second)];
        let mut relay = Relay::new(first, second);
        if first_is_shut {
            relay = relay.ended_before(Direction::Forward);
        }
        if second_is_shut {
            relay = relay.ended_before(Direction::Backward);
        }
        Ok(Running::new(Machine::Relay(relay), ends, false, None).into_handle())
    }

    /// What has happened so far.
    pub fn report<'local>(env: &mut Env<'local>, handle: jlong) -> jni::errors::Result<JObjectArray<'local>> {
        match &Running::of(handle).machine {
            Machine::Relay(relay) => packed(env, &relay.report()),
            Machine::Transfer(_) | Machine::FanOut(_) => Ok(JObjectArray::<JObject>::null()),
        }
    }
}
