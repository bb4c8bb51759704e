//! Memory that may be refused: a buffer that the process has no room for (setrlimit(2), `RLIMIT_AS`) is an error, where the
//! standard library's vectors would end the process.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed};

use nix::errno::Errno;

use super::Sys;

/// A buffer of zeroes, whose pages come from the kernel when they are touched.
#[allow(clippy::same_length_and_capacity)] // It was allocated just so long.
pub(crate) fn zeroes(length: usize) -> Sys<Vec<u8>> {
    if length == 0 {
        return Ok(Vec::new());
    }
    let layout = Layout::array::<u8>(length).map_err(|_| Errno::ENOMEM)?;
    // SAFETY: the layout has a size.
    let bytes = unsafe { alloc_zeroed(layout) };
    if bytes.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: allocated by the global allocator as so many bytes, all of them initialised.
    Ok(unsafe { Vec::from_raw_parts(bytes, length, length) })
}

/// Makes a buffer so long, with zeroes where it was shorter.
pub(crate) fn resize<T: Clone + Default>(buffer: &mut Vec<T>, length: usize) -> Sys<()> {
    buffer.try_reserve_exact(length.saturating_sub(buffer.len())).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(length, T::default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_an_error() {
        assert_eq!(zeroes(isize::MAX as usize), Err(Errno::ENOMEM));
        assert_eq!(zeroes(usize::MAX), Err(Errno::ENOMEM));
        assert_eq!(resize(&mut vec![1_u8], isize::MAX as usize), Err(Errno::ENOMEM));
        assert_eq!(zeroes(3), Ok(vec![0; 3]));
        let mut some = vec![1_u64];
        resize(&mut some, 3).unwrap();
        assert_eq!(some, [1, 0, 0]);
    }
}
