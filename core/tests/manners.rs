//! What Rust programs expect of a library's types: operations go to other threads, are looked at from there, and may have been
//! in use when somebody panicked.

use std::io::{Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};

use zcio::copy::Copy;
use zcio::{Batch, Endpoint, Error, FanOut, Region, Relay, Report, Transfer, View};

fn is_well_mannered<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn operations_and_what_they_say_are_for_every_thread() {
    is_well_mannered::<Transfer<'_>>();
    is_well_mannered::<Relay<'_>>();
    is_well_mannered::<FanOut<'_>>();
    is_well_mannered::<Batch>();
    is_well_mannered::<Copy>();
    is_well_mannered::<Endpoint<'_>>();
    is_well_mannered::<Region>();
    is_well_mannered::<View>();
    is_well_mannered::<Report>();
    is_well_mannered::<Error>();
}

#[test]
fn a_transfer_goes_on_after_a_panic_of_its_watcher() {
    let bytes: Vec<u8> = (0..3_u32 << 20).map(|place| (place % 251) as u8).collect();
    let mut source = tempfile::tempfile().unwrap();
    source.write_all(&bytes).unwrap();
    source.rewind().unwrap();
    let (sink, mut reader) = UnixStream::pair().unwrap();
    let mut transfer = Transfer::new(Endpoint::new(&source).unwrap(), Endpoint::new(&sink).unwrap()).step_size(65536);
    // Nobody reads: the sink gets full, and the watcher is called.
    let panicked =
        catch_unwind(AssertUnwindSafe(|| transfer.run_watched(|_| std::panic::resume_unwind(Box::new("stop")))));
    assert!(panicked.is_err());
    let moved = transfer.report().unwrap().bytes;
    assert!(moved > 0 && moved == (&source).stream_position().unwrap());
    let all = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    assert_eq!(transfer.run().unwrap().bytes, bytes.len() as u64);
    drop(transfer);
    drop(sink);
    assert!(all.join().unwrap() == bytes, "other bytes");
}

/// What the prelude has keeps its meaning under a glob import.
mod glob {
    #[allow(clippy::wildcard_imports)]
    use zcio::*;

    fn parsed<T: Copy + std::str::FromStr>(text: &str) -> Result<(T, T), T::Err> {
        text.parse().map(|value| (value, value))
    }

    #[test]
    fn shadows_nothing() {
        assert_eq!(parsed("splice").unwrap(), (Mechanism::Splice, Mechanism::Splice));
    }
}
