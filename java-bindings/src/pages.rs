//! Java objects over a view's addresses: what `io.zcio.RegionPages` makes its loads and stores with.
//!
//! The JDK's own `MappedByteBuffer` is made by the function that `FileChannel.map` uses (`sun.nio.ch.Util`), so that `force`,
//! `load` and `isLoaded` work; where that function is missing, a plain direct buffer by JNI's own, whose `force` does nothing.
//! Neither has a cleaner of its own: `RegionPages` knows when the last one is gone. A `MemorySegment` of an arena is made from
//! the buffer's own mapping in the same way; without it, `RegionPages` uses the public API.
//!
//! The region's own loads and stores need none of that, and use the plain ones, which are made in a tenth of the time.

use jni::objects::{JClass, JObject, JValue};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned, jni_sig, jni_str};

use crate::errors::{Failure, Throw};
use crate::region::native;

native! {
    /// `static native ByteBuffer buffer(long address, int length, boolean readOnly)`. A read-only one is only promised where
    /// it is a mapped one; the Java side makes sure.
    fn Java_io_zcio_NativeRegion_buffer(
        env, address: jlong, length: jint, read_only: jboolean
    ) -> JObject<'local> {
        mapped(env, address, length, read_only).or_else(|_| {
            env.exception_clear();
            plain(env, address, length)
        })
    }
}

/// `Util.newMappedByteBuffer(int size, long address, FileDescriptor fd, Runnable unmapper, boolean isSync)`. The descriptor is
/// the sign of being mapped, and is never used on Linux: as in `FileChannel.map`, it is an invalid one.
fn mapped<'local>(
    env: &mut Env<'local>,
    address: jlong,
    length: jint,
    read_only: jboolean,
) -> Result<JObject<'local>, Failure> {
    let name = if read_only { jni_str!("newMappedByteBufferR") } else { jni_str!("newMappedByteBuffer") };
    let descriptor = env.new_object(jni_str!("java/io/FileDescriptor"), jni_sig!(() -> void), &[])?;
    let arguments = [
        JValue::Int(length),
        JValue::Long(address),
        JValue::Object(&descriptor),
        JValue::Object(&JObject::null()),
        JValue::Bool(false),
    ];
    let signature =
        jni_sig!((int, long, java.io.FileDescriptor, java.lang.Runnable, boolean) -> java.nio.MappedByteBuffer);
    Ok(env.call_static_method(jni_str!("sun/nio/ch/Util"), name, signature, &arguments)?.into_object()?)
}

/// `NewDirectByteBuffer`
#[allow(unsafe_code)]
fn plain<'local>(env: &mut Env<'local>, address: jlong, length: jint) -> Result<JObject<'local>, Failure> {
    // SAFETY: inside a view, which Java keeps until the buffer is unreachable.
    Ok(unsafe { env.new_direct_byte_buffer(address as *mut u8, length as usize) }?.into())
}

native! {
    /// `static native ByteBuffer window(long address, int length)`: a plain direct buffer, which can be written to.
    fn Java_io_zcio_NativeRegion_window(env, address: jlong, length: jint) -> JObject<'local> {
        plain(env, address, length)
    }
}

native! {
    /// `static native Object segment(Buffer mapped, long address, long length, boolean readOnly, Object scope)`:
    /// `jdk.internal.foreign.MappedMemorySegmentImpl` over all of a view, or null where there is none such.
    fn Java_io_zcio_NativeRegion_segment(
        env, mapped: JObject<'local>, address: jlong, length: jlong, read_only: jboolean, scope: JObject<'local>
    ) -> JObject<'local> {
        segment(env, &mapped, address, length, read_only, &scope).or_else(|_| {
            env.exception_clear();
            Ok(JObject::null())
        })
    }
}

fn segment<'local>(
    env: &mut Env<'local>,
    mapped: &JObject<'local>,
    address: jlong,
    length: jlong,
    read_only: jboolean,
    scope: &JObject<'local>,
) -> Result<JObject<'local>, Failure> {
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
    Ok(env.new_object(jni_str!("jdk/internal/foreign/MappedMemorySegmentImpl"), signature, &arguments)?)
}
