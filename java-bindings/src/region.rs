//! Regions: what `NativeRegion` has for all of one.
//!
//! Every call is one operation of the core on a region that a handle names (see [`crate::handle`]). Bounds were checked on the
//! Java side, which knows its own exceptions for them. Loads and stores do not come here: they go through buffers over a
//! view's addresses ([`crate::pages`]).

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;

use jni::Env;
use jni::objects::{JByteArray, JLongArray, JString};
use jni::sys::{jboolean, jint, jlong};
use zcio::region::guard;
use zcio::{Access, Region, RegionOptions, SharedRegion, View};

use crate::errors::{Failure, Trouble};
use crate::handle;

/// What goes into a new region's array and comes out of it.
const FACTS: usize = 4;

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

/// A view's handle, address, length, and what may be done with it: see [`NativeRegion::view`].
fn facts(env: &mut Env<'_>, view: View, into: &JLongArray<'_>) -> Result<(), Failure> {
    let rights = if view.receives() { 2 } else { jlong::from(view.is_writable()) };
    let of_view = [view.as_ptr() as jlong, view.len() as jlong, rights];
    let view = handle::give(view);
    let written = into.set_region(env, 0, &[view, of_view[0], of_view[1], of_view[2]]);
    written.map_err(|error| {
        handle::take::<View>(view);
        error.into()
    })
}

/// What is asked of a new region: see [`NativeRegion::open`].
fn options(env: &Env<'_>, facts: &JLongArray<'_>) -> Result<RegionOptions, Failure> {
    let mut asked = [0; FACTS];
    facts.get_region(env, 0, &mut asked)?;
    let [access, offset, length, room] = asked;
    let access = [Access::ReadOnly, Access::ReadWrite, Access::Private][access as usize];
    let options = with_room(RegionOptions::new().access(access).offset(offset as u64), room);
    Ok(u64::try_from(length).map_or_else(|_| options.clone(), |length| options.clone().length(length)))
}

/// The number is one of the enum `io.zcio.Room`.
fn with_room(options: RegionOptions, room: jlong) -> RegionOptions {
    [|options| options, RegionOptions::reserve, RegionOptions::no_reserve][room as usize](options)
}

/// The bridge to the native code of regions. Not an API.
///
/// A {@code long region} or {@code long view} is a handle. It stays good until it is dropped, which only a {@code Cleaner} does,
/// once the object that owns it is unreachable: a closed region's handle can still be asked, and says that it is closed. Whoever
/// passes a handle keeps its owner reachable until the call has returned.
pub(crate) enum NativeRegion {}

impl NativeRegion {
    /// A region of a file. What is asked of it stands in {@code facts}: access (0 read-only, 1 read-write, 2 private), offset,
    /// length (negative for the rest of the file) and the number of its {@link Room}. What is there afterwards says
    /// {@link #view}, which is part of every call that makes a region.
    pub fn open(
        env: &mut Env<'_>,
        path: &JByteArray<'_>,
        name: &JString<'_>,
        facts: &JLongArray<'_>,
    ) -> Result<jlong, Failure> {
        let path = OsString::from_vec(env.convert_byte_array(path)?);
        match options(env, facts)?.open(path) {
            Ok(region) => give(env, Held::Own(region), facts),
            Err(error) => {
                let file = Some(name.try_to_string(env)?);
                Err(Failure::Region(Trouble { file, ..Trouble::of(error) }))
            }
        }
    }

    /// As {@link #open}, of the descriptor of a channel that this thread is registered with ({@link CloseProtocol}).
    #[allow(unsafe_code)]
    pub fn map(env: &mut Env<'_>, descriptor: jint, facts: &JLongArray<'_>) -> Result<jlong, Failure> {
        if descriptor < 0 {
            return Err(Failure::Closed);
        }
        // SAFETY: the Java side has registered the thread with the channel, which does not close its descriptor meanwhile.
        let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let region = options(env, facts)?.map(file).map_err(Failure::region)?;
        give(env, Held::Own(region), facts)
    }

    pub fn anonymous(env: &mut Env<'_>, length: jlong, room: jlong, facts: &JLongArray<'_>) -> Result<jlong, Failure> {
        let options = with_room(RegionOptions::new().length(length as u64), room);
        let region = options.anonymous().map_err(Failure::region)?;
        give(env, Held::Own(region), facts)
    }

    /// A region that receives pages of a socket's queue.
    pub fn receiving(env: &mut Env<'_>, length: jlong, facts: &JLongArray<'_>) -> Result<jlong, Failure> {
        let region = Region::receiving(length as u64).map_err(Failure::region)?;
        give(env, Held::Own(region), facts)
    }

    /// Lets a view go, if {@code claim} is not 0, and then file and memory; the addresses stay, as zeroes, while a view exists.
    pub fn close(region: jlong, claim: jlong) -> Result<(), Failure> {
        if claim != 0 {
            handle::take::<View>(claim);
        }
        with(region, Region::close)
    }

    pub fn drop(region: jlong) {
        handle::take::<Held>(region);
    }

    /// A claim on all the region's addresses; into {@code facts} go its handle, address, length, and 1 if it may be written to, 2 if
    /// it may not but receives pages of a socket's queue.
    pub fn view(env: &mut Env<'_>, region: jlong, facts: &JLongArray<'_>) -> Result<(), Failure> {
        let view = with(region, |region| region.view(..))?;
        self::facts(env, view, facts)
    }

    pub fn clone_view(view: jlong) -> jlong {
        handle::give(handle::borrow::<View>(view).clone())
    }

    pub fn drop_view(view: jlong) {
        handle::take::<View>(view);
    }

    /// Moves the region to other addresses, if it has views; these read as zeroes then.
    pub fn leave_views(region: jlong) -> Result<(), Failure> {
        with(region, Region::leave_views)
    }

    pub fn resize(region: jlong, length: jlong, with_file: jboolean) -> Result<(), Failure> {
        with(
            region,
            |region| if with_file { region.resize_with_file(length as u64) } else { region.resize(length as u64) },
        )
    }

    pub fn check(region: jlong) -> Result<(), Failure> {
        with(region, Region::check)
    }

    pub fn guard() -> Result<(), Failure> {
        guard::install().map_err(Failure::region)
    }
}
