//! Fan-outs: a source, any number of sinks, and the report of each.

use jni::Env;
use jni::objects::{JLongArray, JObject, JObjectArray};
use jni::sys::jlong;
use zcio::FanOut;

use crate::awake::Waiting;
use crate::descriptors::{Descriptor, Given};
use crate::errors::Failure;
use crate::generated::options::FanOutOptions;
use crate::packed::{Packed, packed};
use crate::running::{Machine, Running};
use crate::transfer::number;

/// The bridge to the native code's fan-outs. Not an API.
pub(crate) enum NativeFanOut {}

impl NativeFanOut {
    /// Opens the ends and moves nothing yet.
    ///
    /// @param ends    the source, then the sinks, as {@link PackedEnds#object} gives them
    /// @param sinks   for each sink what it is, and where to begin in it; negative for its position
    /// @param call    numbers of the source and of the options
    /// @return a handle; 0 if a sink is a FIFO that nobody reads yet
    pub fn start<'local>(
        env: &mut Env<'local>,
        ends: &JObjectArray<'local>,
        sinks: &JLongArray<'local>,
        call: &JLongArray<'local>,
    ) -> Result<jlong, Failure> {
        let mut call = Packed::of(env, call)?;
        let object = ends.get_element(env, 0)?;
        let given = Given::new(&object, &mut call);
        let mut options = FanOutOptions::read(&mut call);
        if given.is_shut() {
            options.count = Some(0);
        }
        let waiting = Waiting::of(call.number());
        let opened = match Descriptor::of(env, &given, waiting)?.source() {
            Ok(opened) => opened,
            Err(error) => return Err(Failure::about(error, given.name(env)?)),
        };
        given.require_selectable(&opened.endpoint, waiting)?;
        let mut numbers = vec![number(&opened.endpoint)];
        let mut fan_out = options.apply(FanOut::new(opened.endpoint));
        let mut of_sinks = vec![0; sinks.len(env)?];
        sinks.get_region(env, 0, &mut of_sinks)?;
        for (index, sink) in of_sinks.chunks_exact(2).enumerate() {
            let object = ends.get_element(env, index + 1)?;
            let given = Given::of_kind(&object, sink[0]);
            let end = match Descriptor::of(env, &given, waiting)?.sink() {
                Ok(Some(end)) => end,
                Ok(None) => return Ok(0),
                Err(error) => return Err(Failure::about(error, given.name(env)?)),
            };
            given.require_selectable(&end, waiting)?;
            numbers.push(number(&end));
            fan_out = match u64::try_from(sink[1]) {
                Ok(offset) => fan_out.sink_at(end, offset),
                Err(_) => fan_out.sink(end),
            };
            env.delete_local_ref(object);
        }
        Ok(Running::new(Machine::FanOut(fan_out), numbers, opened.fifo, None).into_handle())
    }

    /// What has happened so far; null before the first step has begun to move.
    pub fn report<'local>(env: &mut Env<'local>, handle: jlong) -> jni::errors::Result<JObjectArray<'local>> {
        match &Running::of(handle).machine {
            Machine::FanOut(fan_out) => match fan_out.report() {
                Some(report) => packed(env, &report),
                None => Ok(JObjectArray::<JObject>::null()),
            },
            Machine::Transfer(_) | Machine::Relay(_) => Ok(JObjectArray::<JObject>::null()),
        }
    }
}
