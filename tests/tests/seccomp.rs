//! One system call is refused by a filter: automatic transfers still move every byte and say why they changed their mind;
//! a named mechanism fails with the filter's own errno; the capabilities know whose no it was. And what a call was asked
//! for besides is done without it, on the safe side.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use zcio::{Answer, Capabilities, Cause, Endpoint, ErrorKind, Mechanism, NonBlockingGuard, Report, Transfer};
use zcio_tests::seccomp::{refusing, without_comparisons};
use zcio_tests::{Kind, Sink, Source, has, pattern, watchdog};

/// The call, its name, and the mechanism that cannot do without it, where there is one.
const CALLS: [(libc::c_long, &str, Option<&str>); 7] = [
    (libc::SYS_sendfile, "sendfile", Some("sendfile")),
    (libc::SYS_splice, "splice", Some("splice")),
    (libc::SYS_copy_file_range, "copy_file_range", Some("copy_file_range")),
    (libc::SYS_io_uring_setup, "io_uring_setup", Some("uring")),
    (libc::SYS_vmsplice, "vmsplice", Some("vmsplice")),
    (libc::SYS_statx, "statx", None),
    (libc::SYS_tee, "tee", None),
];

const LENGTH: usize = 300_001;

/// Memory is copied to memory by `process_vm_readv(2)`, which some filters deny: then through a pipe. In a process of its own,
/// because that is found out once.
#[test]
fn memory_is_copied_to_memory_behind_a_filter() {
    if !zcio_tests::alone::is_alone("memory_is_copied_to_memory_behind_a_filter") {
        return;
    }
    let bytes = pattern(LENGTH);
    let mut memory = vec![0; LENGTH];
    let copy = || Transfer::new(Endpoint::bytes(&bytes), Endpoint::bytes_mut(&mut memory)).run();
    let report = refusing(libc::SYS_process_vm_readv, Errno::EPERM, copy).unwrap();
    assert_eq!((report.bytes, report.mechanism), (LENGTH as u64, Mechanism::ReadWrite));
    assert!(memory == bytes);
}

/// Where bytes come from: an end of the matrix, or frozen memory.
#[derive(Clone, Copy, Debug)]
enum From {
    End(Kind),
    Pages,
}

fn sources() -> impl Iterator<Item = From> {
    Kind::ALL.into_iter().map(From::End).chain([From::Pages])
}

/// One transfer, the transfer alone behind the filter; what it said and what arrived.
fn transfer(
    from: From,
    to: Kind,
    mechanism: Option<Mechanism>,
    filter: Option<(libc::c_long, Errno)>,
) -> (Result<Report, zcio::Error>, Vec<u8>) {
    let bytes = pattern(LENGTH);
    let mut sink = if to.is_memory() { Sink::memory(LENGTH) } else { Sink::new(to) };
    let source = match from {
        From::End(kind) => Some(Source::with(kind, &bytes)),
        From::Pages => None,
    };
    let source_end = source.as_ref().map_or_else(
        || {
            let mut buffer = zcio::AlignedBuffer::new(LENGTH).unwrap();
            buffer.copy_from_slice(&bytes);
            Endpoint::pages(buffer.freeze())
        },
        |source| Endpoint::new(source.as_fd()).unwrap(),
    );
    let mut transfer = Transfer::new(source_end, sink.end());
    if let Some(mechanism) = mechanism {
        transfer = transfer.mechanism(mechanism);
    }
    let result = match filter {
        Some((call, errno)) => refusing(call, errno, || transfer.run()),
        None => transfer.run(),
    };
    drop(transfer);
    let moved = result.as_ref().map_or_else(zcio::Error::moved, |report| report.bytes);
    (result, sink.received_of(moved))
}

#[test]
fn automatic_goes_on_and_says_why() {
    let _dog = watchdog(120, "transfers behind a filter");
    let bytes = pattern(LENGTH);
    let mut changes = 0;
    for from in sources() {
        for to in Kind::SINKS {
            let (free, received) = transfer(from, to, None, None);
            let free = free.unwrap();
            assert!(received == bytes);
            for (call, name, needed_by) in CALLS {
                for errno in [Errno::ENOSYS, Errno::EPERM] {
                    let case = format!("{from:?} -> {to:?}, {name} answers {errno:?}");
                    let (report, received) = transfer(from, to, None, Some((call, errno)));
                    let report = report.unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert!(received == bytes, "{case}: other bytes");
                    assert_eq!(report.bytes, LENGTH as u64, "{case}");
                    if needed_by == Some(free.mechanism.name()) {
                        let refused = &report.attempts[free.attempts.len()..];
                        assert_ne!(report.mechanism, free.mechanism, "{case}");
                        assert_eq!(refused[0].mechanism, free.mechanism, "{case}: {refused:?}");
                        assert_eq!((refused[0].operation, refused[0].errno), (name, Some(errno as i32)), "{case}");
                        assert!(!refused[0].reason.is_empty() && refused[0].moved == 0, "{case}: {refused:?}");
                        changes += 1;
                    } else if !refused_by(&report, name) {
                        assert_eq!(report.mechanism, free.mechanism, "{case}: {:?}", report.attempts);
                    }
                }
            }
        }
    }
    assert!(changes > 20, "only {changes} transfers had to change their mind");
}

