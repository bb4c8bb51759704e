//! One transfer by one lane, with what stands at its other end, and the check of what arrived.
//!
//! Timed or not, a trial succeeds only if the receiving end has what it should: every byte by SHA-256 when the content is
//! checked, the number of bytes otherwise. What the lane itself claims has to agree, and is never enough.

use std::fs::{self, File};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::lane::{Lane, Sample};
use crate::peer::{self, Content, Peer};
use crate::protocol::Message;
use crate::route::Route;

/// The file that is moved.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its size in bytes, never 0.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Subject {
    /// Reads the whole file, which also brings it into the page cache.
    pub fn open(path: &Path) -> Result<Self> {
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        ensure!(path.is_file(), "{} is not a regular file", path.display());
        let opened = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let content = peer::hash(opened)?;
        ensure!(content.bytes > 0, "{} is empty: there is nothing to measure", path.display());
        Ok(Self { path, bytes: content.bytes, sha256: content.sha256.unwrap_or_default() })
    }

    fn expect(&self, arrived: &Content) -> Result<()> {
        ensure!(arrived.bytes == self.bytes, "{} bytes arrived instead of {}", arrived.bytes, self.bytes);
        if let Some(sha256) = &arrived.sha256 {
            ensure!(*sha256 == self.sha256, "other bytes arrived: SHA-256 {sha256} instead of {}", self.sha256);
        }
        Ok(())
    }
}

/// How closely the receiving end looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// At every byte. Too expensive to be timed.
    Content,
    /// At their number.
    Count,
}

/// Everything a trial needs besides its lane.
pub struct Trial<'a> {
    /// What is moved.
    pub subject: &'a Subject,
    /// Where lanes make their new files; nothing else is in it.
    pub folder: &'a Path,
}

impl Trial<'_> {
    /// One transfer by that lane. The error names the lane and the route.
    pub fn run(&self, lane: &mut Lane, route: Route, check: Check) -> Result<Sample> {
        let sample = match route {
            Route::FileToTcp => self.file_to_tcp(lane, check),
            Route::TcpToFile => self.tcp_to_file(lane, check),
            Route::FileToFile => self.file_to_file(lane, check),
        };
        let claimed = sample.and_then(|sample| {
            ensure!(sample.bytes == self.subject.bytes, "it says it moved {} bytes", sample.bytes);
            Ok(sample)
        });
        claimed.with_context(|| format!("{}, {route}", lane.title(route)))
    }

    fn file_to_tcp(&self, lane: &mut Lane, check: Check) -> Result<Sample> {
        let to = |sink: SocketAddr| job(Route::FileToTcp, path_text(&self.subject.path)?, &sink.to_string());
        let (sample, arrived) = beside_a_peer(lane, to, |stream| match check {
            Check::Content => peer::hash(stream),
            Check::Count => peer::discard(stream),
        })?;
        self.subject.expect(&arrived)?;
        Ok(sample)
    }

    fn tcp_to_file(&self, lane: &mut Lane, check: Check) -> Result<Sample> {
        let sink = self.folder.join("received");
        let from = |source: SocketAddr| job(Route::TcpToFile, &source.to_string(), path_text(&sink)?);
        let (sample, ()) = beside_a_peer(lane, from, |stream| {
            match check {
                Check::Content => peer::send_file(stream, &self.subject.path, self.subject.bytes)?,
                Check::Count => peer::send_block(stream, self.subject.bytes)?,
            }
            Ok(stream.shutdown(Shutdown::Write)?)
        })?;
        self.take_away(&sink, check)?;
        Ok(sample)
    }

    fn file_to_file(&self, lane: &mut Lane, check: Check) -> Result<Sample> {
        let sink = self.folder.join("copied");
        lane.prepare(&job(Route::FileToFile, path_text(&self.subject.path)?, path_text(&sink)?)?)?;
        let sample = lane.go()?;
        self.take_away(&sink, check)?;
        Ok(sample)
    }

    /// Checks a file that a lane has made, and removes it.
    fn take_away(&self, made: &Path, check: Check) -> Result<()> {
        let arrived = match check {
            Check::Content => peer::hash(File::open(made)?)?,
            Check::Count => Content { bytes: fs::metadata(made)?.len(), sha256: None },
        };
        fs::remove_file(made)?;
        self.subject.expect(&arrived)
    }
}

/// Runs a lane with `duty` at the other end of its connection.
fn beside_a_peer<T: Send>(
    lane: &mut Lane,
    job: impl FnOnce(SocketAddr) -> Result<Message>,
    duty: impl FnOnce(&TcpStream) -> Result<T> + Send,
) -> Result<(Sample, T)> {
    let peer = Peer::listen()?;
    lane.prepare(&job(peer.address()?)?)?;
    let stream = peer.accept()?;
    thread::scope(|scope| {
        // The lane waits for the connection to be closed, so the thread owns it; the other handle is for a lane that
        // fails and leaves the peer waiting.
        let cut = stream.try_clone()?;
        let duty = scope.spawn(move || {
            let outcome = duty(&stream);
            // A receiver is done here, and the lane may know it. A sender's lane has yet to read.
            let _ = stream.shutdown(Shutdown::Write);
            outcome
        });
        let sample = lane.go();
        if sample.is_err() {
            // It fails only if the connection is gone already.
            let _ = cut.shutdown(Shutdown::Both);
        }
        let outcome = duty.join().expect("the peer does not panic");
        Ok((sample?, outcome?))
    })
}

fn job(route: Route, source: &str, sink: &str) -> Result<Message> {
    Message::new("job").with("route", route.name())?.with("source", source)?.with("sink", sink)
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8, which the lanes' protocol is", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_accepts_only_itself() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"abc").unwrap();
        let subject = Subject::open(file.path()).unwrap();
        let hashed = |bytes: &[u8]| peer::hash(bytes).unwrap();
        assert!(subject.expect(&hashed(b"abc")).is_ok());
        assert!(subject.expect(&hashed(b"abd")).unwrap_err().to_string().contains("other bytes arrived"));
        assert!(subject.expect(&hashed(b"ab")).is_err());
        assert!(subject.expect(&Content { bytes: 3, sha256: None }).is_ok());
        assert!(subject.expect(&Content { bytes: 2, sha256: None }).is_err());
    }

    #[test]
    fn an_empty_or_a_missing_file_or_a_folder_cannot_be_measured() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, b"").unwrap();
        for path in [empty.as_path(), folder.path(), &folder.path().join("missing")] {
            assert!(Subject::open(path).is_err(), "{}", path.display());
        }
    }
}
