//! What the experiments of [`crate::memory`] do to a view: real loads and stores, in this process and in a child that
//! shares it or has its own copy of it.

use super::View;
use crate::error::{Error, Result};
use crate::sys::laboratory::child::Child;
use crate::sys::laboratory::pages;

impl View {
    /// Loads a byte of every page. Only for memory that no file can take away.
    pub(crate) fn touch(&self) {
        // SAFETY: a view's range is mapped and readable while it lives.
        unsafe { pages::touch(self.as_ptr(), self.len()) };
    }

    /// Stores a byte into every page. Only for memory that no file can take away.
    pub(crate) fn fill(&self, value: u8) {
        assert!(self.is_writable());
        // SAFETY: mapped and writable while it lives; nobody has references to it.
        unsafe { pages::fill_pages(self.as_mut_ptr(), self.len(), value) };
    }

    /// A child that has loaded a byte of every page of this view and then stored one into every page of `changed`.
    pub(crate) fn child_changing(&self, changed: &Self, value: u8) -> Result<Child> {
        // SAFETY: the child only loads and stores, in ranges that are mapped in it as they are here.
        let child = unsafe {
            Child::after(|| {
                self.touch();
                pages::fill_pages(changed.as_mut_ptr(), changed.len(), value);
            })
        };
        child.map_err(|errno| Error::os("clone", errno))
    }
}
