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
use jni::{Env, NativeMethod};
use zcio::region::{Populate, guard};
use zcio::{Access, Advice, Region, RegionOptions, SharedRegion, View};

use crate::errors::{Failure, Trouble};
use crate::natives::native;
use crate::{handle, pages};

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

/// An operation of the core on the region of a handle.
fn with<T>(region: jlong, operation: impl FnOnce(&Region) -> zcio::Result<T>) -> Result<T, Failure> {
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

/// `static native long open(byte[] path, String name, int access, long offset, long length, int room, long[] facts)`
fn open<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    path: JByteArray<'local>,
    name: JString<'local>,
    access: jint,
    offset: jlong,
    length: jlong,
    room: jint,
    facts: JLongArray<'local>,
) -> Result<jlong, Failure> {
    let path = OsString::from_vec(env.convert_byte_array(&path)?);
    match options(access, offset, length, room).open(path) {
        Ok(region) => give(env, Held::Own(region), &facts),
        Err(error) => {
            let file = Some(name.try_to_string(env)?);
            Err(Failure::Region(Trouble { error, file, undelivered: Vec::new() }))
        }
    }
}

/// `static native long map(int descriptor, int access, long offset, long length, int room, long[] facts)`:
/// not kept.
#[allow(unsafe_code)]
fn map<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    descriptor: jint,
    access: jint,
    offset: jlong,
    length: jlong,
    room: jint,
    facts: JLongArray<'local>,
) -> Result<jlong, Failure> {
    if descriptor < 0 {
        return Err(Failure::Closed);
    }
    // SAFETY: the Java side has registered the thread with the channel, which does not close its descriptor meanwhile.
    let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let region = options(access, offset, length, room).map(file).map_err(Failure::region)?;
    give(env, Held::Own(region), &facts)
}

/// `static native long anonymous(long length, int room, long[] facts)`
fn anonymous<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    length: jlong,
    room: jint,
    facts: JLongArray<'local>,
) -> Result<jlong, Failure> {
    let options = with_room(RegionOptions::new().length(length as u64), room);
    let region = options.anonymous().map_err(Failure::region)?;
    give(env, Held::Own(region), &facts)
}

/// `static native void close(long region, long claim)`: takes the view of that handle back first, unless it is 0.
fn close<'local>(_env: &mut Env<'local>, _class: JClass<'local>, region: jlong, claim: jlong) -> Result<(), Failure> {
    if claim != 0 {
        handle::take::<View>(claim);
    }
    with(region, Region::close)
}

/// `static native void drop(long region)`: takes the handle back.
fn drop_region<'local>(_env: &mut Env<'local>, _class: JClass<'local>, region: jlong) -> Result<(), Failure> {
    handle::take::<Held>(region);
    Ok(())
}

/// `static native void view(long region, long[] facts)`: a view of all of it.
fn view<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    into: JLongArray<'local>,
) -> Result<(), Failure> {
    let view = with(region, |region| region.view(..))?;
    facts(env, view, &into)
}

/// `static native long cloneView(long view)`
fn clone_view<'local>(_env: &mut Env<'local>, _class: JClass<'local>, view: jlong) -> Result<jlong, Failure> {
    Ok(handle::give(handle::borrow::<View>(view).clone()))
}

/// `static native void dropView(long view)`: takes the handle back. With the last one the addresses are free.
fn drop_view<'local>(_env: &mut Env<'local>, _class: JClass<'local>, view: jlong) -> Result<(), Failure> {
    handle::take::<View>(view);
    Ok(())
}

/// `static native void leaveViews(long region)`
fn leave_views<'local>(_env: &mut Env<'local>, _class: JClass<'local>, region: jlong) -> Result<(), Failure> {
    with(region, Region::leave_views)
}

/// `static native void resize(long region, long length, boolean withFile)`
fn resize<'local>(
    _env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    length: jlong,
    with_file: jboolean,
) -> Result<(), Failure> {
    with(region, |region| if with_file { region.resize_with_file(length as u64) } else { region.resize(length as u64) })
}

/// `static native void check(long region)`
fn check<'local>(_env: &mut Env<'local>, _class: JClass<'local>, region: jlong) -> Result<(), Failure> {
    with(region, Region::check)
}

/// `static native void advise(long region, long offset, long length, String advice)`
fn advise<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    length: jlong,
    advice: JString<'local>,
) -> Result<(), Failure> {
    let advice: Advice = advice.try_to_string(env)?.parse().map_err(Failure::region)?;
    with(region, |region| region.advise(range(offset, length), advice))
}

/// `static native void populate(long region, long offset, long length, boolean forWriting)`
fn populate<'local>(
    _env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    length: jlong,
    for_writing: jboolean,
) -> Result<(), Failure> {
    let purpose = if for_writing { Populate::Write } else { Populate::Read };
    with(region, |region| region.populate(range(offset, length), purpose))
}

/// `static native void lock(long region, long offset, long length, boolean onFault)`
fn lock<'local>(
    _env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    length: jlong,
    on_fault: jboolean,
) -> Result<(), Failure> {
    let range = range(offset, length);
    with(region, |region| if on_fault { region.lock_on_fault(range) } else { region.lock(range) })
}

