//! The native half of `io.zcio.NativeCommand`: the `zcio` command inside a JVM.
//!
//! The command reads and writes the descriptors 0, 1 and 2 themselves, past `System.out`, and takes SIGINT, SIGTERM and
//! SIGHUP from the JVM while it runs: Ctrl-C then ends the command, with its own clean-up and exit code, not the JVM.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use jni::Env;
use jni::errors::Result;
use jni::objects::{JObjectArray, JString};
use jni::sys::jint;

/// The arguments as the shell gave them. A Java string cannot hold every path: what is no text in the JVM's own encoding
/// has become question marks by now. The process's command line still has the bytes, as its last words.
fn as_typed(words: Vec<String>) -> Vec<OsString> {
    if words.iter().all(|word| word.is_ascii()) {
        return words.into_iter().map(OsString::from).collect();
    }
    let line = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let line: Vec<_> = line.strip_suffix(b"\0").unwrap_or_default().split(|&byte| byte == 0).collect();
    let last = &line[line.len().saturating_sub(words.len())..];
    // Somebody else's program may call the command with words of its own.
    let same = |(word, bytes): (&String, &&[u8])| !word.is_ascii() || word.as_bytes() == *bytes;
    if last.len() == words.len() && words.iter().zip(last).all(same) {
        return last.iter().map(|bytes| OsString::from_vec(bytes.to_vec())).collect();
    }
    words.into_iter().map(OsString::from).collect()
}

/// The bridge to the native code's command. Not an API.
pub(crate) enum NativeCommand {}

impl NativeCommand {
    /// Runs the {@code zcio} command on the process's own standard streams and returns its exit code. SIGINT, SIGTERM and
    /// SIGHUP end the command while it runs.
    pub fn run(env: &mut Env<'_>, arguments: &JObjectArray<'_, JString<'_>>) -> Result<jint> {
        let mut words = Vec::new();
        for index in 0..arguments.len(env)? {
            words.push(arguments.get_element(env, index)?.try_to_string(env)?);
        }
        Ok(zcio::cli::main(as_typed(words)).into())
    }
}
