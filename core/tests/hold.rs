//! An end with a hold: it is entered before anything is done to it and left again, and one that is lost, whenever that is,
//! ends the work with an error that counts exactly the bytes which the other end got.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use zcio::{Batch, Endpoint, Error, ErrorKind, FanOut, Hold, Item, Mechanism, Relay, Step, Transfer};

/// Large enough for several steps, odd enough for a rest.
const LENGTH: usize = (5 << 20) + 123;

/// Lost for whoever asks after so many have been let in.
#[derive(Debug)]
struct Doomed {
    lets_in: AtomicI64,
    inside: AtomicI64,
}

impl Doomed {
    fn after(lets_in: i64) -> Arc<Self> {
        Arc::new(Self { lets_in: AtomicI64::new(lets_in), inside: AtomicI64::new(0) })
    }

    fn is_empty(&self) -> bool {
        self.inside.load(Ordering::SeqCst) == 0
    }

    fn is_lost(&self) -> bool {
        self.lets_in.load(Ordering::SeqCst) < 0
    }
}

impl Hold for Doomed {
    fn enter(&self) -> Result<(), Error> {
        if self.lets_in.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.lets_in.store(-1, Ordering::SeqCst);
            return Err(Error::closed("the end was closed"));
        }
        self.inside.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn leave(&self) {
        assert!(self.inside.fetch_sub(1, Ordering::SeqCst) > 0, "left more often than entered");
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|number| (number % 251) as u8).collect()
}

fn file(length: usize) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content(length)).unwrap();
    file
}

/// A connection, and a thread that reads everything from its far end.
fn drained() -> (TcpStream, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut far = listener.accept().unwrap().0;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).unwrap();
        bytes
    });
    (near, reader)
}

fn is_lost(error: &Error) -> bool {
    (error.kind(), error.errno()) == (ErrorKind::Closed, Some(libc::EBADF))
}

/// Tries `work` with holds that let in nobody, one, two, …, until one is never lost; that one must succeed. All others must
/// not, unless it was only the mode of a socket that was not restored any more.
fn at_every_moment(mut work: impl FnMut(Arc<Doomed>) -> bool) {
    for lets_in in 0..10_000 {
        let hold = Doomed::after(lets_in);
        let succeeded = work(Arc::clone(&hold));
        assert!(hold.is_empty(), "let {lets_in} in: somebody is still inside");
        if !hold.is_lost() {
            assert!(succeeded);
            return assert!(lets_in > 1, "it asks before, and at the end");
        }
    }
    panic!("it never came to its end");
}

/// Whether the mechanism works here at all; one that does not must say so without any hold, too.
fn works(mechanism: Mechanism) -> bool {
    let (near, _reader) = drained();
    let result = Transfer::new(Endpoint::bytes(b"x"), Endpoint::new(near.as_fd()).unwrap()).mechanism(mechanism).run();
    if let Err(error) = &result {
        assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "{error}");
        eprintln!("skipped {mechanism}: {error}");
    }
    result.is_ok()
}

#[test]
fn a_transfer_counts_what_arrived_before_an_end_was_lost() {
    let (file, memory) = (file(LENGTH), content(LENGTH));
    let (read_write, uring) = (Some(Mechanism::ReadWrite), Some(Mechanism::Uring));
    let files = [None, read_write, uring, Some(Mechanism::Splice), Some(Mechanism::MmapWrite)];
    let memories = [None, read_write, uring, Some(Mechanism::ZerocopySend)];
    let cases =
        files.map(|mechanism| (mechanism, false)).into_iter().chain(memories.map(|mechanism| (mechanism, true)));
    for (mechanism, from_memory) in cases {
        if matches!(mechanism, Some(mechanism @ (Mechanism::Uring | Mechanism::ZerocopySend)) if !works(mechanism)) {
            continue;
        }
        for of_source in [true, false] {
            at_every_moment(|hold| {
                let (near, reader) = drained();
                let source = if from_memory { Endpoint::bytes(&memory) } else { Endpoint::new(file.as_fd()).unwrap() };
                let sink = Endpoint::new(near.as_fd()).unwrap();
                let (source, sink) = if of_source { (source.held(hold), sink) } else { (source, sink.held(hold)) };
                let mut transfer = Transfer::new(source, sink).offset(0).step_size(1 << 20);
                if let Some(mechanism) = mechanism {
                    transfer = transfer.mechanism(mechanism);
                }
                let result = transfer.run();
                drop(transfer);
                near.shutdown(Shutdown::Write).unwrap();
                let arrived = reader.join().unwrap();
                assert!(memory.starts_with(&arrived), "{mechanism:?}");
                let counted = result.as_ref().map_or_else(Error::moved, |report| report.bytes);
                assert_eq!(counted as usize, arrived.len(), "{mechanism:?} {of_source}");
                assert!(
                    result.as_ref().is_ok_and(|_| arrived.len() == LENGTH) || is_lost(result.as_ref().unwrap_err())
                );
                result.is_ok()
            });
        }
    }
}

