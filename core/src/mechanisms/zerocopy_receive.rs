//! `TCP_ZEROCOPY_RECEIVE`: pages of a TCP socket's queue become pages of a region, instead of being copied into memory.
//!
//! The sink is a region that was made for it ([`crate::Region::receiving`]), and nothing else. What would be gained by pages that
//! go on to a file, a pipe or a socket, splice(2) has already, without a mapping; into somebody's own memory no page can be
//! mapped, because pages of a queue may not be written; and a range that is a mapping of the socket itself, as the kernel wants
//! it, has holes whose loads are SIGBUS. A program that wants to look at what it receives, to parse it, to compress it, to hash
//! it, finds it in the region as one piece.
//!
//! The kernel maps whole pages only: a queue whose buffers are no single whole pages (most network devices', loopback's with
//! compound pages, a sender whose segments are no multiple of a page) has none to be mapped. What cannot be mapped at its place is
//! copied by recv(2), as the kernel says how much, and to the end of the page; where the stream then lies beside the sender's pages,
//! it is copied to its end. How much was mapped, the report says. That costs two system calls and the page
//! tables' work, which is why the plan never chooses it.
//!
//! Nobody else can change a page of a queue: those of files and of senders' memory (sendfile(2), `MSG_ZEROCOPY`) are never mapped.

use nix::errno::Errno;

use super::mover::gone;
use super::{Advance, Definition, Mover, Route, Stop, mechanism};
use crate::copies::{Copies, KnownBy};
use crate::demand::Demand;
use crate::endpoint::{Facts, Kind};
use crate::error::Error;
use crate::probe::{Asked, Probe};
use crate::region::Window;
use crate::step::Side;
use crate::sys::SyscallCounter;
use crate::sys::memory::page_size;

mechanism! {
    /// getsockopt(2) with `TCP_ZEROCOPY_RECEIVE`: pages of a TCP socket's queue are mapped into a region made for it
    /// ([`crate::Region::receiving`]); what cannot be mapped is copied. Never chosen automatically.
    ZerocopyReceive = "zerocopy_receive", proven on TcpToRegion;
}

/// What is asked for at once: more than a queue usually holds.
const WINDOW: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct ZerocopyReceive {
    window: Option<Window>,
    /// Whether the region's pages are its own again where nothing has arrived.
    is_ready: bool,
    /// Bytes that the kernel has said can only be read.
    to_read: usize,
    mapped: u64,
    copied: u64,
}

impl Definition for ZerocopyReceive {
    const PROBE: Probe = Probe::since(4, 18).here(ask);

    fn impossible(source: &Facts, sink: &Facts, _demand: Demand) -> Option<&'static str> {
        match source.kind {
            _ if !sink.receives => Some("its sink must be a region made for it (Region::receiving)"),
            Kind::Tcp => None,
            _ => Some("its source must be a TCP socket"),
        }
    }

    /// The kernel says of each page whether it was mapped.
    fn copies(_source: Kind, _sink: Kind) -> Option<u8> {
        None
    }
}

