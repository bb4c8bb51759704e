//! Batches: many files to sockets, pipes or files, all ends of one kind held for the whole of it.
//!
//! The batch itself, with its ring, is kept by a number as [`crate::running`] keeps a transfer.

use std::ops::ControlFlow;
use std::os::fd::AsFd;

use jni::Env;
use jni::objects::{JLongArray, JObjectArray};
use jni::sys::{jboolean, jlong};
use zcio::batch::End;
use zcio::{Batch, Item, Visibility};

use crate::awake::Waiting;
use crate::descriptors::{Descriptor, Given};
use crate::errors::Failure;
use crate::natives::LongPredicate;
use crate::packed::{longs, packed};
use crate::send_timeout::SendTimeout;
use crate::upcalls::look;

/// The bridge to the native code's batches. Not an API.
pub(crate) enum NativeBatch {}

impl NativeBatch {
    /// Makes what batches need and gives back a handle.
    pub fn make(snapshot: jboolean) -> jlong {
        let visibility = if snapshot { Visibility::Snapshot } else { Visibility::Aliased };
        Box::into_raw(Box::new(Batch::new().visibility(visibility))) as jlong
    }

    /// Runs a batch.
    ///
    /// @param ends  each end once, as {@link PackedEnds#object} gives it
    /// @param kinds what they are
    /// @param items for each item the places of its source and its sink among the ends, its offset and its count; a negative
    ///              count for all
    #[allow(unsafe_code)]
    pub fn run<'local>(
        env: &mut Env<'local>,
        handle: jlong,
        ends: &JObjectArray<'local>,
        kinds: &JLongArray<'local>,
        items: &JLongArray<'local>,
        watch: &LongPredicate<'local>,
    ) -> Result<JObjectArray<'local>, Failure> {
        // SAFETY: the Java side gives only numbers made by `make` and not yet freed, each to one thread at a time.
        let batch = unsafe { &mut *(handle as *mut Batch) };
        let mut found = Vec::new();
        for (index, kind) in longs(env, kinds)?.into_iter().enumerate() {
            let object = ends.get_element(env, index)?;
            found.push(Descriptor::of(env, &Given::of_kind(&object, kind), Waiting::InPoll)?);
            env.delete_local_ref(object);
        }
        let end = |place: jlong| match &found[place as usize] {
            Descriptor::Path(path) => End::Path(path),
            Descriptor::NewPath(path) => End::New(path),
            Descriptor::Registered(end) => End::Descriptor(end.descriptor().expect("it is no memory")),
            Descriptor::Duplicate(fd) => End::Descriptor(fd.as_fd()),
            Descriptor::Memory(..) => unreachable!("a batch takes no memory"),
        };
        // A large item is a transfer of its own, which may wait for a socket in blocking mode.
        let mut send_timeout = Vec::new();
        for descriptor in &found {
            if let Descriptor::Duplicate(fd) = descriptor {
                send_timeout.extend(SendTimeout::limit(&zcio::Endpoint::new(fd.as_fd())?, None));
            }
        }
        let numbers = longs(env, items)?;
        let items = numbers.chunks_exact(4).map(|item| {
            let (item, count) = (Item::new(end(item[0]), end(item[1])).offset(item[2] as u64), item[3]);
            u64::try_from(count).map_or(item, |count| item.count(count))
        });
        let mut trouble = None;
        let report =
            batch.run_watched(&items.collect::<Vec<_>>(), |progress| match look(env, watch, progress.items as u64) {
                Ok(false) => ControlFlow::Continue(()),
                Ok(true) => ControlFlow::Break(()),
                Err(error) => {
                    trouble = Some(error);
                    ControlFlow::Break(())
                }
            });
        drop(send_timeout);
        match trouble {
            Some(error) => Err(error.into()),
            None => Ok(packed(env, &report)?),
        }
    }

    /// Must be the last call with this handle.
    #[allow(unsafe_code)]
    pub fn free(handle: jlong) {
        // SAFETY: as in `run`, and the Java side gives the number to nobody after this.
        drop(unsafe { Box::from_raw(handle as *mut Batch) });
    }
}
