//! The loop behind every future of this module: steps, waits, and lets others have the thread.

use ::tokio::task;

use super::waiter::Waiter;
use crate::error::Result;

/// So many bytes, and it is the other tasks' turn.
pub(super) const TURN: u64 = 1 << 20;

/// What one step did.
pub(super) enum Next {
    /// It is over.
    Done,
    /// Delivered that many bytes, or something else that is worth another step.
    Moved(u64),
    /// Nothing can be moved, and the waiter has been told until when.
    Wait,
}

/// An operation that moves what it can and says what it waits for.
pub(super) trait Steps {
    /// What it says of itself in the end.
    type Report;

    /// Gets ready to be stepped by a thread that must not sleep.
    fn start(&mut self) -> Result<()> {
        Ok(())
    }

    /// The loop is over, at the end of the operation or before.
    fn stop(&mut self) {}

    /// One step. It arms the waiter if it answers [`Next::Wait`].
    fn step(&mut self, waiter: &mut Waiter) -> Result<Next>;

    /// What has happened.
    fn report(&self) -> Self::Report;
}

/// However the loop ends, most of all by its future being dropped, the operation is told.
struct Run<'a, S: Steps>(&'a mut S);

impl<S: Steps> Drop for Run<'_, S> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs an operation to its end. Every await is between two steps.
pub(super) async fn drive<S: Steps>(operation: &mut S) -> Result<S::Report> {
    let run = Run(operation);
    run.0.start()?;
    let (mut waiter, mut turn) = (Waiter::default(), 0);
    loop {
        match run.0.step(&mut waiter)? {
            Next::Done => return Ok(run.0.report()),
            Next::Moved(count) => {
                waiter.note_progress();
                turn += count;
                if turn < TURN {
                    // Steps that move little, or nothing, are many.
                    task::coop::consume_budget().await;
                } else {
                    turn = 0;
                    task::yield_now().await;
                }
            }
            Next::Wait => {
                turn = 0;
                waiter.wait().await?;
            }
        }
    }
}
