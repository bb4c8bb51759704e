//! The border between the process's addresses and the kernel's.

use crate::error::{Error, Result};
use crate::memory::{Process, address_space};
use crate::sys::laboratory::pages;

/// The result of [`spaces`].
///
/// ```
/// let found = zcio::memory::experiments::spaces()?;
/// assert!(found.end_of_user_space <= found.beginning_of_kernel_space);
/// println!("the kernel refuses an address of its own with errno {}", found.refused);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Spaces {
    /// The first address that no program can map: found by asking for pages below and above it.
    pub end_of_user_space: u64,
    /// Where the other half begins. By the processors' manuals the halves are of one size, and it is the top one; this is no
    /// measurement.
    pub beginning_of_kernel_space: u64,
    /// The error number with which the kernel refused to write(2) one byte from there for this process.
    pub refused: i32,
}

/// Looks for the end of user space, and lets the kernel take a byte from beyond it: what it could read and a program has no
/// right to.
pub fn spaces() -> Result<Spaces> {
    let end_of_user_space = address_space(Process::Own)?.end_of_user_space;
    // The last page of the lower half may be kept free, so that nothing runs over its end.
    let beginning_of_kernel_space = end_of_user_space.next_power_of_two().wrapping_neg();
    let refused = pages::write_from(beginning_of_kernel_space as usize);
    let refused = refused.map_err(|errno| Error::os("pipe2", errno))? as i32;
    Ok(Spaces { end_of_user_space, beginning_of_kernel_space, refused })
}
