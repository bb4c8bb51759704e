//! What experiments need around them, made when the first one asks for it: a directory, networks, a file system.

use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::ends::{self, Sink, Source};
use super::network::Network;
use super::options::Options;
use super::route::Route;
use super::sharing::Sharing;
use super::witness;
use crate::region::Region;
use crate::sys::laboratory::tracepoint::SystemCalls;

/// Either the thing, or why it is not to be had. An [`io::Error`] cannot be given out twice.
type Found<T> = Result<T, (io::ErrorKind, String)>;

pub(super) struct Setting {
    directory: PathBuf,
    loopback: OnceCell<Network>,
    pair: OnceCell<Found<Network>>,
    sharing: OnceCell<Found<Sharing>>,
    calls: OnceCell<Found<SystemCalls>>,
}

impl Setting {
    pub fn new(options: &Options) -> Self {
        Self {
            directory: options.directory.clone(),
            loopback: OnceCell::new(),
            pair: OnceCell::new(),
            sharing: OnceCell::new(),
            calls: OnceCell::new(),
        }
    }

    /// The ends of a route; a source of `length` times `byte`, and a sink with nobody who reads.
    pub fn ends(&self, route: Route, length: usize, byte: u8) -> io::Result<(Source, Sink)> {
        let sink = self.sink(route, length as u64)?;
        let source = match route {
            _ if route.starts_at_stream() => {
                Source::stream(self.loopback(), ends::filled(ends::nameless(&self.directory)?, length as u64, byte)?)?
            }
            Route::MemoryToPipe | Route::MemoryToTcp => Source::memory(length, byte)?,
            _ => Source::File(ends::filled(self.file(route)?, length as u64, byte)?),
        };
        Ok((source, sink))
    }

    /// The sink of a route, with room for so many bytes if it is memory.
    pub fn sink(&self, route: Route, length: u64) -> io::Result<Sink> {
        match route {
            Route::FileToMemory | Route::TcpToMemory => Sink::memory(length),
            Route::TcpToRegion => Region::receiving(length).map(Sink::Memory).map_err(crate::Error::whole),
            Route::FileToTls => Sink::tls(self.loopback()),
            Route::FileToPipe | Route::MemoryToPipe => Sink::pipe(),
            Route::FileToUnix => Sink::unix(),
            Route::FileToFile | Route::FileToFileMemory | Route::FileToFileSharing | Route::TcpToFile => {
                Ok(Sink::File(self.file(route)?))
            }
            Route::FileToTcp
            | Route::FileToTcpGather
            | Route::FileToTcpNoGather
            | Route::TcpToTcp
            | Route::MemoryToTcp => Sink::tcp(self.network(route)?.expect("these are the routes with one")),
        }
    }

    /// A new file of the kind that a route has.
    pub fn file(&self, route: Route) -> io::Result<File> {
        match route {
            Route::FileToFileMemory => ends::in_memory(),
            Route::FileToFileSharing => ends::nameless(self.sharing()?),
            _ => ends::nameless(&self.directory),
        }
    }

    /// The network that a route's bytes leave by or come from, if there is one; ready for the route's next connection.
    pub fn network(&self, route: Route) -> io::Result<Option<&Network>> {
        let gather = match route {
            Route::FileToTcp
            | Route::FileToTls
            | Route::TcpToFile
            | Route::TcpToTcp
            | Route::TcpToMemory
            | Route::TcpToRegion
            | Route::MemoryToTcp => {
                return Ok(Some(self.loopback()));
            }
            Route::FileToTcpGather => true,
            Route::FileToTcpNoGather => false,
            _ => return Ok(None),
        };
        let pair = found(self.pair.get_or_init(|| Network::pair().map_err(|error| kept(&error))))?;
        pair.set_scatter_gather(gather)?;
        Ok(Some(pair))
    }

    pub fn loopback(&self) -> &Network {
        self.loopback.get_or_init(Network::loopback)
    }

    /// The kernel's counter of this thread's system calls, or why there is none.
    pub fn system_calls(&self) -> Result<&SystemCalls, String> {
        let calls = self.calls.get_or_init(|| witness::system_calls().map_err(|error| kept(&error)));
        calls.as_ref().map_err(|(_, reason)| reason.clone())
    }

    fn sharing(&self) -> io::Result<&Path> {
        let sharing = self.sharing.get_or_init(|| Sharing::find(&self.directory).map_err(|error| kept(&error)));
        Ok(found(sharing)?.path())
    }
}

fn kept(error: &io::Error) -> (io::ErrorKind, String) {
    (error.kind(), error.to_string())
}

fn found<T>(kept: &Found<T>) -> io::Result<&T> {
    kept.as_ref().map_err(|(kind, reason)| io::Error::new(*kind, reason.clone()))
}