/// Whether that call is what made the transfer change its mind.
fn refused_by(report: &Report, name: &str) -> bool {
    report.attempts.iter().any(|attempt| attempt.operation == name)
}

#[test]
fn a_named_mechanism_fails_with_the_errno_of_the_filter() {
    let _dog = watchdog(120, "named mechanisms behind a filter");
    let bytes = pattern(LENGTH);
    let mut refusals = std::collections::BTreeMap::<_, u32>::new();
    for &mechanism in Mechanism::ALL {
        for (from, to) in sources().flat_map(|from| Kind::SINKS.map(|to| (from, to))) {
            if transfer(from, to, Some(mechanism), None).0.is_err() {
                continue; // Not for these ends at all.
            }
            for (call, name, needed_by) in CALLS {
                for errno in [Errno::ENOSYS, Errno::EPERM] {
                    let case = format!("{mechanism} from {from:?} to {to:?}, {name} answers {errno:?}");
                    let (result, received) = transfer(from, to, Some(mechanism), Some((call, errno)));
                    match result {
                        Ok(report) => {
                            assert_ne!(needed_by, Some(mechanism.name()), "{case}: it was not refused");
                            assert!(received == bytes && report.mechanism == mechanism, "{case}");
                        }
                        Err(error) => {
                            let expected = (ErrorKind::Refused, name, Some(errno as i32));
                            assert_eq!((error.kind(), error.operation(), error.errno()), expected, "{case}: {error}");
                            assert!(received == bytes[..error.moved() as usize], "{case}");
                            *refusals.entry(mechanism).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{refusals:?}");
    for (_, _, needed_by) in CALLS {
        // A mechanism that is yet to come has no name to parse.
        let Some(Ok(mechanism)) = needed_by.map(str::parse::<Mechanism>) else { continue };
        assert!(refusals.contains_key(&mechanism) || !has(mechanism), "{mechanism} was never refused");
    }
}

#[test]
fn capabilities_know_a_filter_from_an_old_kernel() {
    let free = Capabilities::probe();
    for (call, name, mechanism) in CALLS {
        let name = mechanism.unwrap_or(name);
        let capability = free.find(name).unwrap();
        if capability.answer != Answer::Yes {
            zcio_tests::skip(&format!("{name}: {}", capability.reason));
            continue;
        }
        for errno in [Errno::ENOSYS, Errno::EPERM] {
            let probed = refusing(call, errno, Capabilities::probe);
            let capability = probed.find(name).unwrap();
            assert_eq!(capability.answer, Answer::No(Cause::Filter), "{name}, {errno:?}: {capability:?}");
            assert_eq!(capability.errno, Some(errno as i32), "{name}");
            let others = |list: &Capabilities| -> Vec<_> {
                list.iter().filter(|other| other.name != name).map(|other| (other.name, other.answer)).collect()
            };
            assert_eq!(others(&probed), others(&free), "a filter against {name} must not hide anything else");
        }
    }
}

fn sleeps(stream: &impl AsFd) -> bool {
    let flags = fcntl(stream, FcntlArg::F_GETFL).unwrap();
    !OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
}

/// Most containers deny kcmp(2), which tells the open file descriptions of one pipe apart; newer kernels have another way.
#[test]
fn without_comparisons_no_pipe_is_put_to_sleep_under_a_user() {
    without_comparisons(|| {
        // One description, by two descriptors.
        let (read, write) = std::io::pipe().unwrap();
        let again = write.try_clone().unwrap();
        let users = [&write, &again].map(|pipe| NonBlockingGuard::new(pipe.as_fd()).unwrap());
        let reader = NonBlockingGuard::new(read.as_fd()).unwrap();
        let [first, second] = users;
        drop(first);
        assert!(!sleeps(&write) && !sleeps(&read), "the other one would sleep in its next step");
        drop(reader);
        assert!(!sleeps(&write) && sleeps(&read));
        assert!(!Endpoint::new(again.as_fd()).unwrap().facts().nonblocking, "it is so for a while only");
        drop(second);
        assert!(sleeps(&write));

        // Two descriptions in blocking mode: each has its own.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let open = |flags| File::options().read(true).write(true).custom_flags(flags).open(&path).unwrap();
        let (one, other) = (open(0), open(0));
        let [first, second] = [&one, &other].map(|fifo| NonBlockingGuard::new(fifo.as_fd()).unwrap());
        drop(first);
        assert!(sleeps(&one) && !sleeps(&other));
        drop(second);
        assert!(sleeps(&other));

        // One that its owner made non-blocking cannot be told from one that is so for a while. It stays as it is.
        let (ours, theirs) = (open(0), open(libc::O_NONBLOCK));
        for reversed in [false, true] {
            let mut users = [&ours, &theirs].map(|fifo| Some(NonBlockingGuard::new(fifo.as_fd()).unwrap()));
            if reversed {
                users.reverse();
            }
            for user in &mut users {
                assert!(!sleeps(&ours) && !sleeps(&theirs));
                *user = None;
            }
            assert!(sleeps(&ours) && !sleeps(&theirs));
        }
    });
}

/// Somebody switched a pipe back meanwhile: then one description shows what another descriptor of it does.
#[test]
fn without_comparisons_a_pipe_that_was_switched_back_is_known_by_its_switch() {
    without_comparisons(|| {
        let (_read, write) = std::io::pipe().unwrap();
        let again = write.try_clone().unwrap();
        let first = NonBlockingGuard::new(write.as_fd()).unwrap();
        fcntl(&write, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        let second = NonBlockingGuard::new(again.as_fd()).unwrap();
        drop(first);
        assert!(!sleeps(&write));
        drop(second);
        assert!(sleeps(&write));
    });
}

/// A new file gets its name without linkat(2), or without a rename(2) that replaces nothing, as well.
#[test]
fn a_new_file_gets_its_name_where_calls_are_denied() {
    let dir = tempfile::tempdir().unwrap();
    let names = || dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let (source, path) = (tempfile::NamedTempFile::new().unwrap(), dir.path().join("name"));
    std::fs::write(&source, b"a few bytes").unwrap();
    let work = || {
        drop(Endpoint::create(&path).unwrap());
        assert!(names().is_empty(), "{:?}", names());

        let mut transfer = Transfer::new(Endpoint::open(&source).unwrap(), Endpoint::create(&path).unwrap());
        std::fs::write(&path, b"precious").unwrap();
        assert_eq!(transfer.run().unwrap_err().errno(), Some(Errno::EEXIST as i32));
        drop(transfer);
        assert!(names() == ["name"] && std::fs::read(&path).unwrap() == b"precious");
        std::fs::remove_file(&path).unwrap();

        Transfer::new(Endpoint::open(&source).unwrap(), Endpoint::create(&path).unwrap()).run().unwrap();
        assert!(names() == ["name"] && std::fs::read(&path).unwrap() == b"a few bytes");
        std::fs::remove_file(&path).unwrap();
    };
    work();
    refusing(libc::SYS_linkat, Errno::EPERM, work);
    refusing(libc::SYS_renameat2, Errno::ENOSYS, work);
    refusing(libc::SYS_linkat, Errno::EPERM, || refusing(libc::SYS_renameat2, Errno::EINVAL, work));
}

/// recv(2) looks whether splice's word for the end of a TCP stream is true.
#[test]
fn a_relay_goes_on_where_the_check_of_an_end_is_refused() {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    for errno in [Errno::EPERM, Errno::ENOSYS] {
        let ((mut client, left), (right, mut server)) = (zcio_tests::tcp_pair(), zcio_tests::tcp_pair());
        let answering = std::thread::spawn(move || {
            let mut question = Vec::new();
            server.read_to_end(&mut question).unwrap();
            server.write_all(b"answer").unwrap();
            question
        });
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let report = refusing(libc::SYS_recvfrom, errno, || {
            zcio::Relay::new(Endpoint::new(&left).unwrap(), Endpoint::new(&right).unwrap()).run().unwrap()
        });
        drop((left, right));
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!((answering.join().unwrap(), answer), (b"question".to_vec(), b"answer".to_vec()), "{errno}");
        assert_eq!((report.forward.bytes, report.backward.bytes), (8, 6), "{errno}");
    }
}
