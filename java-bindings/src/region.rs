//! Regions: what the class `io.zcio.NativeRegion` declares.
//!
//! Every call is one operation of the core on a region that a handle names (see [`crate::handle`]). Bounds were checked on the
//! Java side, which knows its own exceptions for them. Loads and stores do not come here: they go through buffers over a
//! view's addresses ([`crate::pages`]).

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;

use jni::objects::{JByteArray, JClass, JLongArray, JObjectArray, JString};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, NativeMethod};
use zcio::region::guard;
use zcio::{Access, Advice, Region, RegionOptions, SharedRegion, View};

use crate::errors::{Failure, Trouble};
use crate::natives::native;
use crate::{handle, pages, ranges};

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
pub(crate) fn with<T>(region: jlong, operation: impl FnOnce(&Region) -> zcio::error::Result<T>) -> Result<T, Failure> {
    operation(handle::borrow::<Held>(region).region()).map_err(Failure::region)
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

fn clone_view<'local>(_env: &mut Env<'local>, _class: JClass<'local>, view: jlong) -> Result<jlong, Failure> {
    Ok(handle::give(handle::borrow::<View>(view).clone()))
}

/// `static native void dropView(long view)`: takes the handle back. With the last one the addresses are free.
fn drop_view<'local>(_env: &mut Env<'local>, _class: JClass<'local>, view: jlong) -> Result<(), Failure> {
    handle::take::<View>(view);
    Ok(())
}

fn leave_views<'local>(_env: &mut Env<'local>, _class: JClass<'local>, region: jlong) -> Result<(), Failure> {
    with(region, Region::leave_views)
}

fn resize<'local>(
    _env: &mut Env<'local>,
    _class: JClass<'local>,
    region: jlong,
    length: jlong,
    with_file: jboolean,
) -> Result<(), Failure> {
    with(region, |region| if with_file { region.resize_with_file(length as u64) } else { region.resize(length as u64) })
}

fn check<'local>(_env: &mut Env<'local>, _class: JClass<'local>, region: jlong) -> Result<(), Failure> {
    with(region, Region::check)
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

/// What `NativeRegion` declares.
#[allow(unsafe_code)] // The macro's.
pub(crate) const METHODS: &[NativeMethod] = &[
    native!(
        fn open(
            path: [byte],
            name: java.lang.String,
            access: int,
            offset: long,
            length: long,
            room: int,
            facts: [long]
        ) -> long
    ),
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
    native!(fn advise(region: long, offset: long, length: long, advice: java.lang.String) -> void, fn = ranges::advise),
    native!(fn populate(region: long, offset: long, length: long, for_writing: boolean) -> void, fn = ranges::populate),
    native!(fn lock(region: long, offset: long, length: long, on_fault: boolean) -> void, fn = ranges::lock),
    native!(fn unlock(region: long, offset: long, length: long) -> void, fn = ranges::unlock),
    native!(fn flush(region: long, offset: long, length: long, wait: boolean) -> void, fn = ranges::flush),
    native!(fn residency(region: long, offset: long, length: long) -> [long], fn = ranges::residency),
    native!(fn read(region: long, offset: long, into: [byte], start: int, count: int) -> void, fn = ranges::read),
    native!(fn write(region: long, offset: long, from: [byte], start: int, count: int) -> void, fn = ranges::write),
    native!(fn guard() -> void),
    native!(fn advice() -> [java.lang.String]),
];
