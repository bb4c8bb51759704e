//! Copies of files, from path to path, and what the page cache holds of a file.

use std::ops::ControlFlow;

use jni::Env;
use jni::objects::{JLongArray, JObject, JObjectArray};
use jni::sys::jlong;
use zcio::copy::Copy;

use crate::awake::Waiting;
use crate::descriptors::{Descriptor, Given};
use crate::errors::Failure;
use crate::generated::options::CopyOptions;
use crate::natives::LongPredicate;
use crate::packed::{Packed, packed};
use crate::transfer::named;
use crate::upcalls::look;

/// The bridge to the native code's copies of files. Not an API.
pub(crate) enum NativeCopy {}

impl NativeCopy {
    /// Copies a file.
    ///
    /// @param source      what {@link PackedEnds#object} gives
    /// @param destination what {@link PackedEnds#object} gives
    /// @param call        numbers of the source, of the destination, and of the options
    pub fn run<'local>(
        env: &mut Env<'local>,
        source: &JObject<'local>,
        destination: &JObject<'local>,
        call: &JLongArray<'local>,
        watch: &LongPredicate<'local>,
    ) -> Result<JObjectArray<'local>, Failure> {
        let mut numbers = Packed::of(env, call)?;
        let ends = [Given::new(source, &mut numbers), Given::new(destination, &mut numbers)];
        let [Some(from), Some(to)] = [ends[0].path(env)?, ends[1].path(env)?] else {
            unreachable!("the Java side takes paths only")
        };
        let copy = CopyOptions::read(&mut numbers).apply(Copy::new(from, to));
        let mut trouble = None;
        let result = copy.run_watched(|moved| match look(env, watch, moved) {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(error) => {
                trouble = Some(error);
                ControlFlow::Break(())
            }
        });
        match (trouble, result) {
            (Some(error), _) => Err(error.into()),
            (None, Ok(report)) => Ok(packed(env, &report)?),
            (None, Err(error)) => Err(Failure::Transfer(named(env, error, &ends[0], &ends[1])?)),
        }
    }

    /// What is in the page cache of a file: {@link FileResidency}. Of what {@link PackedEnds#object} gives, and the number of its kind.
    pub fn residency<'local>(
        env: &mut Env<'local>,
        file: &JObject<'local>,
        kind: jlong,
        offset: jlong,
        length: jlong,
    ) -> Result<JObjectArray<'local>, Failure> {
        let given = Given::of_kind(file, kind);
        let descriptor = Descriptor::of(env, &given, Waiting::InPoll)?;
        let answer = descriptor.source().and_then(|opened| {
            let fd = opened.endpoint.descriptor().expect("a file has a descriptor");
            zcio::residency(fd, offset as u64, length as u64)
        });
        match answer {
            Ok(residency) => Ok(packed(env, &residency)?),
            Err(error) => Err(Failure::about(error, given.name(env)?)),
        }
    }
}
