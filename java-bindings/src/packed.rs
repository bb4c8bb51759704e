//! What goes to the Java side and comes from it in one piece: numbers in one `long[]`, and the few objects that are not
//! numbers. In Java that is `Packed`; both sides write and read in the order of the declaration (`generated`).

use std::time::Duration;

use jni::errors::Result;
use jni::objects::{JLongArray, JObject, JObjectArray};
use jni::sys::jlong;
use jni::{Env, jni_str};
use zcio::{CachePolicy, CountedBy, Encryption, Error, KnownBy, Mechanism, Reflink, Visibility};

use crate::errors::{self, Trouble};

/// Numbers of the Java side, to be taken in their order.
pub(crate) struct Packed {
    numbers: [jlong; Packed::MOST],
    next: usize,
}

impl Packed {
    /// As many as a call has that is packed so.
    const MOST: usize = 16;

    pub fn of(env: &Env<'_>, numbers: &JLongArray<'_>) -> Result<Self> {
        let mut packed = Self { numbers: [0; Self::MOST], next: 0 };
        numbers.get_region(env, 0, &mut packed.numbers)?;
        Ok(packed)
    }

    pub fn number(&mut self) -> jlong {
        self.next += 1;
        self.numbers[self.next - 1]
    }

    pub fn take<T: Take>(&mut self) -> T {
        T::of(self)
    }
}

/// What is made of one number, or of a few.
pub(crate) trait Take {
    fn of(from: &mut Packed) -> Self;
}

impl Take for bool {
    fn of(from: &mut Packed) -> Self {
        from.number() != 0
    }
}

/// Negative numbers stand for what was not said.
impl Take for Option<u64> {
    fn of(from: &mut Packed) -> Self {
        from.number().try_into().ok()
    }
}

impl Take for Option<Mechanism> {
    fn of(from: &mut Packed) -> Self {
        usize::try_from(from.number()).ok().map(|place| Mechanism::ALL[place])
    }
}

impl Take for Visibility {
    fn of(from: &mut Packed) -> Self {
        [Self::Aliased, Self::Snapshot][from.number() as usize]
    }
}

impl Take for Reflink {
    fn of(from: &mut Packed) -> Self {
        [Self::Never, Self::Auto, Self::Always][from.number() as usize]
    }
}

impl Take for CachePolicy {
    fn of(from: &mut Packed) -> Self {
        Self { read_ahead: from.take::<Option<u64>>().filter(|&bytes| bytes > 0), drop_behind: from.take() }
    }
}

/// As many numbers as there are.
pub(crate) fn longs(env: &Env<'_>, array: &JLongArray<'_>) -> Result<Vec<jlong>> {
    let mut numbers = vec![0; array.len(env)?];
    array.get_region(env, 0, &mut numbers)?;
    Ok(numbers)
}

/// What the Java side is to get.
pub(crate) struct Packer<'env, 'local> {
    env: &'env mut Env<'local>,
    numbers: Vec<jlong>,
    objects: Vec<JObject<'local>>,
}

/// A report as `io.zcio.Packed` has it: an array whose first element are the numbers, and the others the objects.
pub(crate) fn packed<'local>(env: &mut Env<'local>, report: &impl Pack) -> Result<JObjectArray<'local>> {
    let (numbers, objects) = parts(env, report)?;
    array(env, &numbers, objects)
}

/// The same, but what is numbers alone goes into an array that is there: null then.
pub(crate) fn packed_into<'local>(
    env: &mut Env<'local>,
    report: &impl Pack,
    room: &JLongArray<'_>,
) -> Result<JObjectArray<'local>> {
    let (numbers, objects) = parts(env, report)?;
    if objects.is_empty() && numbers.len() <= Packed::MOST {
        room.set_region(env, 0, &numbers)?;
        return Ok(JObjectArray::<JObject>::null());
    }
    array(env, &numbers, objects)
}

