//! One rtnetlink(7) message: a pair of virtual Ethernet devices, one of them put into another network namespace (veth(4)).

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

use super::privilege::without_root;

const RTM_NEWLINK: u16 = 16;
/// Request, acknowledge, create, and not if it is there.
const FLAGS: u16 = 0x1 | 0x4 | 0x400 | 0x200;
const NLMSG_ERROR: u16 = 2;
const HEADER: usize = 16;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// `struct ifinfomsg`: of any family, with no index and no flags.
const ANY_LINK: [u8; 16] = [0; 16];

/// Makes a device here and its peer in the namespace of that descriptor.
pub(super) fn create(name: &str, peer: &str, namespace: RawFd) -> io::Result<()> {
    let peer = [
        ANY_LINK.to_vec(),
        attribute(IFLA_IFNAME, &text(peer)),
        attribute(IFLA_NET_NS_FD, &(namespace as u32).to_ne_bytes()),
    ];
    let data = attribute(VETH_INFO_PEER, &peer.concat());
    let info = [attribute(IFLA_INFO_KIND, &text("veth")), attribute(IFLA_INFO_DATA, &data)];
    let body = [ANY_LINK.to_vec(), attribute(IFLA_IFNAME, &text(name)), attribute(IFLA_LINKINFO, &info.concat())];
    ask(&body.concat())
}

/// Sends a request and waits for the acknowledgement, which is an error number of 0.
fn ask(body: &[u8]) -> io::Result<()> {
    let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    // Sequence number and sender: one message on a socket of its own needs neither.
    message.extend([0; 8]);
    message.extend(body);
    let kind = SockType::Raw;
    let socket = socket(AddressFamily::Netlink, kind, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 4096];
    let count = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let answer = &answer[..count];
    if answer.len() < HEADER + 4 || answer[4..6] != NLMSG_ERROR.to_ne_bytes() {
        return Err(io::Error::other("netlink answered something else"));
    }
    let errno: [u8; 4] = answer[HEADER..HEADER + 4].try_into().expect("four bytes");
    match -i32::from_ne_bytes(errno) {
        0 => Ok(()),
        errno => Err(without_root(Errno::from_raw(errno))),
    }
}

/// A type, a length and a value, filled up to a multiple of four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A string with its end.
fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), &[0]].concat()
}
