//! Namespaces of a thread, and the interfaces in them: what a network of our own is made of.
//!
//! A namespace belongs to the thread that unshares it, and to descriptors that were made in it. Nothing here has a name in
//! the file system, so everything is gone with the last descriptor, however the process ends.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::sys::Sys;

/// A network of the calling thread's own, with nothing in it but a loopback that is down (`CAP_SYS_ADMIN`).
pub(crate) fn unshare_network() -> Sys<()> {
    // SAFETY: takes flags only, and changes what this thread's later system calls see.
    Errno::result(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// A copy of the mounts for the calling thread alone, from which nothing goes back (`CAP_SYS_ADMIN`).
pub(crate) fn unshare_mounts() -> Sys<()> {
    // SAFETY: as above.
    Errno::result(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: C strings that live during the call; the other pointers may be null when only propagation changes.
    let result = unsafe { libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null()) };
    Errno::result(result).map(drop)
}

/// Mounts the kernel's tracing files at their usual place, for who shares the calling thread's mounts.
pub(crate) fn mount_tracing() -> Sys<()> {
    let (kind, at) = (c"tracefs".as_ptr(), c"/sys/kernel/tracing".as_ptr());
    // SAFETY: C strings that live during the call; this file system takes no data.
    Errno::result(unsafe { libc::mount(kind, at, kind, 0, std::ptr::null()) }).map(drop)
}

/// The calling thread enters that network.
pub(crate) fn enter_network(namespace: BorrowedFd<'_>) -> Sys<()> {
    // SAFETY: takes a descriptor and flags.
    Errno::result(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// `struct ifreq` (netdevice(7)): a name and, here, 24 bytes that each request reads in its own way.
#[repr(C, align(8))]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    data: [u8; 24],
}

/// One netdevice(7) request about the interface of that name, by a socket of the network it is in. Gives back the data.
fn request(socket: BorrowedFd<'_>, name: &str, code: libc::c_ulong, data: &[u8]) -> Sys<[u8; 24]> {
    let mut request = InterfaceRequest { name: [0; libc::IFNAMSIZ], data: [0; 24] };
    if name.len() >= request.name.len() || data.len() > request.data.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    request.data[..data.len()].copy_from_slice(data);
    // SAFETY: the kernel reads and writes one ifreq, which is as large as this one; where its data is a pointer, the caller
    // has put one to a live value there.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), code as _, &raw mut request) }).map(|_| request.data)
}

/// Gives an interface its address and the length of its network's prefix.
pub(crate) fn set_address(socket: BorrowedFd<'_>, name: &str, address: Ipv4Addr, prefix: u8) -> Sys<()> {
    let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0));
    for (code, address) in [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, mask)] {
        // struct sockaddr_in: family, port, address.
        let mut data = [0; 16];
        data[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        data[4..8].copy_from_slice(&address.octets());
        request(socket, name, code, &data)?;
    }
    Ok(())
}

/// Switches an interface on.
pub(crate) fn set_up(socket: BorrowedFd<'_>, name: &str) -> Sys<()> {
    let flags = request(socket, name, libc::SIOCGIFFLAGS, &[])?;
    let flags = u16::from_ne_bytes([flags[0], flags[1]]) | libc::IFF_UP as u16;
    request(socket, name, libc::SIOCSIFFLAGS, &flags.to_ne_bytes()).map(drop)
}

/// Switches scatter-gather of a device on or off (`ETHTOOL_SSG`), and asks (`ETHTOOL_GSG`) whether it then is.
pub(crate) fn set_scatter_gather(socket: BorrowedFd<'_>, name: &str, on: bool) -> Sys<bool> {
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    const ETHTOOL_GSG: u32 = 0x18;
    const ETHTOOL_SSG: u32 = 0x19;
    let mut value = [ETHTOOL_SSG, u32::from(on)];
    for command in [ETHTOOL_SSG, ETHTOOL_GSG] {
        value[0] = command;
        let pointer = (&raw mut value) as usize;
        request(socket, name, SIOCETHTOOL, &pointer.to_ne_bytes())?;
    }
    Ok(value[1] != 0)
}
