//! Java objects over a view's addresses: what `io.zcio.RegionPages` makes its loads and stores with.
//!
//! The JDK's own `MappedByteBuffer` is made by the function that `FileChannel.map` uses (`sun.nio.ch.Util`), so that `force`,
//! `load` and `isLoaded` work; where that function is missing, a plain direct buffer by JNI's own, whose `force` does nothing.
//! Neither has a cleaner of its own: `RegionPages` knows when the last one is gone. A `MemorySegment` of an arena is made from
//! the buffer's own mapping in the same way; without it, `RegionPages` uses the public API.
//!
//! The region's own loads and stores need none of that, and use the plain ones, which are made in a tenth of the time.

use jni::errors::Result;
use jni::objects::{JByteBuffer, JObject, JValue};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, jni_sig, jni_str};

use crate::natives::MappedByteBuffer;
use crate::region::NativeRegion;

/// `Util.newMappedByteBuffer(int size, long address, FileDescriptor fd, Runnable unmapper, boolean isSync)`. The descriptor is
/// the sign of being mapped, and is never used on Linux: as in `FileChannel.map`, it is an invalid one.
fn mapped<'local>(env: &mut Env<'local>, address: jlong, length: jint, read_only: jboolean) -> Result<JObject<'local>> {
    let name = if read_only { jni_str!("newMappedByteBufferR") } else { jni_str!("newMappedByteBuffer") };
    let class = env.find_class(jni_str!("java/io/FileDescriptor"))?;
    let descriptor = env.new_object(&class, jni_sig!(() -> void), &[])?;
    let arguments = [
        JValue::Int(length),
        JValue::Long(address),
        JValue::Object(&descriptor),
        JValue::Object(&JObject::null()),
        JValue::Bool(false),
    ];
    let signature =
        jni_sig!((int, long, java.io.FileDescriptor, java.lang.Runnable, boolean) -> java.nio.MappedByteBuffer);
    let class = env.find_class(jni_str!("sun/nio/ch/Util"))?;
    env.call_static_method(&class, name, signature, &arguments)?.into_object()
}

/// `NewDirectByteBuffer`
#[allow(unsafe_code)]
fn plain<'local>(env: &mut Env<'local>, address: jlong, length: jint) -> Result<JByteBuffer<'local>> {
    // SAFETY: inside a view, which Java keeps until the buffer is unreachable.
    unsafe { env.new_direct_byte_buffer(address as *mut u8, length as usize) }
}

fn mapped_segment<'local>(
    env: &mut Env<'local>,
    mapped: &JObject<'local>,
    address: jlong,
    length: jlong,
    read_only: jboolean,
    scope: &JObject<'local>,
) -> Result<JObject<'local>> {
    let unmapper = env
        .call_method(mapped, jni_str!("unmapper"), jni_sig!(() -> jdk.internal.access.foreign.UnmapperProxy), &[])?
        .into_object()?;
    let signature = jni_sig!(
        (long, jdk.internal.access.foreign.UnmapperProxy, long, boolean, jdk.internal.foreign.MemorySessionImpl) -> void
    );
    let arguments = [
        JValue::Long(address),
        JValue::Object(&unmapper),
        JValue::Long(length),
        JValue::Bool(read_only),
        JValue::Object(scope),
    ];
    let class = env.find_class(jni_str!("jdk/internal/foreign/MappedMemorySegmentImpl"))?;
    env.new_object(&class, signature, &arguments)
}

impl NativeRegion {
    /// A buffer without a cleaner that can be forced and loaded; read-only only if it can be made so at once.
    pub fn buffer<'local>(
        env: &mut Env<'local>,
        address: jlong,
        length: jint,
        read_only: jboolean,
    ) -> Result<MappedByteBuffer<'local>> {
        mapped(env, address, length, read_only).or_else(|_| {
            env.exception_clear();
            Ok(plain(env, address, length)?.into())
        })
    }

    /// A buffer for loads and stores alone; writable, whatever the view is.
    pub fn window<'local>(env: &mut Env<'local>, address: jlong, length: jint) -> Result<JByteBuffer<'local>> {
        plain(env, address, length)
    }

    /// A {@code MemorySegment} of a scope's arena whose force and load work, or null.
    pub fn segment<'local>(
        env: &mut Env<'local>,
        mapped: &MappedByteBuffer<'local>,
        address: jlong,
        length: jlong,
        read_only: jboolean,
        scope: &JObject<'local>,
    ) -> Result<JObject<'local>> {
        mapped_segment(env, mapped, address, length, read_only, scope).or_else(|_| {
            env.exception_clear();
            Ok(JObject::null())
        })
    }
}
