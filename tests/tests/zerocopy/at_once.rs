//! Two that begin at the same time on one socket.

use zcio::inject::{self, Call, Fault};
use zcio::{Endpoint, ErrorKind, Step};
use zcio_tests::{pattern, tcp_pair, watchdog};

use super::{named, pages};

/// Between the look at the error queue and the switch of the first one, the second one begins: two would take each other's
/// notifications, and wait for them for ever, or not at all.
#[test]
fn of_two_that_begin_at_once_one_is_refused() {
    let _dog = watchdog(60, "two that begin at once");
    let (near, far) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    let memory = pages(&pattern(100_000));
    let second = near.try_clone().unwrap();
    let theirs = memory.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let mut asked = false;
    let between = move |call: &Call| {
        if call.operation == "poll" && !std::mem::replace(&mut asked, true) {
            let (second, theirs) = (second.try_clone().unwrap(), theirs.clone());
            let other = std::thread::spawn(move || {
                let mut transfer = named(Endpoint::pages(theirs), &second);
                transfer.step().map(drop)
            });
            tell.send(other.join().unwrap()).unwrap();
        }
        Fault::None
    };
    let first = inject::with(between, || named(Endpoint::pages(memory), &near).step());
    let refused = told.recv().unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(refused.message().starts_with("error queue in use"), "{refused}");
    assert!(matches!(first, Ok(Step::Moved(1..))), "{first:?}");
    drop(far);
}