/// What says that there is no report yet.
pub(crate) fn nothing<'local>(env: &mut Env<'local>) -> Result<JObjectArray<'local>> {
    let class = env.find_class(jni_str!("java/lang/Object"))?;
    env.new_object_array(0, &class, JObject::null())
}

fn parts<'local>(env: &mut Env<'local>, report: &impl Pack) -> Result<(Vec<jlong>, Vec<JObject<'local>>)> {
    let mut packer = Packer { env, numbers: Vec::with_capacity(Packed::MOST), objects: Vec::new() };
    report.pack(&mut packer)?;
    Ok((packer.numbers, packer.objects))
}

fn array<'local>(
    env: &mut Env<'local>,
    numbers: &[jlong],
    objects: Vec<JObject<'local>>,
) -> Result<JObjectArray<'local>> {
    let class = env.find_class(jni_str!("java/lang/Object"))?;
    let array = env.new_object_array(objects.len() as i32 + 1, &class, JObject::null())?;
    let longs = env.new_long_array(numbers.len())?;
    longs.set_region(env, 0, numbers)?;
    array.set_element(env, 0, &longs)?;
    // They are null already.
    for (index, object) in objects.into_iter().enumerate().filter(|(_, object)| !object.is_null()) {
        array.set_element(env, index + 1, &object)?;
        env.delete_local_ref(object);
    }
    Ok(array)
}

/// What can be packed.
pub(crate) trait Pack {
    fn pack(&self, to: &mut Packer<'_, '_>) -> Result<()>;
}

/// Those that are one number.
macro_rules! numbers {
    ($($ty:ty: $of:expr;)*) => {
        $(impl Pack for $ty {
            fn pack(&self, to: &mut Packer<'_, '_>) -> Result<()> {
                let of: fn(&Self) -> jlong = $of;
                to.numbers.push(of(self));
                Ok(())
            }
        })*
    };
}

numbers! {
    u64: |&value| value as jlong;
    bool: |&value| jlong::from(value);
    Option<u64>: |value| value.map_or(-1, |value| value as jlong);
    Option<u8>: |value| value.map_or(-1, jlong::from);
    Option<i32>: |value| value.map_or(-1, jlong::from);
    Duration: |value| value.as_nanos() as jlong;
    Mechanism: |value| place(Mechanism::ALL, value);
    Option<Mechanism>: |value| value.as_ref().map_or(-1, |value| place(Mechanism::ALL, value));
    KnownBy: |value| place(KnownBy::ALL, value);
    Encryption: |value| place(Encryption::ALL, value);
    CountedBy: |value| place(&[CountedBy::Cachestat, CountedBy::Mincore], value);
}

/// Where a value stands in the core's list, which is the Java side's, too.
fn place<T: PartialEq>(all: &[T], value: &T) -> jlong {
    all.iter().position(|each| each == value).map_or(-1, |place| place as jlong)
}

impl Pack for str {
    fn pack(&self, to: &mut Packer<'_, '_>) -> Result<()> {
        let text = to.env.new_string(self)?;
        to.objects.push(text.into());
        Ok(())
    }
}

/// What went wrong in a part of something that went on, as the exception it would have been; null for nothing.
impl Pack for Option<&Error> {
    fn pack(&self, to: &mut Packer<'_, '_>) -> Result<()> {
        let object = match self {
            Some(error) => errors::exception(to.env, &Trouble::of((*error).clone()))?.into(),
            None => JObject::null(),
        };
        to.objects.push(object);
        Ok(())
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, to: &mut Packer<'_, '_>) -> Result<()> {
        (self.len() as u64).pack(to)?;
        self.iter().try_for_each(|each| each.pack(to))
    }
}

impl Pack for Option<zcio::Attempt> {
    fn pack(&self, to: &mut Packer<'_, '_>) -> Result<()> {
        self.is_some().pack(to)?;
        self.iter().try_for_each(|each| each.pack(to))
    }
}
