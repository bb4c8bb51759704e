//! The native half of `io.zcio`: what its classes `Native…` declare, and nothing else.
//!
//! This bridge is not an API. Only the Java classes of the same version call it. A call borrows the channels it was given,
//! moves bytes with the core, and gives back a report or throws; what is moved step by step is kept by a number. The Java
//! side decides everything that is Java's (when a thread counts as interrupted, what is closed then); the core decides
//! everything about moving bytes; here one is only told what the other said.
//!
//! What Java calls are the functions of the types `Native…`, each named after its class. The classes and what binds the functions
//! are generated from them (`cargo run -p zcio-generate`).
//!
//! A panic never crosses into the JVM: every native method is bound by `natives::native`, which catches it, and
//! `errors::Throw` turns it into an `IllegalStateException`.

#![deny(unsafe_code)]
// The documentation of native methods is Javadoc.
#![allow(clippy::doc_markdown)]

mod awake;
mod batch;
mod channel;
mod command;
mod copy;
mod descriptors;
mod errors;
mod fanout;
mod generated;
mod handle;
mod internals;
mod jdk_channels;
mod ktls;
mod lesson;
mod natives;
mod packed;
mod pages;
mod poller;
mod ranges;
mod reads;
mod region;
mod relay;
mod running;
mod send_timeout;
mod shared_region;
mod transfer;
mod upcalls;

use jni::Env;
use jni::objects::{JByteBuffer, JString};
use jni::sys::jlong;

/// The bridge to what all operations share. Not an API.
pub(crate) enum Native {}

impl Native {
    /// Where a direct buffer's memory begins; 0 if it is none.
    pub fn address(env: &mut Env<'_>, buffer: &JByteBuffer<'_>) -> jlong {
        env.get_direct_buffer_address(buffer).map_or(0, |address| address as jlong)
    }

    /// Panics inside the native code, for the test that this ends in an exception.
    pub fn panic(env: &mut Env<'_>, message: &JString<'_>) -> jni::errors::Result<()> {
        panic!("{}", message.try_to_string(env)?)
    }
}
