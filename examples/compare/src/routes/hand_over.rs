//! Bytes made by one process, looked at by another on the same machine: sent through a socket, or memory handed over.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use anyhow::{Context, Result};
use nix::sys::socket::{MsgFlags, recv};
use zcio::SharedRegion;
use zcio::region::{Peer, Seals};

use super::{Bench, Route, claimed, job};
use crate::lane::{Lane, Sample};
use crate::peer::Check;
use crate::pin::{Pinned, Side};
use crate::places::Place;
use crate::rust_lane::mapping;
use crate::subject::{self, Content, Subject, path_text};

/// What zcio sends along with a descriptor of shared memory; lanes that hand over by hand send the same.
pub const GREETING: [u8; 8] = *b"zcio-mem";

/// A producer and a consumer.
pub struct HandOver;

impl Route for HandOver {
    fn name(&self) -> &'static str {
        super::HAND_OVER
    }

    fn title(&self) -> &'static str {
        "hand-over to another process"
    }

    fn about(&self) -> &'static str {
        "The lane puts bytes into a UNIX socket, or into shared memory that it hands over; until the other process has \
         looked at one byte of every page and has said so."
    }

    fn memory(&self, point: u64) -> u64 {
        // The file, the lane's bytes, the shared memory, the consumer's bytes.
        point * 5
    }

    fn run(&self, bench: &Bench<'_>, lane: &mut Lane, point: u64, check: Check) -> Result<Sample> {
        let subject = bench.subjects.get(Place::Here, point)?;
        let times = bench.times(subject.bytes).min(64);
        let path = bench.new_file(Place::Here, "hand-over")?;
        let listener = UnixListener::bind(&path)?;
        let prepared = lane.prepare(&job(self, subject.text()?, path_text(&path)?)?.with("times", times)?);
        std::fs::remove_file(&path)?;
        prepared?;
        listener.set_nonblocking(true)?;
        let (stream, _) = listener.accept().context("the lane said it was ready and had not connected")?;
        stream.set_nonblocking(false)?;
        let cut = stream.try_clone()?;
        let pin = bench.pin;
        let (sample, consumed) = thread::scope(|scope| {
            let subject = &subject;
            let consumer = scope.spawn(move || {
                let _pinned = Pinned::here(pin, Side::Peer)?;
                let consumed = (0..times).try_for_each(|_| consume(&stream, subject, check));
                // The lane may be waiting for an answer that will not come, and another handle keeps the socket open.
                let _ = stream.shutdown(Shutdown::Both);
                consumed
            });
            let sample = lane.go();
            if sample.is_err() {
                let _ = cut.shutdown(Shutdown::Both);
            }
            (sample, consumer.join().expect("the consumer does not panic"))
        });
        consumed?;
        claimed(sample?, point * times)
    }
}

/// Takes what the lane gives, whichever way it comes, looks at it, and says so with one byte.
fn consume(mut stream: &UnixStream, subject: &Subject, check: Check) -> Result<()> {
    let mut first = [0; GREETING.len()];
    let greeted = recv(stream.as_raw_fd(), &mut first, MsgFlags::MSG_PEEK).context("the consumer failed")?;
    let content = if first[..greeted] == GREETING {
        let shared = SharedRegion::receive(stream.as_fd(), Peer::SameUser, Seals::SHRINK)?;
        look_at_memory(&shared, check)?
    } else {
        let mut bytes = vec![0; subject.bytes as usize];
        stream.read_exact(&mut bytes).context("the consumer failed")?;
        look_at(&bytes, check)?
    };
    content.expect(&subject.content(1)?)?;
    Ok(stream.write_all(&[1])?)
}

fn look_at_memory(shared: &SharedRegion, check: Check) -> Result<Content> {
    if check == Check::Count {
        return Ok(Content::counted(mapping::touch(&shared.region().view(..)?)));
    }
    let mut bytes = vec![0; shared.region().len() as usize];
    shared.region().read_at(0, &mut bytes)?;
    look_at(&bytes, check)
}

fn look_at(bytes: &[u8], check: Check) -> Result<Content> {
    if check == Check::Content {
        return subject::hash(bytes);
    }
    std::hint::black_box(bytes.iter().step_by(4096).map(|&byte| u64::from(byte)).sum::<u64>());
    Ok(Content::counted(bytes.len() as u64))
}
