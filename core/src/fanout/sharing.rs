//! How the branches of a fan-out get what is in the window, and what becomes of it when a branch is dropped.

use super::branch::Sink;
use super::state::State;
use crate::delivery::{Delivery, may_be_copied};
use crate::error::{Error, Result};
use crate::mechanism::Mechanism;
use crate::pipe::Pipe;
use crate::report::Attempt;

/// Writes of single bytes in one step.
const ENOUGH: u32 = 4096;

impl State {
    /// Delivers to one sink what it has and, if that was everything, what the window has for it. True if it was given
    /// something.
    pub(super) fn serve(&mut self, index: usize, sink: &mut Sink<'_>, moved: &mut u64) -> Result<bool> {
        let (mut loaded, mut given) = (false, 0);
        loop {
            while self.branches[index].has_work(self.window.bytes()) {
                match self.branches[index].deliver(sink, self.window.bytes(), &mut self.calls) {
                    Ok(Delivery::Moved(count)) => {
                        self.settle(index, sink)?;
                        *moved += count as u64;
                        given += 1;
                        // The others, and a watcher, are not to wait for a window of single bytes.
                        if given == ENOUGH && sink.end.is_byte_by_byte() {
                            return Ok(loaded);
                        }
                    }
                    Ok(Delivery::Blocked) => return Ok(loaded),
                    Err(error) if sink.end.needs_the_room(&error) => self.settle(index, sink)?,
                    Err(error) => return Err(error),
                }
            }
            if !self.load(index)? {
                return Ok(loaded);
            }
            loaded = true;
        }
    }

    /// Puts the window's beginning into a branch that has nothing, if the branch has not had it yet.
    pub(super) fn load(&mut self, index: usize) -> Result<bool> {
        if self.branches[index].ahead > 0 || self.window.len() == 0 || self.window.bytes().is_some() {
            return Ok(false);
        }
        let others = self.branches.iter().enumerate().filter(|(other, branch)| *other != index && branch.is_live());
        let spare = others.map(|(_, branch)| branch.ahead).min().unwrap_or(usize::MAX);
        let lane = Pipe::get(self.branches[index].lane.pipe());
        match lane.and_then(|lane| self.window.share(lane, spare, &mut self.calls)) {
            Ok((count, true)) => {
                let others = self.branches.iter_mut().enumerate().filter(|(other, _)| *other != index);
                others.for_each(|(_, branch)| branch.ahead = branch.ahead.saturating_sub(count));
                Ok(true)
            }
            Ok((count, false)) => {
                self.branches[index].ahead = count;
                Ok(true)
            }
            Err(error) if may_be_copied(&error) => self.fall_back(&error).map(|()| true),
            Err(error) => Err(error),
        }
    }

    /// From now on the window is in memory and every sink is written from it.
    pub(super) fn fall_back(&mut self, refused: &Error) -> Result<()> {
        self.attempts.push(Attempt::of(Mechanism::Splice, self.taken, refused));
        self.window.move_to_memory(&mut self.calls)
    }

    /// A sink failed: what it had is dropped with it, unless it was the last one, whose bytes nobody else has.
    pub(super) fn drop_branch(&mut self, index: usize, error: Error) -> Result<()> {
        let branch = &mut self.branches[index];
        branch.error = Some(error.after(branch.lane.delivered));
        let live = self.branches.iter().filter(|branch| branch.is_live());
        let Some(common) = live.map(|branch| branch.ahead).min() else { return Ok(()) };
        self.branches[index].lane.take_pending(&mut self.calls)?;
        self.branches[index].ahead = usize::MAX;
        if common > 0 && self.window.bytes().is_none() {
            // The one that failed was the last that had not had the beginning.
            self.window.discard(common, &mut self.calls)?;
            self.branches.iter_mut().for_each(|branch| branch.ahead = branch.ahead.saturating_sub(common));
        }
        Ok(())
    }

    /// Whether every live branch has been given the whole window.
    pub(super) fn is_shared_out(&self) -> bool {
        match self.window.bytes() {
            None => self.window.len() == 0,
            Some(bytes) => self.branches.iter().all(|branch| !branch.is_live() || branch.ahead >= bytes.len()),
        }
    }
}