/// `static native void unlock(long region, long offset, long length)`
fn unlock<'local>(
    _env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    length: jlong,
) -> Result<(), Failure> {
    with(region, |region| region.unlock(range(offset, length)))
}

/// `static native void flush(long region, long offset, long length, boolean wait)`
fn flush<'local>(
    _env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    length: jlong,
    wait: jboolean,
) -> Result<(), Failure> {
    let range = range(offset, length);
    with(region, |region| if wait { region.flush(range) } else { region.flush_async(range) })
}

/// `static native long[] residency(long region, long offset, long length)`: page size, pages, pages present, bitmap.
fn residency<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    length: jlong,
) -> Result<JLongArray<'local>, Failure> {
    let residency = with(region, |region| region.residency(range(offset, length)))?;
    let mut all = vec![residency.page_size as jlong, residency.total as jlong, residency.present as jlong];
    all.extend(residency.bitmap().iter().map(|&word| word as jlong));
    longs(env, &all)
}

/// Bytes that pass through native memory at once in a checked copy.
const CHUNK: usize = 1 << 16;

/// `static native void read(long region, long offset, byte[] into, int start, int count)`: a checked copy.
fn read<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    into: JByteArray<'local>,
    start: jint,
    count: jint,
) -> Result<(), Failure> {
    let mut chunk = vec![0_u8; CHUNK.min(count as usize)];
    for done in (0..count as usize).step_by(CHUNK) {
        let part = &mut chunk[..CHUNK.min(count as usize - done)];
        with(region, |region| region.read_at(offset as u64 + done as u64, part))?;
        let signed: Vec<i8> = part.iter().map(|&byte| byte as i8).collect();
        into.set_region(env, start + done as jint, &signed)?;
    }
    Ok(())
}

/// `static native void write(long region, long offset, byte[] from, int start, int count)`: a checked copy.
fn write<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    offset: jlong,
    from: JByteArray<'local>,
    start: jint,
    count: jint,
) -> Result<(), Failure> {
    let mut chunk = vec![0_i8; CHUNK.min(count as usize)];
    for done in (0..count as usize).step_by(CHUNK) {
        let part = &mut chunk[..CHUNK.min(count as usize - done)];
        from.get_region(env, start + done as jint, part)?;
        let bytes: Vec<u8> = part.iter().map(|&byte| byte as u8).collect();
        with(region, |region| region.write_at(offset as u64 + done as u64, &bytes))?;
    }
    Ok(())
}

/// `static native void guard()`: installs the SIGBUS guard before the JVM's own handler.
fn guard<'local>(_env: &mut Env<'local>, _class: JClass<'local>) -> Result<(), Failure> {
    guard::install().map_err(Failure::region)
}

/// `static native String[] advice()`: the core's list, in its order.
fn advice<'local>(
    env: &mut Env<'local>,
    _class: JClass<'local>,
) -> Result<JObjectArray<'local, JString<'local>>, Failure> {
    crate::names(env, Advice::ALL.iter().map(|advice| advice.name()))
}

fn longs<'local>(env: &mut Env<'local>, values: &[jlong]) -> Result<JLongArray<'local>, Failure> {
    let array = env.new_long_array(values.len())?;
    array.set_region(env, 0, values)?;
    Ok(array)
}

/// What `NativeRegion` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(fn open(path: [byte], name: java.lang.String, access: int, offset: long, length: long, room: int, facts: [long]) -> long),
    native!(fn map(descriptor: int, access: int, offset: long, length: long, room: int, facts: [long]) -> long),
    native!(fn anonymous(length: long, room: int, facts: [long]) -> long),
    native!(fn close(region: long, claim: long) -> void),
    native!(fn drop(region: long) -> void, fn = drop_region),
    native!(fn view(region: long, facts: [long]) -> void),
    native!(fn clone_view(view: long) -> long),
    native!(fn drop_view(view: long) -> void),
    native!(fn window(address: long, length: int) -> java.nio.ByteBuffer, fn = pages::window),
    native!(fn buffer(address: long, length: int, read_only: boolean) -> java.nio.MappedByteBuffer, fn = pages::buffer),
    native!(
        fn segment(mapped: java.nio.MappedByteBuffer, address: long, length: long, read_only: boolean, scope: java.lang.Object)
            -> java.lang.Object,
        fn = pages::segment
    ),
    native!(fn leave_views(region: long) -> void),
    native!(fn resize(region: long, length: long, with_file: boolean) -> void),
    native!(fn check(region: long) -> void),
    native!(fn advise(region: long, offset: long, length: long, advice: java.lang.String) -> void),
    native!(fn populate(region: long, offset: long, length: long, for_writing: boolean) -> void),
    native!(fn lock(region: long, offset: long, length: long, on_fault: boolean) -> void),
    native!(fn unlock(region: long, offset: long, length: long) -> void),
    native!(fn flush(region: long, offset: long, length: long, wait: boolean) -> void),
    native!(fn residency(region: long, offset: long, length: long) -> [long]),
    native!(fn read(region: long, offset: long, into: [byte], start: int, count: int) -> void),
    native!(fn write(region: long, offset: long, from: [byte], start: int, count: int) -> void),
    native!(fn guard() -> void),
    native!(fn advice() -> [java.lang.String]),
];
