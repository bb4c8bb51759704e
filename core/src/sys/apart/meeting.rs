//! Where a job that one thread does meets the thread that waits for it: only that one can do some things, as its language
//! or its rights demand.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

thread_local! {
    /// Of the job that is at work in this thread.
    static MEETING: Cell<*const Meeting> = const { Cell::new(ptr::null()) };
}

/// Who waits for the work: only the calling thread can do some things, as its language demands.
#[derive(Debug)]
pub struct Caller<'a> {
    meeting: Option<&'a Meeting>,
    _here: PhantomData<*const ()>,
}

impl Caller<'_> {
    /// For work that is done by the caller's own thread.
    pub const HERE: Self = Caller { meeting: None, _here: PhantomData };

    /// Does this in the calling thread, and waits for it.
    ///
    /// # Panics
    ///
    /// If it panics there.
    pub fn call<R: Send>(&self, ask: impl FnOnce() -> R + Send) -> R {
        let Some(meeting) = self.meeting else { return ask() };
        let (mut ask, mut answer) = (Some(ask), None);
        let mut call = || answer = ask.take().map(|ask| ask());
        let call: &mut (dyn FnMut() + Send + '_) = &mut call;
        // SAFETY: only the lifetime changes; nobody calls it once the turn is back here.
        let call: *mut (dyn FnMut() + Send + 'static) = unsafe { std::mem::transmute(call) };
        meeting.pass(Turn::Call(Call(call)));
        meeting.wait_for_answer();
        answer.expect("what was asked of the calling thread was answered")
    }
}

/// Does this in the thread that waits for the job which is at work in this one, because it depends on the thread's rights; here,
/// if there is none.
pub(crate) fn ask<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    // SAFETY: null, or the meeting of a job that is not over.
    let meeting = unsafe { MEETING.get().as_ref() };
    Caller { meeting, _here: PhantomData }.call(work)
}

/// Where the caller and the job meet: one of them acts at a time, and the other one is parked.
#[derive(Debug)]
pub(super) struct Meeting {
    now: Mutex<Now>,
    caller: Thread,
}

#[derive(Debug)]
struct Now {
    turn: Turn,
    /// The thread of the job, once it has begun.
    worker: Option<Thread>,
}

#[derive(Debug)]
enum Turn {
    /// The job is at work.
    Away,
    /// The caller is to do this.
    Call(Call),
    /// The job is over.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Call(*mut (dyn FnMut() + Send));

// SAFETY: what it points to may be called by another thread, and only one has its turn.
unsafe impl Send for Call {}

impl Meeting {
    /// With the calling thread.
    pub fn new() -> Self {
        Self { now: Mutex::new(Now { turn: Turn::Away, worker: None }), caller: thread::current() }
    }

    /// The job's work, in the thread that does it.
    pub fn work<T>(&self, work: impl FnOnce(&Caller<'_>) -> T) -> thread::Result<T> {
        self.now().worker = Some(thread::current());
        let caller = Caller { meeting: Some(self), _here: PhantomData };
        MEETING.set(self);
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&caller)));
        MEETING.set(ptr::null());
        outcome
    }

    /// The job is over, and touches nothing of this any more.
    pub fn end(&self) {
        self.pass(Turn::Over);
    }

    /// Does what the job asks for, in the thread that waits for it, until it is over. False at once when a call has returned and
    /// the waiting thread is not what it was any more: in a child of fork(2).
    pub fn wait(&self, is_still_it: impl Fn() -> bool) -> bool {
        while let Some(call) = self.next() {
            // SAFETY: the job waits until its call has been answered, and does not touch it meanwhile.
            let raised = catch_unwind(AssertUnwindSafe(|| unsafe { (*call.0)() }));
            if !is_still_it() {
                return false;
            }
            // A panic ends what was called for, which then finds no answer.
            drop(raised);
            self.answer();
        }
        true
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the caller its turn. As soon as it finds that it may go, this meeting is gone, so the thread that is woken is known
    /// by a handle of our own. It is not woken under the lock, which it would wait for at once.
    fn pass(&self, turn: Turn) {
        let caller = self.caller.clone();
        self.now().turn = turn;
        caller.unpark();
    }

    /// Gives the job its turn.
    fn answer(&self) {
        let mut now = self.now();
        now.turn = Turn::Away;
        let worker = now.worker.clone();
        drop(now);
        if let Some(worker) = worker {
            worker.unpark();
        }
    }

    /// What the caller is to do; `None` when the job is over.
    fn next(&self) -> Option<Call> {
        loop {
            match self.now().turn {
                Turn::Away => {}
                Turn::Call(call) => return Some(call),
                Turn::Over => return None,
            }
            thread::park();
        }
    }

    fn wait_for_answer(&self) {
        while matches!(self.now().turn, Turn::Call(_)) {
            thread::park();
        }
    }
}
