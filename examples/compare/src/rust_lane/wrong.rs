//! Lanes that are wrong on purpose, on every route: tests use them to show that `compare` notices.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::Result;

use super::moving::wait_for_receiver;
use super::{Job, Moved};
use crate::families::rust::WRONG_BYTE;
use crate::routes::{
    FILE_TO_PIPE, FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS, HAND_OVER, MAP_CLOSE, MAPPED_SCAN, MAPPED_SUM, RANDOM_READ,
    RANDOM_READ_DIRECT, RELAY, SMALL_FILES, SMALL_RANGES, TCP_TO_FILE, TCP_TO_FILE_DURABLE,
};

/// Changes one byte; or, from its second job on, leaves the last one out. Either way it claims that it did not.
pub fn run(job: &mut Job<'_>) -> Result<(Moved, Duration)> {
    let (route, source, sink) = (job.route().to_string(), job.source()?, job.sink()?);
    let times: usize = job.number::<u64>("times")? as usize;
    let (changes, late) = (job.method == WRONG_BYTE, job.done_before > 0);
    let spoil = |content: &mut Vec<u8>| {
        let claimed = content.len() as u64;
        if changes {
            let middle = content.len() / 2;
            content[middle] ^= 1;
        } else if late {
            content.pop();
        }
        Moved { bytes: claimed, ..Moved::default() }
    };
    match route.as_str() {
        FILE_TO_TCP | FILE_TO_TCP_CONNECTIONS | SMALL_FILES | SMALL_RANGES => {
            let connections: u64 = job.number("connections")?;
            let mut content =
                if route == SMALL_FILES { whole_folder(&source)? } else { fs::read(&source)?.repeat(times) };
            let mut sockets = (0..connections).map(|_| TcpStream::connect(&sink)).collect::<Result<Vec<_>, _>>()?;
            job.timed(|| {
                let mut moved = spoil(&mut content);
                moved.bytes *= connections;
                for socket in &mut sockets {
                    socket.write_all(&content)?;
                    wait_for_receiver(socket)?;
                }
                Ok(moved)
            })
        }
        TCP_TO_FILE | TCP_TO_FILE_DURABLE | RELAY => {
            let mut from = TcpStream::connect(&source)?;
            let mut to = if route == RELAY { Some(TcpStream::connect(&sink)?) } else { None };
            job.timed(|| {
                let mut content = Vec::new();
                from.read_to_end(&mut content)?;
                let last = content.len() / times;
                let moved = spoil(&mut content);
                if let Some(to) = &mut to {
                    to.write_all(&content)?;
                    wait_for_receiver(to)?;
                } else {
                    let from = last * (times - 1);
                    // The one that is left over is the last of them; the byte in the middle must be in it.
                    content[from + 1] ^= u8::from(changes);
                    fs::write(&sink, &content[from..])?;
                }
                Ok(moved)
            })
        }
        MAPPED_SCAN | MAPPED_SUM | MAP_CLOSE | RANDOM_READ | RANDOM_READ_DIRECT => {
            let bytes = match job.request.get("blocks") {
                Some(blocks) => blocks.parse::<u64>()? * 4096,
                None => fs::metadata(&source)?.len() * times as u64,
            };
            job.timed(|| Ok(Moved { bytes, mechanism: None, digest: Some(1) }))
        }
        HAND_OVER => {
            let mut socket = UnixStream::connect(&sink)?;
            let mut content = fs::read(&source)?;
            job.timed(|| {
                let mut moved = spoil(&mut content);
                for _ in 0..times {
                    // A consumer that has noticed is gone, and this lane denies that, too.
                    let _ = socket.write_all(&content);
                    if (content.len() as u64) < moved.bytes {
                        socket.shutdown(Shutdown::Write)?;
                        break;
                    }
                    let _ = socket.read(&mut [0]);
                }
                moved.bytes *= times as u64;
                Ok(moved)
            })
        }
        _ => {
            let mut content = fs::read(&source)?.repeat(if route == FILE_TO_PIPE { times } else { 1 });
            let mut out = if route == FILE_TO_PIPE {
                OpenOptions::new().write(true).open(&sink)?
            } else {
                fs::File::create(&sink)?
            };
            job.timed(move || {
                let mut moved = spoil(&mut content);
                out.write_all(&content)?;
                if route != FILE_TO_PIPE {
                    moved.bytes *= times as u64;
                }
                Ok(moved)
            })
        }
    }
}

fn whole_folder(folder: &str) -> Result<Vec<u8>> {
    let mut names: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    names.sort();
    names.iter().try_fold(Vec::new(), |mut whole, path| {
        whole.append(&mut fs::read(path)?);
        Ok(whole)
    })
}
