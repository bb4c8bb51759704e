//! Regions: what the class `io.zcio.NativeRegion` declares.
//!
//! Every call is one operation of the core on a region that a handle names (see [`crate::handle`]). Bounds were checked on the
//! Java side, which knows its own exceptions for them. Loads and stores do not come here: they go through buffers over a
//! view's addresses ([`crate::pages`]).

use std::ffi::OsString;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;

use jni::objects::{JByteArray, JClass, JLongArray, JObjectArray, JString};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};
use zcio::region::{Populate, guard};
use zcio::{Access, Advice, Region, RegionOptions, SharedRegion, View};

use crate::errors::{Failure, Throw, Trouble};
use crate::handle;

/// What a region's handle names.
pub(crate) enum Held {
    /// Of a file, or anonymous.
    Own(Region),
    /// Shared with other processes.
    Shared(SharedRegion),
}

impl Held {
    pub fn region(&self) -> &Region {
        match self {
            Self::Own(region) => region,
            Self::Shared(shared) => shared.region(),
        }
    }
}

/// One entry point: a static native method of that name, under [`EnvUnowned::with_env`] and [`Throw`].
macro_rules! native {
    ($(#[$doc:meta])* fn $name:ident($env:ident $(, $argument:ident: $type:ty)*) -> $result:ty $body:block) => {
        $(#[$doc])*
        #[allow(unsafe_code)] // An exported name.
        #[unsafe(no_mangle)]
        pub extern "system" fn $name<'local>(
            mut env: EnvUnowned<'local>,
            _class: JClass<'local>,
            $($argument: $type),*
        ) -> $result {
            env.with_env(|$env| -> Result<$result, Failure> { $body }).resolve::<Throw>()
        }
    };
}
pub(crate) use native;

/// An operation of the core on the region of a handle.
fn with<T>(region: jlong, operation: impl FnOnce(&Region) -> zcio::error::Result<T>) -> Result<T, Failure> {
    operation(handle::borrow::<Held>(region).region()).map_err(Failure::region)
}

fn range(offset: jlong, length: jlong) -> Range<u64> {
    offset as u64..(offset + length) as u64
}

/// Hands a new region over: its handle, and what [`facts`] says of a view of it.
pub(crate) fn give(env: &mut Env<'_>, held: Held, into: &JLongArray<'_>) -> Result<jlong, Failure> {
    let view = held.region().view(..).map_err(Failure::region)?;
    let region = handle::give(held);
    match facts(env, view, into) {
        Ok(()) => Ok(region),
        Err(failure) => {
            handle::take::<Held>(region);
            Err(failure)
        }
    }
}

/// A view's handle, address, length, and 1 if it may be written to.
fn facts(env: &mut Env<'_>, view: View, into: &JLongArray<'_>) -> Result<(), Failure> {
    let of_view = [view.as_ptr() as jlong, view.len() as jlong, jlong::from(view.is_writable())];
    let view = handle::give(view);
    let written = into.set_region(env, 0, &[view, of_view[0], of_view[1], of_view[2]]);
    written.map_err(|error| {
        handle::take::<View>(view);
        error.into()
    })
}

/// A negative length stands for "to the end of the file".
fn options(access: jint, offset: jlong, length: jlong, room: jint) -> RegionOptions {
    let access = [Access::ReadOnly, Access::ReadWrite, Access::Private][access as usize];
    let options = with_room(RegionOptions::new().access(access).offset(offset as u64), room);
    u64::try_from(length).map_or_else(|_| options.clone(), |length| options.clone().length(length))
}

/// The number is one of the enum `io.zcio.Room`.
fn with_room(options: RegionOptions, room: jint) -> RegionOptions {
    [|options| options, RegionOptions::reserve, RegionOptions::no_reserve][room as usize](options)
}

native! {
    /// `static native long open(byte[] path, String name, int access, long offset, long length, int room, long[] facts)`
    fn Java_io_zcio_NativeRegion_open(
        env, path: JByteArray<'local>, name: JString<'local>, access: jint, offset: jlong, length: jlong,
        room: jint, facts: JLongArray<'local>
    ) -> jlong {
        let path = OsString::from_vec(env.convert_byte_array(&path)?);
        match options(access, offset, length, room).open(path) {
            Ok(region) => give(env, Held::Own(region), &facts),
            Err(error) => {
                let file = Some(name.try_to_string(env)?);
                Err(Failure::Region(Trouble { error, file, undelivered: Vec::new() }))
            }
        }
    }
}

native! {
    /// `static native long map(int descriptor, int access, long offset, long length, int room, long[] facts)`:
    /// not kept.
    #[allow(unsafe_code)]
    fn Java_io_zcio_NativeRegion_map(
        env, descriptor: jint, access: jint, offset: jlong, length: jlong, room: jint, facts: JLongArray<'local>
    ) -> jlong {
        if descriptor < 0 {
            return Err(Failure::Closed);
        }
        // SAFETY: the Java side has registered the thread with the channel, which does not close its descriptor meanwhile.
        let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let region = options(access, offset, length, room).map(file).map_err(Failure::region)?;
        give(env, Held::Own(region), &facts)
    }
}

native! {
    /// `static native long anonymous(long length, int room, long[] facts)`
    fn Java_io_zcio_NativeRegion_anonymous(env, length: jlong, room: jint, facts: JLongArray<'local>) -> jlong {
        let options = with_room(RegionOptions::new().length(length as u64), room);
        let region = options.anonymous().map_err(Failure::region)?;
        give(env, Held::Own(region), &facts)
    }
}

native! {
    /// `static native void close(long region, long claim)`: takes the view of that handle back first, unless it is 0.
    fn Java_io_zcio_NativeRegion_close(_env, region: jlong, claim: jlong) -> () {
        if claim != 0 {
            handle::take::<View>(claim);
        }
        with(region, Region::close)
    }
}

native! {
    /// `static native void drop(long region)`: takes the handle back.
    fn Java_io_zcio_NativeRegion_drop(_env, region: jlong) -> () {
        handle::take::<Held>(region);
        Ok(())
    }
}

native! {
    /// `static native void view(long region, long[] facts)`: a view of all of it.
    fn Java_io_zcio_NativeRegion_view(env, region: jlong, into: JLongArray<'local>) -> () {
        let view = with(region, |region| region.view(..))?;
        facts(env, view, &into)
    }
}

native! {
    /// `static native long cloneView(long view)`
    fn Java_io_zcio_NativeRegion_cloneView(_env, view: jlong) -> jlong {
        Ok(handle::give(handle::borrow::<View>(view).clone()))
    }
}

native! {
    /// `static native void dropView(long view)`: takes the handle back. With the last one the addresses are free.
    fn Java_io_zcio_NativeRegion_dropView(_env, view: jlong) -> () {
        handle::take::<View>(view);
        Ok(())
    }
}

native! {
    /// `static native void leaveViews(long region)`
    fn Java_io_zcio_NativeRegion_leaveViews(_env, region: jlong) -> () {
        with(region, Region::leave_views)
    }
}

native! {
    /// `static native void resize(long region, long length, boolean withFile)`
    fn Java_io_zcio_NativeRegion_resize(_env, region: jlong, length: jlong, with_file: jboolean) -> () {
        with(region, |region| {
            if with_file { region.resize_with_file(length as u64) } else { region.resize(length as u64) }
        })
    }
}

native! {
    /// `static native void check(long region)`
    fn Java_io_zcio_NativeRegion_check(_env, region: jlong) -> () {
        with(region, Region::check)
    }
}

native! {
    /// `static native void advise(long region, long offset, long length, String advice)`
    fn Java_io_zcio_NativeRegion_advise(
        env, region: jlong, offset: jlong, length: jlong, advice: JString<'local>
    ) -> () {
        let advice: Advice = advice.try_to_string(env)?.parse().map_err(Failure::region)?;
        with(region, |region| region.advise(range(offset, length), advice))
    }
}

native! {
    /// `static native void populate(long region, long offset, long length, boolean forWriting)`
    fn Java_io_zcio_NativeRegion_populate(
        _env, region: jlong, offset: jlong, length: jlong, for_writing: jboolean
    ) -> () {
        let purpose = if for_writing { Populate::Write } else { Populate::Read };
        with(region, |region| region.populate(range(offset, length), purpose))
    }
}

native! {
    /// `static native void lock(long region, long offset, long length, boolean onFault)`
    fn Java_io_zcio_NativeRegion_lock(_env, region: jlong, offset: jlong, length: jlong, on_fault: jboolean) -> () {
        let range = range(offset, length);
        with(region, |region| if on_fault { region.lock_on_fault(range) } else { region.lock(range) })
    }
}

native! {
    /// `static native void unlock(long region, long offset, long length)`
    fn Java_io_zcio_NativeRegion_unlock(_env, region: jlong, offset: jlong, length: jlong) -> () {
        with(region, |region| region.unlock(range(offset, length)))
    }
}

native! {
    /// `static native void flush(long region, long offset, long length, boolean wait)`
    fn Java_io_zcio_NativeRegion_flush(_env, region: jlong, offset: jlong, length: jlong, wait: jboolean) -> () {
        let range = range(offset, length);
        with(region, |region| if wait { region.flush(range) } else { region.flush_async(range) })
    }
}

native! {
    /// `static native long[] residency(long region, long offset, long length)`: page size, pages, pages present, bitmap.
    fn Java_io_zcio_NativeRegion_residency(
        env, region: jlong, offset: jlong, length: jlong
    ) -> JLongArray<'local> {
        let residency = with(region, |region| region.residency(range(offset, length)))?;
        let mut all = vec![residency.page_size as jlong, residency.total as jlong, residency.present as jlong];
        all.extend(residency.bitmap().iter().map(|&word| word as jlong));
        longs(env, &all)
    }
}

