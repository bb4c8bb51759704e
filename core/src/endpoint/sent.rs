//! An end that was opened by its path in one table of descriptors, and is to be used in another ([`crate::apart`]).
//!
//! Whether a path may be opened, what it leads to, and who owns a new file depend on the thread that opens it: its user, its
//! sandbox, its folder and root. Those of the table's threads are not the caller's. So the caller opens the path, and what is
//! open is sent; a new file is given its name by the caller, too.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::away::Away;
use super::{Endpoint, Facts, Handle, Kind};
use crate::error::Result;
use crate::sys::apart::held::Held;
use crate::unnamed::Unnamed;

/// An end on its way, which the table that it comes from keeps until all is over.
#[derive(Debug)]
pub struct Sent {
    held: Held,
    here: Here,
    facts: Facts,
    path: Option<Box<Path>>,
    destination: bool,
}

/// What stays in the table that it comes from.
#[derive(Debug)]
enum Here {
    /// Of a file: nothing.
    Nothing,
    /// Of a stream, which can be waited for here.
    Stream(OwnedFd),
    /// The file that does not have its name yet. It is removed here if it never gets one.
    New(Arc<Mutex<Unnamed>>),
}

impl Endpoint<'static> {
    /// Sends an end that was opened by its path.
    ///
    /// # Errors
    ///
    /// As [`Held::new`].
    ///
    /// # Panics
    ///
    /// If it is memory.
    pub fn send(self) -> Result<Sent> {
        let held = Held::new(self.descriptor().expect("what was opened has a descriptor"))?;
        let here = match self.handle {
            Handle::New(file) => Here::New(Arc::new(Mutex::new(*file))),
            Handle::Owned(fd) if !matches!(self.facts.kind, Kind::File | Kind::BlockDevice | Kind::Directory) => {
                Here::Stream(fd)
            }
            _ => Here::Nothing,
        };
        Ok(Sent { held, here, facts: self.facts, path: self.path, destination: self.destination })
    }
}

impl Sent {
    /// The same end in the other table, once.
    ///
    /// # Errors
    ///
    /// As [`Held::descriptor`].
    pub fn endpoint(&self) -> Result<Endpoint<'static>> {
        let fd = self.held.take().map_err(|error| error.at(self.path.as_deref()))?;
        let handle = match &self.here {
            Here::New(file) => Handle::Away(Box::new(Away { fd, named: Arc::downgrade(file) })),
            Here::Nothing | Here::Stream(_) => Handle::Owned(fd),
        };
        Ok(Endpoint { path: self.path.clone(), destination: self.destination, ..Endpoint::with(self.facts, handle) })
    }

    /// What was sent.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// The descriptor of a stream in the table that it comes from.
    pub fn stream(&self) -> Option<BorrowedFd<'_>> {
        if let Here::Stream(fd) = &self.here { Some(fd.as_fd()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use nix::errno::Errno;

    use super::*;

    fn write(end: &Endpoint<'_>, bytes: &[u8]) {
        let fd = end.descriptor().unwrap();
        assert_eq!(nix::unistd::write(fd, bytes).unwrap(), bytes.len());
    }

    #[test]
    fn an_end_is_emptied_or_named_where_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        for path in [&old, &new] {
            if path == &old {
                std::fs::write(path, b"precious").unwrap();
            }
            let sent = Endpoint::create(path).unwrap().send().unwrap();
            assert_eq!(path.exists(), path == &old);
            let ran = sent.held().run(|_| {
                let mut end = sent.endpoint().unwrap();
                assert!(sent.endpoint().is_err(), "there is one");
                assert_eq!((end.path(), end.facts().kind), (Some(path.as_path()), Kind::File));
                end.settle(0..0).unwrap();
                write(&end, b"all");
            });
            ran.unwrap();
            drop(sent);
            assert_eq!(std::fs::read(path).unwrap(), b"all");
        }
        assert_eq!(dir.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn what_does_not_begin_changes_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, b"precious").unwrap();
        for path in [&old, &new] {
            drop(Endpoint::create(path).unwrap().send().unwrap());
            let sent = Endpoint::create(path).unwrap().send().unwrap();
            sent.held().run(|_| drop(sent.endpoint().unwrap())).unwrap();
        }
        assert_eq!(std::fs::read(&old).unwrap(), b"precious");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_file_without_its_sender_gets_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let sent = Endpoint::create(dir.path().join("new")).unwrap().send().unwrap();
        let end = sent.held().run(|_| sent.endpoint().unwrap()).unwrap();
        let mut resident = sent.held().resident(end);
        drop(sent);
        let error = resident.run(|end, _| end.settle(0..0).unwrap_err()).unwrap();
        assert_eq!(error.errno(), Some(Errno::EBADF as i32));
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_stream_can_be_waited_for_where_it_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut far = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let sent = Endpoint::open(&path).unwrap().send().unwrap();
        assert!(sent.stream().is_some());
        far.write_all(b"all").unwrap();
        let mut bytes = [0; 3];
        let read = sent.held().run(|_| {
            let end = sent.endpoint().unwrap();
            nix::unistd::read(end.descriptor().unwrap(), &mut bytes).unwrap()
        });
        assert_eq!((read.unwrap(), &bytes), (3, b"all"));
        let mut rest = std::fs::File::from(sent.stream().unwrap().try_clone_to_owned().unwrap());
        far.write_all(b"more").unwrap();
        drop(far);
        let mut bytes = String::new();
        rest.read_to_string(&mut bytes).unwrap();
        assert_eq!(bytes, "more");
    }
}
