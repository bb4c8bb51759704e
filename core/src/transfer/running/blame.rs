//! Whose fault it was: the end that an error names, by the call that failed and by what the two ends are.

use nix::errno::Errno;

use super::Running;
use crate::connection;
use crate::endpoint::{Endpoint, Kind};
use crate::error::{Error, ErrorKind};
use crate::step::Side;

impl Running<'_, '_> {
    /// Says at which end it was: its path, or both ends where the call was about both and does not say.
    pub(super) fn locate(&self, error: Error) -> Error {
        let error = connection::explain(connection::explain(error, self.source), self.sink);
        match culprit(&error, self.source.known().kind, self.sink.known().kind) {
            Culprit::End(Side::Source) => error.at(self.source.path()),
            Culprit::End(Side::Sink) => error.at(self.sink.path()),
            // Named where there is a name: of two descriptors the caller knows as much.
            Culprit::Either if error.path().is_none() && (self.source.path().or(self.sink.path())).is_some() => {
                error.between(&name(self.source), &name(self.sink))
            }
            Culprit::Either | Culprit::Neither => error,
        }
    }
}

fn name(end: &Endpoint<'_>) -> String {
    end.path().map_or_else(|| format!("the {}", end.known().kind.name()), |path| path.display().to_string())
}

/// Who had an error.
enum Culprit {
    End(Side),
    /// One of the ends: the kernel does not say which.
    Either,
    /// A pipe, a ring or a thread of our own.
    Neither,
}

fn culprit(error: &Error, source: Kind, sink: Kind) -> Culprit {
    if let Some(side) = error.side() {
        return Culprit::End(side);
    }
    match error.operation() {
        "read" | "pread" | "recv" | "mmap" | "fstat" => return Culprit::End(Side::Source),
        // Movers ask for the sink's position only; the source's is the engine's.
        "write" | "pwrite" | "send" | "lseek" | "fstatfs" => return Culprit::End(Side::Sink),
        "sendfile" | "copy_file_range" | "splice" | "ioctl_ficlone" | "ioctl_ficlonerange" => {}
        _ => return Culprit::Neither,
    }
    match error.kind() {
        ErrorKind::StorageFull => Culprit::End(Side::Sink),
        _ if error.errno() == Some(Errno::EPIPE as i32) => Culprit::End(Side::Sink),
        ErrorKind::PeerClosed | ErrorKind::NotConnected if !source.is_socket() => Culprit::End(Side::Sink),
        ErrorKind::PeerClosed | ErrorKind::NotConnected if !sink.is_socket() => Culprit::End(Side::Source),
        _ => Culprit::Either,
    }
}
