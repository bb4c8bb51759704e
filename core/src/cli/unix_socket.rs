//! A UNIX-domain socket at a path: it takes the place of a dead one, and at the end takes away itself.
//!
//! A socket that nobody listens on any more keeps its name, and bind(2) is then refused. It is dead if connect(2) says so; a
//! datagram socket asks, because a stream socket that is alive refuses that before it notices anybody.
//!
//! bind(2) does not tell what it has made: whoever looks at the path afterwards may find what somebody else has put there since.
//! (A name that nobody knows, to be renamed, would be the one that peers and `ss` are told for ever.) So the listener is closed
//! first, and what is removed must be dead by then, too.

use std::fs::symlink_metadata;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket};

use crate::sys::by_number;
use crate::unnamed::temporary_name;

/// How often to look whether a listener has room for one more.
const FULL: Duration = Duration::from_millis(10);

/// See the module's introduction.
pub(super) struct UnixSocket {
    /// `None` while it is dropped.
    listener: Option<UnixListener>,
    path: PathBuf,
    /// Device and inode number of what was bound, or of what somebody has put in its place at once.
    identity: Option<(u64, u64)>,
}

impl UnixSocket {
    pub fn bind(path: &Path) -> io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && remove_if_dead(path) => UnixListener::bind(path)?,
            bound => bound?,
        };
        let socket = Self { listener: Some(listener), path: path.to_path_buf(), identity: identity(path) };
        socket.listener().set_nonblocking(true)?;
        Ok(socket)
    }

    fn listener(&self) -> &UnixListener {
        self.listener.as_ref().expect("it listens until it is dropped")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn accept(&self) -> io::Result<UnixStream> {
        self.listener().accept().map(|(socket, _)| socket)
    }
}

/// A connection in non-blocking mode, waited for as long as `check` has no error. connect(2) itself would wait for ever for a
/// listener that takes nobody, in a thread that nobody could end.
pub(super) fn connect(path: &Path, check: &dyn Fn() -> io::Result<()>) -> io::Result<OwnedFd> {
    let (address, flags) = (UnixAddr::new(path)?, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC);
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    loop {
        match nix::sys::socket::connect(socket.as_raw_fd(), &address) {
            Ok(()) => return Ok(socket),
            // As many wait there already as may.
            Err(Errno::EAGAIN) => std::thread::sleep(FULL),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        check()?;
    }
}

impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener().as_fd()
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        drop(self.listener.take());
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Nothing can be done about a failure here.
            remove_if_dead(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    symlink_metadata(path).ok().map(|is| (is.dev(), is.ino()))
}

/// Whether it is a socket that nobody is bound to any more.
fn is_dead(path: &Path) -> bool {
    let asked = || UnixDatagram::unbound()?.connect(path);
    symlink_metadata(path).is_ok_and(|is| is.file_type().is_socket())
        && asked().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Takes a dead socket out of the way: aside first, because another one may take the name between a look and the removal, and
/// gets it back then.
fn remove_if_dead(path: &Path) -> bool {
    if !is_dead(path) {
        return false;
    }
    let aside = path.with_file_name(temporary_name());
    let rename =
        |from: &Path, to: &Path| by_number::rename_to_new(AT_FDCWD, from.as_os_str(), AT_FDCWD, to.as_os_str());
    match rename(path, &aside) {
        // Somebody else has removed it.
        Err(Errno::ENOENT) => true,
        Err(_) => false,
        Ok(()) if is_dead(&aside) => std::fs::remove_file(&aside).is_ok(),
        Ok(()) => {
            let _ = rename(&aside, path);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        assert!(is_dead(&path));
        let ours = UnixSocket::bind(&path).unwrap();
        assert!(!is_dead(&path));
        let refused = UnixSocket::bind(&path).err().map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::AddrInUse), "somebody listens there");
        assert_eq!(ours.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody has noticed");
        drop(ours);
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);

        std::fs::write(&path, b"precious").unwrap();
        assert!(UnixSocket::bind(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn what_has_its_path_by_now_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let ours = UnixSocket::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let theirs = UnixListener::bind(&path).unwrap();
        drop(ours);
        assert!(UnixStream::connect(&path).is_ok());
        drop(theirs);
    }

    /// As if it had been put there between bind(2) and the look at what was bound.
    #[test]
    fn what_was_taken_for_its_own_stays_while_somebody_listens_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let mut ours = UnixSocket::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let theirs = UnixListener::bind(&path).unwrap();
        ours.identity = identity(&path);
        drop(ours);
        assert!(UnixStream::connect(&path).is_ok());
        drop(theirs);
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }
}