/// Between steps, while it waits, and while a watcher is called.
#[test]
fn nobody_is_inside_while_nothing_is_done() {
    let (file, holds) = (file(LENGTH), [Doomed::after(i64::MAX), Doomed::after(i64::MAX)]);
    let ends = |near: &dyn AsFd| {
        let sink = Endpoint::owning(near.as_fd().try_clone_to_owned().unwrap())
            .unwrap()
            .held(Arc::clone(&holds[1]) as Arc<dyn Hold>);
        (Endpoint::new(file.as_fd()).unwrap().held(Arc::clone(&holds[0]) as Arc<dyn Hold>), sink)
    };
    let nobody = || assert!(holds.iter().all(|hold| hold.is_empty()));
    let (near, reader) = drained();
    near.set_nonblocking(true).unwrap();
    let (source, sink) = ends(&near);
    let mut transfer = Transfer::new(source, sink).offset(0).step_size(1 << 16);
    while transfer.step().unwrap() != Step::Done {
        nobody();
    }
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reader.join().unwrap(), content(LENGTH));

    let (near, mut far) = UnixStream::pair().unwrap();
    let (asked, was_asked) = channel();
    let reader = std::thread::spawn(move || {
        was_asked.recv().unwrap();
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).map(|_| bytes).unwrap()
    });
    let (source, sink) = ends(&near);
    let watch = |_| {
        nobody();
        // Nobody listens any more after the first time.
        let _ = asked.send(());
        ControlFlow::Continue(())
    };
    Transfer::new(source, sink).offset(0).run_watched(watch).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reader.join().unwrap(), content(LENGTH));
}

#[test]
fn a_fan_out_goes_on_without_a_lost_sink_and_ends_with_a_lost_source() {
    let file = file(LENGTH);
    for of_source in [true, false] {
        at_every_moment(|hold| {
            let (one, two) = (drained(), drained());
            let (source, lost) = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(one.0.as_fd()).unwrap());
            let (source, lost) =
                if of_source { (source.held(hold.clone()), lost) } else { (source, lost.held(hold.clone())) };
            let two_end = Endpoint::new(two.0.as_fd()).unwrap();
            let mut fan_out = FanOut::new(source).offset(0).sink(lost).sink(two_end);
            let (result, is_lost_now) = (fan_out.run(), hold.is_lost());
            drop(fan_out);
            for near in [&one.0, &two.0] {
                near.shutdown(Shutdown::Write).unwrap();
            }
            let arrived = [one.1.join().unwrap(), two.1.join().unwrap()];
            assert!(arrived.iter().all(|arrived| content(LENGTH).starts_with(arrived)));
            match result {
                Ok(report) => {
                    let counted: Vec<_> = report.sinks.iter().map(|sink| sink.bytes as usize).collect();
                    assert_eq!(counted, arrived.each_ref().map(Vec::len));
                    assert_eq!(arrived[1].len(), LENGTH, "the other sink has everything");
                    let error = report.sinks[0].error.as_ref();
                    assert_eq!(error.is_some(), is_lost_now);
                    assert!(error.is_none_or(|error| is_lost(error) && error.moved() as usize == arrived[0].len()));
                    error.is_none()
                }
                Err(error) => {
                    assert!(is_lost(&error) && (of_source || arrived[1].is_empty()), "{error}");
                    assert_eq!(error.moved() as usize, arrived.iter().map(Vec::len).min().unwrap());
                    false
                }
            }
        });
    }
}

