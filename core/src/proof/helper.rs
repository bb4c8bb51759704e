//! The peer of a measured transfer, in a thread of its own: it sends everything, or throws everything away as cheaply as
//! the kernel can. What it costs is known from its own clock, so that it can be taken out of the bill.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{SpliceFFlags, splice};
use nix::sys::socket::{MsgFlags, recv};

use super::ends::{Near, Sink};
use crate::sys::by_number;
use crate::sys::laboratory::usage;

const BUFFER: usize = 256 << 10;

/// A thread that has begun.
pub(super) struct Helper {
    thread: i32,
    /// Held back until the measurement begins.
    go: SyncSender<()>,
    work: JoinHandle<io::Result<u64>>,
}

impl Helper {
    fn start(work: impl FnOnce(&Receiver<()>) -> io::Result<u64> + Send + 'static) -> io::Result<Self> {
        let (tell, told) = sync_channel(1);
        let (go, gone) = sync_channel(1);
        let work = std::thread::spawn(move || {
            let _ = tell.send(by_number::thread());
            let result = work(&gone);
            // A thread that has ended has no clock any more: it stays until nobody asks for its time.
            while gone.recv().is_ok() {}
            result
        });
        let thread = told.recv().map_err(io::Error::other)?;
        Ok(Self { thread, go, work })
    }

    /// Sends that many bytes into a stream.
    pub fn feeding(mut to: TcpStream, length: u64) -> io::Result<Self> {
        let bytes = vec![b'o'; BUFFER];
        Self::start(move |go| {
            let _ = go.recv();
            let mut left = length;
            while left > 0 {
                let count = left.min(BUFFER as u64) as usize;
                to.write_all(&bytes[..count])?;
                left -= count as u64;
            }
            to.shutdown(Shutdown::Write)?;
            Ok(length)
        })
    }

    /// Throws away what comes to a sink until its near end is closed, which is handed back; no helper for a file or memory.
    pub fn draining(sink: Sink) -> io::Result<(Near, Option<Self>)> {
        let mut buffer = vec![0; BUFFER];
        let (near, helper): (OwnedFd, _) = match sink {
            Sink::Memory(region) => return Ok((Near::Memory(region), None)),
            Sink::File(file) => (file.into(), None),
            Sink::Tcp(near, far) => {
                far.set_read_timeout(None)?;
                // MSG_TRUNC on TCP (tcp(7)): the bytes are counted and not copied.
                let discard = move || Ok(recv(far.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC)?);
                (near.into(), Some(Self::start(move |_| count_until_end(discard))?))
            }
            Sink::Unix(near, mut far) => {
                far.set_read_timeout(None)?;
                // This kind of socket has no way to discard.
                (near.into(), Some(Self::start(move |_| count_until_end(|| far.read(&mut buffer)))?))
            }
            Sink::Pipe(near, far) => {
                let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
                let discard = move || Ok(splice(&far, None, &nowhere, None, 1 << 20, SpliceFFlags::empty())?);
                (near.into(), Some(Self::start(move |_| count_until_end(discard))?))
            }
        };
        Ok((Near::Descriptor(near), helper))
    }

    /// Lets it begin, if it waits.
    pub fn go(&self) {
        // One that does not wait, or has ended, does not care.
        let _ = self.go.try_send(());
    }

    /// Processor time it has used so far.
    pub fn time(&self) -> Duration {
        usage::thread_time(self.thread).unwrap_or_default()
    }

    /// Waits for its end and gives the bytes it has seen.
    pub fn finish(self) -> io::Result<u64> {
        drop(self.go);
        self.work.join().unwrap_or_else(|_| Err(io::Error::other("the peer of a transfer panicked")))
    }
}

fn count_until_end(mut take: impl FnMut() -> io::Result<usize>) -> io::Result<u64> {
    let mut total = 0;
    loop {
        match take() {
            Ok(0) => return Ok(total),
            Ok(count) => total += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
