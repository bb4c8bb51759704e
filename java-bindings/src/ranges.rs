//! Operations on a range of a region: the part of `NativeRegion` that [`crate::region`] leaves out.

use std::ops::Range;

use jni::Env;
use jni::objects::{JByteArray, JLongArray};
use jni::sys::{jboolean, jint, jlong};
use zcio::Advice;
use zcio::region::Populate;

use crate::errors::Failure;
use crate::region::{NativeRegion, with};

fn range(offset: jlong, length: jlong) -> Range<u64> {
    offset as u64..(offset + length) as u64
}

/// Bytes that pass through native memory at once in a checked copy.
const CHUNK: usize = 1 << 16;

fn longs<'local>(env: &mut Env<'local>, values: &[jlong]) -> Result<JLongArray<'local>, Failure> {
    let array = env.new_long_array(values.len())?;
    array.set_region(env, 0, values)?;
    Ok(array)
}

impl NativeRegion {
    pub fn advise(region: jlong, offset: jlong, length: jlong, advice: jint) -> Result<(), Failure> {
        with(region, |region| region.advise(range(offset, length), Advice::ALL[advice as usize]))
    }

    pub fn populate(region: jlong, offset: jlong, length: jlong, for_writing: jboolean) -> Result<(), Failure> {
        let purpose = if for_writing { Populate::Write } else { Populate::Read };
        with(region, |region| region.populate(range(offset, length), purpose))
    }

    pub fn lock(region: jlong, offset: jlong, length: jlong, on_fault: jboolean) -> Result<(), Failure> {
        let range = range(offset, length);
        with(region, |region| if on_fault { region.lock_on_fault(range) } else { region.lock(range) })
    }

    pub fn unlock(region: jlong, offset: jlong, length: jlong) -> Result<(), Failure> {
        with(region, |region| region.unlock(range(offset, length)))
    }

    pub fn flush(region: jlong, offset: jlong, length: jlong, wait: jboolean) -> Result<(), Failure> {
        let range = range(offset, length);
        with(region, |region| if wait { region.flush(range) } else { region.flush_async(range) })
    }

    /// Page size, pages, pages present, bitmap.
    pub fn residency<'local>(
        env: &mut Env<'local>,
        region: jlong,
        offset: jlong,
        length: jlong,
    ) -> Result<JLongArray<'local>, Failure> {
        let residency = with(region, |region| region.residency(range(offset, length)))?;
        let mut all = vec![residency.page_size as jlong, residency.total as jlong, residency.present as jlong];
        all.extend(residency.bitmap().iter().map(|&word| word as jlong));
        longs(env, &all)
    }

    #[allow(unsafe_code)]
    pub fn read(
        env: &mut Env<'_>,
        region: jlong,
        offset: jlong,
        into: &JByteArray<'_>,
        start: jint,
        count: jint,
    ) -> Result<(), Failure> {
        let mut chunk = vec![0_i8; CHUNK.min(count as usize)];
        for done in (0..count as usize).step_by(CHUNK) {
            let part = &mut chunk[..CHUNK.min(count as usize - done)];
            let (into_part, length) = (part.as_mut_ptr().cast(), part.len());
            // SAFETY: a slice of our own; a byte is a byte.
            with(region, |region| unsafe { region.read_to(offset as u64 + done as u64, into_part, length) })?;
            into.set_region(env, start + done as jint, part)?;
        }
        Ok(())
    }

    #[allow(unsafe_code)]
    pub fn write(
        env: &mut Env<'_>,
        region: jlong,
        offset: jlong,
        from: &JByteArray<'_>,
        start: jint,
        count: jint,
    ) -> Result<(), Failure> {
        let mut chunk = vec![0_i8; CHUNK.min(count as usize)];
        for done in (0..count as usize).step_by(CHUNK) {
            let part = &mut chunk[..CHUNK.min(count as usize - done)];
            from.get_region(env, start + done as jint, part)?;
            let (from_part, length) = (part.as_ptr().cast(), part.len());
            // SAFETY: as in `read`.
            with(region, |region| unsafe { region.write_from(offset as u64 + done as u64, from_part, length) })?;
        }
        Ok(())
    }
}
