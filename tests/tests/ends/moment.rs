//! Two holds: one that makes something happen between two steps, and one of an end that is lost, whose number is then given to
//! somebody else's file, as a language would that lets its objects be closed at any time.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex};

use zcio::error::Result;
use zcio::{Error, Hold};

use super::sources::Happening;

/// Makes something happen when it is entered for the so many-th time.
pub struct Moment(Mutex<(usize, Option<Happening>)>);

impl Moment {
    pub fn new(after: usize, event: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self(Mutex::new((after, Some(Box::new(event))))))
    }

    pub fn has_come(&self) -> bool {
        self.0.lock().unwrap().1.is_none()
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

impl Hold for Moment {
    fn enter(&self) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.0 == 0
            && let Some(event) = state.1.take()
        {
            event();
        }
        state.0 = state.0.saturating_sub(1);
        Ok(())
    }

    fn leave(&self) {}
}

/// The hold of a descriptor that is lost when somebody says so, and as soon as nobody is inside.
#[derive(Debug)]
pub struct Losable {
    /// Its number, if it has one, and whose it will be.
    number: Option<RawFd>,
    other: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inside: usize,
    lost: bool,
}

impl Losable {
    pub fn new(number: Option<RawFd>, other: File) -> Arc<Self> {
        Arc::new(Self { number, other, state: Mutex::default() })
    }

    pub fn lose(&self) {
        let mut state = self.state.lock().unwrap();
        state.lost = true;
        self.hand_over(&state);
    }

    pub fn is_empty(&self) -> bool {
        self.state.lock().unwrap().inside == 0
    }

    fn hand_over(&self, state: &State) {
        if let (0, true, Some(number)) = (state.inside, state.lost, self.number) {
            // SAFETY: the test owns both descriptors; that the number changes its meaning is what is tested.
            assert!(unsafe { libc::dup2(self.other.as_raw_fd(), number) } == number);
        }
    }
}

impl Hold for Losable {
    fn enter(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.lost {
            return Err(Error::closed("the end was closed"));
        }
        state.inside += 1;
        Ok(())
    }

    fn leave(&self) {
        let mut state = self.state.lock().unwrap();
        state.inside = state.inside.checked_sub(1).expect("left more often than entered");
        self.hand_over(&state);
    }
}
