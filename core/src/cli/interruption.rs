//! Being stopped: a signal that was noted ends what the command waits for within a tenth of a second.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::failure::Failure;
pub(super) use crate::sys::interrupt::{Signals, pending};
use crate::sys::threads::without_signals;

/// How long a wait may last before it looks for a signal.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// For the core's watchers: stop if a signal came.
pub(super) fn look() -> ControlFlow<()> {
    if pending().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// What a command that was stopped before it had moved anything gives up with.
pub(super) fn interrupted(operation: &str) -> io::Error {
    Failure::new(operation, "interrupted").into()
}

/// An error if a signal came.
pub(super) fn check(operation: &str) -> io::Result<()> {
    if pending().is_some() { Err(interrupted(operation)) } else { Ok(()) }
}

/// The result of work that may wait without a limit of its own (resolving a name, connecting, opening a FIFO), for as long as
/// `check` has no error. The work is then left to itself: the command is about to end.
pub(super) fn wait_while<T, E>(
    operation: &str,
    check: &dyn Fn() -> io::Result<()>,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> io::Result<T>
where
    T: Send + 'static,
    E: Into<io::Error> + Send + 'static,
{
    let (sender, receiver) = channel();
    let work = move || {
        // Nobody listens any more after an interruption.
        let _ = sender.send(work());
    };
    without_signals(|| std::thread::Builder::new().spawn(work))?;
    loop {
        match receiver.recv_timeout(LOOK_EVERY) {
            Ok(result) => {
                return result.map_err(|error| match error.into() {
                    // The kernel may give the signal to the thread that works, whose own call it ends.
                    error if error.kind() == io::ErrorKind::Interrupted && pending().is_some() => {
                        interrupted(operation)
                    }
                    error => error,
                });
            }
            Err(RecvTimeoutError::Timeout) => check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::new(operation, "a defect in zcio").into()),
        }
    }
}
