//! Many reads of files into direct buffers. The files are held by the Java side for the whole of it, and so are the buffers.
//!
//! The object, with its ring, is kept by a number as [`crate::running`] keeps a transfer.

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use jni::Env;
use jni::objects::{JLongArray, JObjectArray};
use jni::sys::{jint, jlong};
use zcio::{Endpoint, ReadAt, Reads};

use crate::descriptors;
use crate::errors::Failure;
use crate::natives::LongPredicate;
use crate::packed::{longs, packed};
use crate::upcalls::look;

/// What one read is: the place of its file, its offset, and the address and the length of its memory.
const PLACE: usize = 4;
/// Reads that are made between two looks at the clock.
const AT_ONCE: usize = 16;
/// For so long nobody asks whether to stop.
const LONG: Duration = Duration::from_millis(50);

/// The bridge to the native code's reads. Not an API.
pub(crate) enum NativeReads {}

impl NativeReads {
    /// Makes what reads need and gives back a handle.
    pub fn make(depth: jint) -> Result<jlong, Failure> {
        Ok(Box::into_raw(Box::new(Reads::new(depth as usize)?)) as jlong)
    }

    /// Makes reads.
    ///
    /// @param files  each file once
    /// @param places for each read the place of its file among them, its offset, and the address and the length of its memory
    #[allow(unsafe_code)]
    pub fn run<'local>(
        env: &mut Env<'local>,
        handle: jlong,
        files: &JObjectArray<'local>,
        places: &JLongArray<'local>,
        watch: &LongPredicate<'local>,
    ) -> Result<JObjectArray<'local>, Failure> {
        // SAFETY: the Java side gives only numbers made by `make` and not yet freed, each to one thread at a time.
        let reads = unsafe { &mut *(handle as *mut Reads) };
        let mut ends = Vec::new();
        for index in 0..files.len(env)? {
            let file = files.get_element(env, index)?;
            ends.push(Endpoint::new(descriptors::registered(env, &file)?)?);
            env.delete_local_ref(file);
        }
        let words = longs(env, places)?;
        let mut asked: Vec<_> = words.chunks_exact(PLACE).map(|words| read_at(&ends, words)).collect();
        let mut trouble = None;
        let report = reads.run_watched(&mut asked, |progress| match look(env, watch, progress.bytes) {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(error) => {
                trouble = Some(error);
                ControlFlow::Break(())
            }
        });
        match trouble {
            Some(error) => Err(error.into()),
            None => Ok(packed(env, &report)?),
        }
    }

    /// Makes reads of one file one after the other, each by one call, and gives back how many are whole; {@code ~count}, if the next
    /// one was not, for whatever reason. After a while it comes back for the caller to look whether it must stop.
    ///
    /// @param descriptor a file's that is held, and of which bytes at an offset were read before
    /// @param places     as for {@link #run}; their files are ignored
    /// @param first      the first of them to be made
    #[allow(unsafe_code)]
    pub fn attempt(env: &Env<'_>, descriptor: jint, places: &JLongArray<'_>, first: jint) -> Result<jint, Failure> {
        let (total, mut made) = (places.len(env)? / PLACE, first as usize);
        let begun = Instant::now();
        let mut words = [0; PLACE * AT_ONCE];
        // SAFETY: the thread is registered with the channel, which keeps its descriptor open until it has left.
        let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
        while made < total && (made == first as usize || begun.elapsed() < LONG) {
            let part = &mut words[..PLACE * AT_ONCE.min(total - made)];
            places.get_region(env, (made * PLACE) as jint, part)?;
            for place in part.chunks_exact(PLACE) {
                let (offset, address, length) = (place[1] as u64, place[2] as *mut u8, place[3] as usize);
                // SAFETY: the Java side keeps the buffer, which has the memory, until the call has returned.
                if !unsafe { Reads::attempt(file, offset, address, length) } {
                    return Ok(!(made as jint - first));
                }
                made += 1;
            }
        }
        Ok(made as jint - first)
    }

    /// Must be the last call with this handle.
    #[allow(unsafe_code)]
    pub fn free(handle: jlong) {
        // SAFETY: as in `run`, and the Java side gives the number to nobody after this.
        drop(unsafe { Box::from_raw(handle as *mut Reads) });
    }
}

/// One read, from what the Java side gives for it.
#[allow(unsafe_code)]
fn read_at<'a>(ends: &'a [Endpoint<'static>], words: &[i64]) -> ReadAt<'a> {
    let [file, offset, address, length] = [0, 1, 2, 3].map(|word| words[word]);
    // SAFETY: the Java side keeps the buffer, which has the memory, until the call has returned.
    unsafe { ReadAt::lent(&ends[file as usize], offset as u64, address as *mut u8, length as usize) }
}
