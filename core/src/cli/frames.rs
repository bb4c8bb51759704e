//! What `zcio send` and `zcio recv` say to each other, so that neither takes a part for the whole.
//!
//! Each side begins with eight bytes that say who it is. Then come pieces, each behind its length (eight bytes, the highest
//! first), and after the last one a length of 0. The receiver answers with one byte when the bytes are where they belong: only
//! then is the sender done. On standard streams, which lead one way, there is neither a greeting from the receiver nor an answer.
//!
//! A file is one piece as long as it says it is. What a pipe or a terminal gives is sent in the pieces in which it comes.

use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::failure::Failure;
use super::watchdog::Watchdog;

/// What the sender begins with.
const SENDER: [u8; 8] = *b"zcio 1>\n";
/// What the receiver begins with.
const RECEIVER: [u8; 8] = *b"zcio 1<\n";
/// The receiver has everything.
const COMPLETE: [u8; 1] = *b".";

/// One side of the conversation over a descriptor.
pub(super) struct Frames<'a> {
    fd: BorrowedFd<'a>,
    /// A socket, over which the receiver can answer.
    answers: bool,
    watchdog: &'a Watchdog<'a>,
}

impl<'a> Frames<'a> {
    /// The sender's side; the receiver is there when this returns.
    pub fn to(fd: BorrowedFd<'a>, answers: bool, watchdog: &'a Watchdog<'a>) -> io::Result<Self> {
        let frames = Self { fd, answers, watchdog };
        frames.write("send", &SENDER)?;
        if answers {
            frames.meet("send", RECEIVER, "the other side sends, too")?;
        }
        Ok(frames)
    }

    /// The receiver's side; the sender is there when this returns.
    pub fn from(fd: BorrowedFd<'a>, answers: bool, watchdog: &'a Watchdog<'a>) -> io::Result<Self> {
        let frames = Self { fd, answers, watchdog };
        let met = if answers { frames.write("recv", &RECEIVER) } else { Ok(()) };
        let met = met.and_then(|()| frames.meet("recv", SENDER, "the other side receives, too"));
        met.map(|()| frames).map_err(|error| {
            let failure = Failure::of(error);
            // One who had left before the greeting came.
            let gone = [libc::ECONNRESET, libc::EPIPE].map(Some).contains(&failure.errno());
            if gone { nothing_came().into() } else { failure.into() }
        })
    }

    /// Reads the other side's greeting.
    fn meet(&self, operation: &str, expected: [u8; 8], same: &str) -> io::Result<()> {
        let mut greeting = [0; 8];
        self.watchdog.progress.says("waiting for the other side's zcio (another program needs --raw)".to_owned());
        let ours = if operation == "send" { SENDER } else { RECEIVER };
        let failure = match self.read(operation, &mut greeting)? {
            8 if greeting == expected => return Ok(()),
            8 if greeting == ours => Failure::new(operation, same),
            0 if operation == "recv" => nothing_came(),
            0 => Failure::new(operation, "the receiver ended without a word")
                .hint("for another program than zcio: --raw"),
            _ => Failure::new(operation, "the other side is not zcio").hint("for another program than zcio: --raw"),
        };
        Err(failure.into())
    }

    /// Announces a piece of this length.
    pub fn announce(&self, length: u64) -> io::Result<()> {
        self.write("send", &length.to_be_bytes())
    }

    /// Everything has been sent: waits until the receiver has it where it belongs.
    pub fn end(&self) -> io::Result<()> {
        self.announce(0)?;
        if !self.answers {
            return Ok(());
        }
        self.watchdog.progress.says("waiting for the receiver".to_owned());
        let mut answer = [0];
        match self.read("send", &mut answer)? {
            1 if answer == COMPLETE => Ok(()),
            _ => Err(Failure::new("send", "the receiver ended before it had everything in its place").into()),
        }
    }

    /// The length of the next piece, 0 after the last one.
    pub fn next(&self) -> io::Result<u64> {
        let mut length = [0; 8];
        match self.read("recv", &mut length)? {
            8 => Ok(u64::from_be_bytes(length)),
            _ => Err(part().into()),
        }
    }

    /// Tells the sender that all is done.
    pub fn confirm(&self) -> io::Result<()> {
        if self.answers { self.write("recv", &COMPLETE) } else { Ok(()) }
    }

    fn write(&self, operation: &str, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            self.watchdog.wait(operation, self.fd, PollFlags::POLLOUT)?;
            match nix::unistd::write(self.fd, &bytes[written..]) {
                Ok(count) => written += count,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(Errno::EPIPE) if !self.answers => {
                    return Err(super::failure::about_output(Errno::EPIPE.into()));
                }
                Err(errno) => return Err(Failure::os(operation, "", &errno.into()).into()),
            }
        }
        Ok(())
    }

    /// Reads until the bytes are full or the stream ends; gives back how many there are.
    fn read(&self, operation: &str, bytes: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            self.watchdog.wait(operation, self.fd, PollFlags::POLLIN)?;
            match nix::unistd::read(self.fd, &mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(Failure::os(operation, "", &errno.into()).into()),
            }
        }
        Ok(filled)
    }
}

/// As a port scan: whoever it was said nothing.
fn nothing_came() -> Failure {
    Failure::new("recv", "the sender ended without a byte").hint("the file is as it was")
}

/// The sender ended in the midst.
pub(super) fn part() -> Failure {
    Failure::new("recv", "the sender ended before everything had come")
        .hint("what has come is given up; the file is as it was")
}