/// Bytes that pass through native memory at once in a checked copy.
const CHUNK: usize = 1 << 16;

native! {
    /// `static native void read(long region, long offset, byte[] into, int start, int count)`: a checked copy.
    fn Java_io_zcio_NativeRegion_read(
        env, region: jlong, offset: jlong, into: JByteArray<'local>, start: jint, count: jint
    ) -> () {
        let mut chunk = vec![0_u8; CHUNK.min(count as usize)];
        for done in (0..count as usize).step_by(CHUNK) {
            let part = &mut chunk[..CHUNK.min(count as usize - done)];
            with(region, |region| region.read_at(offset as u64 + done as u64, part))?;
            let signed: Vec<i8> = part.iter().map(|&byte| byte as i8).collect();
            into.set_region(env, start + done as jint, &signed)?;
        }
        Ok(())
    }
}

native! {
    /// `static native void write(long region, long offset, byte[] from, int start, int count)`: a checked copy.
    fn Java_io_zcio_NativeRegion_write(
        env, region: jlong, offset: jlong, from: JByteArray<'local>, start: jint, count: jint
    ) -> () {
        let mut chunk = vec![0_i8; CHUNK.min(count as usize)];
        for done in (0..count as usize).step_by(CHUNK) {
            let part = &mut chunk[..CHUNK.min(count as usize - done)];
            from.get_region(env, start + done as jint, part)?;
            let bytes: Vec<u8> = part.iter().map(|&byte| byte as u8).collect();
            with(region, |region| region.write_at(offset as u64 + done as u64, &bytes))?;
        }
        Ok(())
    }
}

native! {
    /// `static native void guard()`: installs the SIGBUS guard before the JVM's own handler.
    fn Java_io_zcio_NativeRegion_guard(_env) -> () {
        guard::install().map_err(Failure::region)
    }
}

native! {
    /// `static native String[] advice()`: the core's list, in its order.
    fn Java_io_zcio_NativeRegion_advice(env) -> JObjectArray<'local, JString<'local>> {
        let names = JObjectArray::<JString>::new(env, Advice::ALL.len(), JString::null())?;
        for (index, advice) in Advice::ALL.iter().enumerate() {
            let name = JString::from_str(env, advice.name())?;
            names.set_element(env, index, &name)?;
        }
        Ok(names)
    }
}

fn longs<'local>(env: &mut Env<'local>, values: &[jlong]) -> Result<JLongArray<'local>, Failure> {
    let array = env.new_long_array(values.len())?;
    array.set_region(env, 0, values)?;
    Ok(array)
}