#[test]
fn a_relay_counts_what_arrived_before_a_socket_was_lost() {
    let question = content(1 << 20);
    for of_first in [true, false] {
        at_every_moment(|hold| {
            let (near, reader) = drained();
            let (mut client, left) = UnixStream::pair().unwrap();
            let (first, second) = (Endpoint::new(left.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
            let (first, second) = if of_first { (first.held(hold), second) } else { (first, second.held(hold)) };
            let mut relay = Relay::new(first, second);
            let sender = std::thread::spawn({
                let question = question.clone();
                move || {
                    // The relay may be over before everything is sent.
                    let _ = client.write_all(&question);
                    let _ = client.shutdown(Shutdown::Write);
                    client
                }
            });
            let mut result = relay.run();
            let first_error = result.as_ref().err().cloned();
            if first_error.is_some() {
                // The other direction, which is lost, too.
                result = relay.run();
            }
            let counted = relay.report().forward.bytes;
            drop(relay);
            let _ = near.shutdown(Shutdown::Both);
            left.shutdown(Shutdown::Both).unwrap();
            sender.join().unwrap();
            let arrived = reader.join().unwrap();
            assert!(question.starts_with(&arrived));
            assert_eq!(counted as usize, arrived.len());
            assert!(first_error.iter().all(is_lost), "{first_error:?}");
            first_error.is_none() && result.is_ok() && arrived.len() == question.len()
        });
    }
}

#[test]
fn a_batch_fails_the_items_whose_ends_are_lost() {
    let file = file(10_000);
    for (of_source, items) in [(true, 1), (false, 1), (true, 3), (false, 3)] {
        at_every_moment(|hold| {
            let (near, reader) = drained();
            let (source, sink) = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
            let (source, sink) = if of_source { (source.held(hold), sink) } else { (source, sink.held(hold)) };
            let items: Vec<_> = (0..items).map(|_| Item::new(&source, &sink).count(10_000)).collect();
            let report = Batch::new().run(&items);
            near.shutdown(Shutdown::Write).unwrap();
            let arrived = reader.join().unwrap();
            assert!(content(10_000).repeat(items.len()).starts_with(&arrived));
            let counted = |item: &Result<_, Error>| {
                item.as_ref().map_or_else(Error::moved, |report: &zcio::ItemReport| report.bytes)
            };
            assert_eq!(report.items.iter().map(counted).sum::<u64>() as usize, arrived.len());
            let failed: Vec<_> = report.items.iter().filter_map(|item| item.as_ref().err()).collect();
            assert!(
                failed.iter().all(|error| matches!(error.kind(), ErrorKind::Closed | ErrorKind::Cancelled)),
                "{failed:?}"
            );
            failed.is_empty()
        });
    }
}

#[test]
fn memory_is_a_source_of_a_batch() {
    let (near, reader) = drained();
    let (memory, sink) = (content(30_000), Endpoint::new(near.as_fd()).unwrap());
    let source = Endpoint::bytes(&memory);
    let items = [
        Item::new(&source, near.as_fd()),
        Item::new(&source, &sink).offset(20_000),
        Item::new(&source, &sink).offset(5).count(7),
    ];
    let report = Batch::new().run(&items);
    let counts: Vec<_> = report.items.iter().map(|item| item.as_ref().unwrap().bytes).collect();
    assert_eq!(counts, [30_000, 10_000, 7]);
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reader.join().unwrap(), [&memory[..], &memory[20_000..], &memory[5..12]].concat());
}

/// The number of what is open by that path.
fn number_of(path: &std::path::Path) -> i32 {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let found = entries.into_iter().find(|entry| std::fs::read_link(entry).is_ok_and(|target| target == path));
    found.unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn an_end_of_ours_whose_number_is_given_to_another_file_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    for lost in [&from, &to] {
        std::fs::write(&from, content(LENGTH)).unwrap();
        std::fs::write(&to, b"").unwrap();
        let (source, sink) = (Endpoint::open(&from).unwrap(), Endpoint::create(&to).unwrap());
        let mut transfer = Transfer::new(source, sink).step_size(1 << 20);
        assert!(matches!(transfer.step(), Ok(Step::Moved(_))));
        let other = tempfile::tempfile().unwrap();
        // SAFETY: the number is used by the transfer only, and the file of before by nobody else.
        assert!(unsafe { libc::dup2(other.as_raw_fd(), number_of(lost)) } > 0);
        let error = loop {
            match transfer.step() {
                Ok(Step::Moved(_)) => {}
                Ok(step) => panic!("{step:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.path()), (ErrorKind::Closed, Some(lost.as_path())));
    }
}
