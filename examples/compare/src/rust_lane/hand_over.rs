//! Bytes for another process: copied through a UNIX socket, or put into shared memory whose descriptor is handed over.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::os::fd::AsRawFd;
use zcio::SharedRegion;
use zcio::region::{Peer, Seals};

use super::{Job, Moved};
use crate::routes::hand_over::GREETING;

/// Gives the file's content away, again and again.
pub fn run(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let method = job.method;
    let times: u64 = job.number("times")?;
    let bytes = fs::read(job.source()?)?;
    let mut socket = UnixStream::connect(job.sink()?)?;
    job.timed(|| {
        for _ in 0..times {
            match method {
                "std" => socket.write_all(&bytes)?,
                "raw" | "control" => by_hand(&socket, &bytes)?,
                "zcio" => {
                    let shared = SharedRegion::create(bytes.len() as u64)?;
                    shared.region().write_at(0, &bytes)?;
                    shared.seal(Seals::SHRINK)?;
                    shared.send(socket.as_fd(), Peer::SameUser)?;
                }
                _ => bail!("no such method: {method}"),
            }
            socket.read_exact(&mut [0])?;
        }
        Ok(Moved { bytes: bytes.len() as u64 * times, ..Moved::default() })
    })
}

fn by_hand(socket: &UnixStream, bytes: &[u8]) -> Result<()> {
    let memory = File::from(memfd_create(c"by-hand", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    memory.set_len(bytes.len() as u64)?;
    memory.write_all_at(bytes, 0)?;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK))?;
    let descriptors = [memory.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&descriptors)];
    let greeting = [std::io::IoSlice::new(&GREETING)];
    sendmsg::<()>(socket.as_raw_fd(), &greeting, &control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}
