//! A kernel that says no before the first byte, with any errno: a mechanism that was chosen automatically gives way to the
//! plain one, and every byte arrives. And an error in the midst names an end only if it is known to be that one's.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use zcio::inject::{self, Call, Fault};
use zcio::{Endpoint, ErrorKind, FanOut, Mechanism, Relay, Transfer};
use zcio_tests::{Kind, Sink, Source, pattern, watchdog};

const REFUSALS: [i32; 16] = [
    libc::EINVAL,
    libc::EOPNOTSUPP,
    libc::ENOSYS,
    libc::EPERM,
    libc::EACCES,
    libc::ENODATA,
    libc::ENODEV,
    libc::ENXIO,
    libc::EXDEV,
    libc::ETXTBSY,
    libc::EIO,
    libc::EBADF,
    libc::ENOMEM,
    libc::EOVERFLOW,
    libc::ESTALE,
    libc::EBUSY,
];

/// Everything but reading and writing is refused.
fn refuse(errno: i32) -> impl FnMut(&Call) -> Fault {
    move |call| match call.operation {
        "sendfile" | "splice" | "copy_file_range" | "vmsplice" | "tee" => Fault::Errno(errno),
        _ => Fault::None,
    }
}

#[test]
fn a_refusal_of_any_sort_leads_to_the_plain_way() {
    let _dog = watchdog(120, "refusals");
    let bytes = pattern(300_000);
    for errno in REFUSALS {
        for from in [Kind::File, Kind::Tcp, Kind::Unix, Kind::Pipe, Kind::Pages] {
            for to in Kind::ALL {
                let case = format!("{from:?} -> {to:?}, errno {errno}");
                let (source, sink) = (Source::with(from, &bytes), Sink::new(to));
                let report = inject::with(refuse(errno), || {
                    Transfer::new(source.end(), Endpoint::new(sink.as_fd()).unwrap()).run()
                });
                let report = report.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!((report.mechanism, report.bytes), (Mechanism::ReadWrite, bytes.len() as u64), "{case}");
                let refused = report.attempts.first().map(|attempt| (attempt.errno, attempt.moved));
                let expected = (!(from.is_memory() && to.is_file())).then_some((Some(errno), 0));
                assert_eq!(refused, expected, "{case}");
                assert!(sink.received() == bytes, "{case}");
            }
        }
    }
}

#[test]
fn a_refusal_leads_to_the_plain_way_in_a_fan_out_and_a_relay() {
    let _dog = watchdog(120, "refusals");
    let bytes = pattern(300_000);
    for errno in REFUSALS {
        for from in Kind::ALL {
            let (source, sinks) = (Source::with(from, &bytes), [Sink::new(Kind::Tcp), Sink::new(Kind::File)]);
            inject::with(refuse(errno), || {
                let mut fan_out = FanOut::new(source.end());
                for sink in &sinks {
                    fan_out = fan_out.sink(Endpoint::new(sink.as_fd()).unwrap());
                }
                fan_out.run().unwrap_or_else(|error| panic!("{from:?}, errno {errno}: {error}"));
            });
            for sink in sinks {
                assert!(sink.received() == bytes, "{from:?}, errno {errno}");
            }
        }
        let ((client, left), (right, server)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        (&client).write_all(b"question").unwrap();
        for end in [&client, &server] {
            end.shutdown(Shutdown::Write).unwrap();
        }
        let report = inject::with(refuse(errno), || {
            Relay::new(Endpoint::new(left.as_fd()).unwrap(), Endpoint::new(right.as_fd()).unwrap()).run()
        });
        assert_eq!(report.unwrap().forward.bytes, 8, "errno {errno}");
        let mut question = String::new();
        drop((left, right));
        (&server).read_to_string(&mut question).unwrap();
        assert_eq!(question, "question");
    }
}

/// What a connection died of is told once: another mechanism would hear another story.
#[test]
fn the_end_of_a_connection_is_no_refusal() {
    let source = Source::with(Kind::File, &pattern(1000));
    for errno in [libc::ECONNRESET, libc::EPIPE, libc::ETIMEDOUT, libc::EHOSTUNREACH, libc::ENOSPC] {
        let sink = Sink::new(Kind::Tcp);
        let error =
            inject::with(refuse(errno), || Transfer::new(source.end(), Endpoint::new(sink.as_fd()).unwrap()).run());
        assert_eq!(error.unwrap_err().errno(), Some(errno));
    }
}

/// Who is blamed for the second call of an operation.
#[test]
fn an_error_names_the_end_that_had_it_or_both() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::write(&from, pattern(3 << 20)).unwrap();
    for (mechanism, operation, errno, culprit) in [
        (Mechanism::ReadWrite, "read", libc::EIO, Some(&from)),
        (Mechanism::ReadWrite, "write", libc::EIO, Some(&to)),
        (Mechanism::MmapWrite, "write", libc::EIO, Some(&to)),
        (Mechanism::MmapWrite, "mmap", libc::EIO, Some(&from)),
        (Mechanism::Sendfile, "sendfile", libc::EIO, None),
        (Mechanism::Sendfile, "sendfile", libc::ENOSPC, Some(&to)),
        (Mechanism::CopyFileRange, "copy_file_range", libc::EIO, None),
        (Mechanism::CopyFileRange, "copy_file_range", libc::EDQUOT, Some(&to)),
    ] {
        std::fs::write(&to, b"").unwrap();
        let calls = Cell::new(0);
        let fail = move |call: &Call| {
            if call.operation != operation {
                return Fault::None;
            }
            calls.set(calls.get() + 1);
            if calls.get() > 1 { Fault::Errno(errno) } else { Fault::Short(4096) }
        };
        let ends = (Endpoint::open(&from).unwrap(), Endpoint::create(&to).unwrap());
        let error = inject::with(fail, || Transfer::new(ends.0, ends.1).mechanism(mechanism).run()).unwrap_err();
        let case = format!("{mechanism}, {operation}, {errno}: {error}");
        assert_eq!((error.errno(), error.path()), (Some(errno), culprit.map(PathBuf::as_path)), "{case}");
        let names = [&from, &to].map(|path| error.message().contains(path.to_str().unwrap()));
        assert_eq!(names, [culprit.is_none(); 2], "{case}");
    }
    // Through a pipe of ours each call is about one end.
    for (fails, culprit) in [(1, &from), (2, &to)] {
        let (near, _far) = UnixStream::pair().unwrap();
        let calls = Cell::new(0);
        let fail = move |call: &Call| {
            calls.set(calls.get() + i32::from(call.operation == "splice"));
            if call.operation == "splice" && calls.get() == fails { Fault::Errno(libc::EIO) } else { Fault::None }
        };
        let sink = if fails == 1 { Endpoint::new(near.as_fd()).unwrap() } else { Endpoint::create(&to).unwrap() };
        let splice = Transfer::new(Endpoint::open(&from).unwrap(), sink).mechanism(Mechanism::Splice);
        let error = inject::with(fail, || {
            let mut splice = splice;
            splice.run()
        })
        .unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Os, Some(culprit.as_path())), "{error}");
    }
    // A socket has no path, and is no reason to blame the file.
    let (near, far) = UnixStream::pair().unwrap();
    drop(far);
    let error = Transfer::new(Endpoint::open(&from).unwrap(), Endpoint::new(near.as_fd()).unwrap()).run().unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::PeerClosed, None), "{error}");
}
