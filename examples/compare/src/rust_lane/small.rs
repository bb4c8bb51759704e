//! Many small transfers over one connection: small files, and small ranges of one file.

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::sendfile::sendfile;
use zcio::{Batch, Endpoint, Item, Transfer};

use super::moving::wait_for_receiver;
use super::{Job, Moved};

/// Opens, sends and closes every file of a folder.
pub fn files(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (method, folder) = (job.method, job.source()?);
    let (count, each): (u64, u64) = (job.number("files")?, job.number("bytes")?);
    let paths: Vec<_> = (0..count).map(|index| Path::new(&folder).join(format!("{index:05}"))).collect();
    let mut socket = TcpStream::connect(job.sink()?)?;
    // Made once and kept, as its documentation says.
    let mut batch = (method == "zcio").then(Batch::new);
    job.timed(|| {
        let moved = match (method, &mut batch) {
            (_, Some(batch)) => batched(batch, &paths, &socket, each)?,
            ("zcio_each", _) => transfers(&paths, &socket)?,
            ("raw" | "control", _) => bare(&paths, &socket, each)?,
            _ => bail!("no such method: {method}"),
        };
        wait_for_receiver(&mut socket)?;
        Ok(moved)
    })
}

fn bare(paths: &[PathBuf], socket: &TcpStream, each: u64) -> Result<Moved> {
    let mut bytes = 0;
    for path in paths {
        let file = File::open(path)?;
        let mut left = each as usize;
        while left > 0 {
            match sendfile(socket, &file, None, left)? {
                0 => bail!("{} has become shorter", path.display()),
                sent => left -= sent,
            }
        }
        bytes += each;
    }
    Ok(Moved { bytes, ..Moved::default() })
}

fn transfers(paths: &[PathBuf], socket: &TcpStream) -> Result<Moved> {
    let end = Endpoint::new(socket.as_fd())?;
    let mut moved = Moved::default();
    for path in paths {
        let report = Transfer::new(Endpoint::open(path)?, end.borrow()).run()?;
        moved.bytes += report.bytes;
        moved.mechanism = Some(report.mechanism.name());
    }
    Ok(moved)
}

fn batched(batch: &mut Batch, paths: &[PathBuf], socket: &TcpStream, each: u64) -> Result<Moved> {
    let items: Vec<_> = paths.iter().map(|path| Item::new(path.as_path(), socket.as_fd()).count(each)).collect();
    let mut moved = Moved::default();
    for item in batch.run(&items).items {
        let item = item?;
        moved.bytes += item.bytes;
        moved.mechanism = Some(item.mechanism.name());
    }
    Ok(moved)
}

/// Sends a file in pieces; the ends are made once.
pub fn ranges(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let method = job.method;
    let each: u64 = job.number("bytes")?;
    let file = File::open(job.source()?)?;
    let pieces = file.metadata()?.len() / each;
    let mut socket = TcpStream::connect(job.sink()?)?;
    let (source, sink) = (Endpoint::new(file.as_fd())?, socket.try_clone()?);
    let sink = Endpoint::new(sink.as_fd())?;
    job.timed(|| {
        let mut moved = Moved::default();
        for piece in 0..pieces {
            if method == "zcio" {
                let mut transfer = Transfer::new(source.borrow(), sink.borrow()).offset(piece * each).count(each);
                let report = transfer.run()?;
                moved.bytes += report.bytes;
                moved.mechanism = Some(report.mechanism.name());
            } else {
                moved.bytes += sendfile(&socket, &file, Some(&mut ((piece * each) as i64)), each as usize)? as u64;
            }
        }
        wait_for_receiver(&mut socket)?;
        Ok(moved)
    })
}