impl Mover for ZerocopyReceive {
    fn advance(&mut self, route: &mut Route<'_>, limit: u64) -> Result<Advance, Stop> {
        let view = route.sink_end.receiving().expect("the plan asks for a region that receives");
        let at = route.sink_at().unwrap_or(0);
        if !self.is_ready {
            let end = route.progress.end().unwrap_or(u64::MAX);
            view.make_own(at as usize..usize::try_from(end).unwrap_or(usize::MAX))
                .map_err(|errno| Stop::Failed(Error::os("mmap", errno)))?;
            self.is_ready = true;
        }
        let room = view.receiving_span().expect("as above").part(at, limit);
        let (page, place) = (page_size(), room.as_mut_ptr() as usize);
        let pages = room.len().min(WINDOW) / page * page;
        if self.to_read == 0 && pages > 0 && place.is_multiple_of(page) {
            let kept = self.window.take().filter(|window| window.span().len() >= pages);
            let window = if let Some(window) = kept {
                window
            } else {
                route.calls.made += 1;
                match Window::map(route.source(), pages) {
                    Ok(window) => window,
                    // The process has as many mappings as it should, or no room: the rest can only be copied.
                    Err(Errno::ENOMEM) => {
                        self.to_read = usize::MAX;
                        return Ok(Advance::Moved(0));
                    }
                    Err(errno) => return Err(Stop::sort("mmap", errno, refusal)),
                }
            };
            match route.calls.map_received(route.source(), window.span().part(0, pages as u64)) {
                Ok(found) => {
                    self.to_read = found.to_read;
                    if found.mapped > 0 {
                        // mremap(2), and munmap(2) of what is left.
                        route.calls.made += 2;
                        view.put(at as usize, window, found.mapped)
                            .map_err(|errno| Stop::Failed(Error::os("mremap", errno)))?;
                        self.mapped += found.mapped as u64;
                        return Ok(route.moved(found.mapped, found.mapped));
                    }
                    if found.to_read == 0 {
                        // What comes at this very moment is to be mapped, and not taken by a recv(2).
                        self.window = Some(window);
                        return match route.calls.peek(route.source()) {
                            Ok(0) => Ok(Advance::Ended),
                            Ok(_) => Ok(Advance::Moved(0)),
                            Err(Errno::EINTR) => Ok(Advance::Interrupted),
                            Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Source)),
                            Err(errno) => Err(Stop::Failed(Error::os("recv", errno))),
                        };
                    }
                }
                // The end; recv(2) says so.
                Err(Errno::EIO) => {}
                Err(Errno::EINTR) => return Ok(Advance::Interrupted),
                Err(Errno::EAGAIN) => return Ok(Advance::Blocked(Side::Source)),
                Err(errno) => return Err(Stop::sort("getsockopt", errno, refusal)),
            }
            self.window = Some(window);
        }
        // Inside a page: to its end, where pages may begin again, as they do behind a segment that was cut by the peer's window.
        let beside = (place.next_multiple_of(page) - place) as u64;
        let most = match self.to_read {
            0 if beside > 0 => beside,
            0 => u64::MAX,
            to_read => to_read as u64,
        };
        let received = view.while_stored_to(|| route.calls.receive_span_now(route.source(), room.part(0, most)));
        match received {
            Ok(0) => Ok(Advance::Ended),
            Ok(count) => {
                self.to_read = self.to_read.saturating_sub(count);
                self.copied += count as u64;
                Ok(route.moved(count, count))
            }
            Err(Errno::EINTR) => Ok(Advance::Interrupted),
            Err(Errno::EAGAIN) => Ok(Advance::Blocked(Side::Source)),
            Err(Errno::EFAULT) => Err(Stop::Failed(gone("recv"))),
            Err(errno) => Err(Stop::Failed(Error::os("recv", errno))),
        }
    }

    fn verdict(&self) -> Option<Copies> {
        let count = match (self.mapped, self.copied) {
            (0, 0) => return None,
            (_, 0) => Some(0),
            (0, _) => Some(1),
            // Some were and some were not: see `Report::mapped`.
            _ => None,
        };
        Some(Copies { count, known_by: KnownBy::Kernel })
    }

    fn mapped(&self) -> u64 {
        self.mapped
    }
}

fn ask() -> Asked {
    use std::os::fd::AsFd;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let tcp = |family| socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    // A network namespace can be without one of the two.
    let socket = tcp(AddressFamily::Inet).or_else(|_| tcp(AddressFamily::Inet6))?;
    // A socket that is not connected says that it is not (ENOTCONN) where it knows the question.
    Ok(Window::map(socket.as_fd(), page_size()).and_then(|window| {
        match SyscallCounter::default().map_received(socket.as_fd(), window.span()) {
            Err(Errno::ENOTCONN | Errno::EIO) | Ok(_) => Ok(()),
            Err(errno) => Err(errno),
        }
    }))
}

fn refusal(errno: Errno) -> Option<&'static str> {
    match errno {
        // mmap(2) of a socket: a kernel or a protocol (MPTCP, SMC) without it.
        Errno::ENODEV => Some("the queue of this socket cannot be mapped"),
        Errno::EINVAL | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EPERM => {
            Some("the kernel does not map this socket's pages, or a filter forbids it")
        }
        Errno::ENOMEM => Some("no room for a mapping"),
        _ => None,
    }
}
