//! Taking part in the close protocol of `sun.nio.ch.FileChannelImpl`, so that its descriptor can be used as it is.
//!
//! The channel keeps the set of threads that are inside an operation (`threads`, a `NativeThreadSet`). `close()` first
//! marks the channel as closed, then signals these threads (EINTR) and waits until the set is empty, and only then closes
//! the descriptor. Between [`enter`] and [`leave`] the descriptor's number therefore means this file and no other.
//!
//! A duplicate of the descriptor would be simpler and is not possible: closing *any* descriptor of a file takes away the
//! POSIX locks that this process has on it (fcntl(2)), `FileLock`s of the caller included.
//!
//! The Java side calls [`leave`] in a `finally`, so that not even a panic can leave an entry behind, for which `close()`
//! would wait for ever.

use jni::Env;
use jni::objects::JObject;

use crate::errors::Failure;
use crate::jdk_channels;

/// Adds this thread to the channel's set; gives back its entry. [`Failure::Closed`] if the channel is closed.
pub(crate) fn enter(env: &mut Env<'_>, channel: &JObject<'_>) -> Result<i32, Failure> {
    let entry = jdk_channels::add_thread(env, channel)?;
    // In this order: a close that had not begun when we looked will find us in the set.
    if jdk_channels::is_open(env, channel)? {
        return Ok(entry);
    }
    leave(env, channel, entry)?;
    Err(Failure::Closed)
}

/// Takes this thread's entry out of the channel's set again.
pub(crate) fn leave(env: &mut Env<'_>, channel: &JObject<'_>, entry: i32) -> Result<(), Failure> {
    jdk_channels::remove_thread(env, channel, entry)
}
