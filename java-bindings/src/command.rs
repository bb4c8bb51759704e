//! The native half of `io.zcio.NativeCommand`: the `zcio` command inside a JVM.
//!
//! The command reads and writes the descriptors 0, 1 and 2 themselves, past `System.out`, and takes SIGINT, SIGTERM and
//! SIGHUP from the JVM while it runs: Ctrl-C then ends the command, with its own clean-up and exit code, not the JVM.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use jni::objects::{JClass, JObjectArray, JString};
use jni::sys::jint;
use jni::{Env, NativeMethod};

use crate::errors::Failure;
use crate::natives::native;

fn run<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    arguments: JObjectArray<'local, JString<'local>>,
) -> Result<jint, Failure> {
    let mut words = Vec::new();
    for index in 0..arguments.len(env)? {
        words.push(arguments.get_element(env, index)?.try_to_string(env)?);
    }
    Ok(zcio::cli::main(as_typed(words)).into())
}

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

/// What `NativeCommand` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[native!(fn run(arguments: [java.lang.String]) -> int)];
