//! Operations as futures of tokio's: on each kind of runtime the same bytes, an exact count whenever they are dropped, and a
//! wait that is one.

mod blocking;
mod cancel;
mod ends;
mod waiting;

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// Each kind of runtime. Timers are for the tests alone.
fn runtimes() -> [(&'static str, Runtime); 2] {
    let built = |mut builder: Builder| builder.enable_io().enable_time().build().unwrap();
    let mut several = Builder::new_multi_thread();
    several.worker_threads(2);
    [("current thread", built(Builder::new_current_thread())), ("multi thread", built(several))]
}

/// Runs a test on each kind of runtime, as a task of it: a future that cannot be spawned does not compile.
fn on_each_runtime<F: Future<Output = ()> + Send + 'static>(test: impl Fn() -> F) {
    for (kind, runtime) in runtimes() {
        eprintln!("{kind}");
        runtime.block_on(runtime.spawn(test())).unwrap();
    }
}

/// Lets a future go on for so long, and drops it.
async fn for_a_while<F: Future>(milliseconds: u64, future: F) -> Option<F::Output> {
    tokio::time::timeout(Duration::from_millis(milliseconds), future).await.ok()
}
