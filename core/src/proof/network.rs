//! The networks that TCP routes go over: loopback, and a pair of virtual Ethernet devices whose scatter-gather can be
//! switched.
//!
//! Where this process may (root), both are in network namespaces of their own: their counters count nobody else's bytes,
//! and nothing of the machine's own network is touched. The namespaces have no names and end with this value.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use super::counters;
use super::privilege::{in_thread, without_root};
use super::veth;
use crate::sys::laboratory::namespace;

const NEAR: (&str, Ipv4Addr) = ("zcio0", Ipv4Addr::new(192, 0, 2, 1));
const FAR: (&str, Ipv4Addr) = ("zcio1", Ipv4Addr::new(192, 0, 2, 2));

/// A network namespace.
#[derive(Debug)]
struct Namespace {
    handle: File,
    /// Its counters of bytes, which a descriptor keeps showing wherever it is read.
    counters: File,
    /// For requests about its interfaces.
    control: UdpSocket,
}

impl Namespace {
    fn new() -> io::Result<Self> {
        in_thread(|| {
            namespace::unshare_network().map_err(without_root)?;
            let opened = Self {
                handle: File::open("/proc/thread-self/ns/net")?,
                counters: File::open("/proc/thread-self/net/dev")?,
                control: UdpSocket::bind("0.0.0.0:0")?,
            };
            namespace::set_up(opened.control.as_fd(), "lo")?;
            Ok(opened)
        })
    }

    /// Does something in it.
    fn inside<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        in_thread(|| {
            namespace::enter_network(self.handle.as_fd())?;
            work()
        })
    }
}

/// Where connections are made.
#[derive(Debug)]
pub(super) enum Network {
    /// Loopback, in a namespace of its own or the machine's.
    Loopback(Option<Namespaces>),
    /// The pair of devices.
    Pair(Namespaces),
}

/// Where the sender is, and where the receiver is. Both may be the same.
#[derive(Debug)]
pub(super) struct Namespaces {
    near: Namespace,
    far: Option<Namespace>,
}

impl Network {
    /// Loopback; the machine's own if this process may not make another.
    pub fn loopback() -> Self {
        Self::Loopback(Namespace::new().ok().map(|near| Namespaces { near, far: None }))
    }

    /// Two devices joined to each other.
    pub fn pair() -> io::Result<Self> {
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let made = near.inside(|| veth::create(NEAR.0, FAR.0, far.handle.as_raw_fd()));
        made.map_err(|error| io::Error::new(error.kind(), format!("a pair of veth devices: {error}")))?;
        for (namespace, (name, address)) in [(&near, NEAR), (&far, FAR)] {
            namespace::set_address(namespace.control.as_fd(), name, address, 30)?;
            namespace::set_up(namespace.control.as_fd(), name)?;
        }
        Ok(Self::Pair(Namespaces { near, far: Some(far) }))
    }

    /// Switches scatter-gather of the sender's device: connections made from now on have it so.
    pub fn set_scatter_gather(&self, on: bool) -> io::Result<()> {
        let Self::Pair(pair) = self else { return Err(io::Error::other("only a pair of devices has the switch")) };
        if namespace::set_scatter_gather(pair.near.control.as_fd(), NEAR.0, on)? == on {
            return Ok(());
        }
        Err(io::Error::other("the device did not switch scatter-gather"))
    }

    /// A connection: the end that sends, and the one that receives.
    pub fn connect(&self) -> io::Result<(TcpStream, TcpStream)> {
        let listen = |address| move || TcpListener::bind(SocketAddr::from((address, 0)));
        let (listener, near) = match self {
            Self::Loopback(None) => (listen(Ipv4Addr::LOCALHOST)()?, None),
            Self::Loopback(Some(own)) => (own.near.inside(listen(Ipv4Addr::LOCALHOST))?, Some(&own.near)),
            Self::Pair(pair) => {
                let far = pair.far.as_ref().expect("a pair has two ends");
                (far.inside(listen(FAR.1))?, Some(&pair.near))
            }
        };
        let address = listener.local_addr()?;
        let connect = || TcpStream::connect(address);
        let sender = near.map_or_else(connect, |near| near.inside(connect))?;
        Ok((sender, listener.accept()?.0))
    }

    /// Bytes that its device has sent so far.
    pub fn sent(&self) -> io::Result<u64> {
        let (text, device) = match self {
            Self::Loopback(None) => (std::fs::read_to_string("/proc/net/dev")?, "lo"),
            Self::Loopback(Some(own)) => (read_again(&own.near.counters)?, "lo"),
            Self::Pair(pair) => (read_again(&pair.near.counters)?, NEAR.0),
        };
        counters::sent(&text, device).ok_or_else(|| io::Error::other("/proc/net/dev does not name the device"))
    }
}

fn read_again(file: &File) -> io::Result<String> {
    let (mut bytes, mut end) = (vec![0; 4096], 0);
    loop {
        match file.read_at(&mut bytes[end..], end as u64)? {
            0 => break,
            count => end += count,
        }
        bytes.resize(end + 4096, 0);
    }
    bytes.truncate(end);
    String::from_utf8(bytes).map_err(io::Error::other)
}
