//! `zcio send` and `zcio recv`, over TCP, UNIX-domain sockets and pipes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Output, Stdio};

use crate::{LARGE, assert_bytes, document, failed, folder, listening, pattern, quiet, run, until_it_listens, zcio};

/// Waits for a command whose standard error is read elsewhere.
fn end(mut child: std::process::Child, mut errors: impl Read) -> Output {
    let mut stdout = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    let mut stderr = Vec::new();
    errors.read_to_end(&mut stderr).unwrap();
    Output { status: child.wait().unwrap(), stdout, stderr }
}

#[test]
fn a_file_goes_over_tcp() {
    let bytes = pattern(LARGE);
    let (folder, from) = folder(&bytes);
    let to = folder.path().join("to");
    for host in ["127.0.0.1:0", "[::1]:0", ":0", "*:0"] {
        let (taker, errors, address) = listening(zcio(&[
            "recv".as_ref(),
            "--listen".as_ref(),
            host.as_ref(),
            to.as_os_str(),
            "--json".as_ref(),
            "--fsync".as_ref(),
        ]));
        assert_eq!(address.starts_with("[::]") || address.starts_with("0.0.0.0"), host == "*:0", "{address}");
        let target = if host.len() < 4 { address[address.rfind(':').unwrap()..].to_owned() } else { address };
        let sent = run(&["send".as_ref(), from.as_os_str(), target.as_ref(), "--json".as_ref()]);
        let sent = document(quiet(&sent));
        let received = end(taker, errors);
        let received = document(quiet(&received));
        assert_bytes(&to, &bytes);
        for report in [&sent, &received] {
            assert_eq!(report["bytes"], LARGE);
            assert_eq!(report["automatic"], true);
            assert!(report["system_calls"].as_u64().unwrap() > 0 && report["elapsed"].as_f64().unwrap() > 0.0);
        }
        assert_eq!(sent["sink"], target);
        assert_eq!(received["sink"], to.to_str().unwrap());
    }
}

#[test]
fn the_sender_may_be_the_one_who_listens() {
    let bytes = pattern(LARGE);
    let (folder, from) = folder(&bytes);
    let to = folder.path().join("to");
    let (sender, errors, address) =
        listening(zcio(&["send".as_ref(), "--listen".as_ref(), from.as_os_str(), "127.0.0.1:0".as_ref()]));
    quiet(&run(&["recv".as_ref(), address.as_ref(), to.as_os_str()]));
    quiet(&end(sender, errors));
    assert_bytes(&to, &bytes);
}

#[test]
fn a_file_goes_over_a_unix_socket_which_is_gone_afterwards() {
    let bytes = pattern(LARGE);
    let (folder, from) = folder(&bytes);
    let (to, socket) = (folder.path().join("to"), folder.path().join("a socket"));
    let address = format!("unix:{}", socket.display());
    let taker = zcio(&["recv".as_ref(), "--listen".as_ref(), address.as_ref(), to.as_os_str()]).spawn().unwrap();
    until_it_listens(&socket);
    quiet(&run(&["send".as_ref(), from.as_os_str(), address.as_ref()]));
    quiet(&taker.wait_with_output().unwrap());
    assert_bytes(&to, &bytes);
    assert!(!socket.exists());
    let refused = failed(&run(&["send".as_ref(), from.as_os_str(), address.as_ref()]), 1);
    assert!(refused.starts_with("zcio: connect: "), "{refused}");
}

#[test]
fn pipes_at_both_ends() {
    let bytes = pattern(LARGE);
    let (folder, from) = folder(&bytes);
    let to = folder.path().join("to");
    let mut sender = zcio(&["send".as_ref(), from.as_os_str(), "-".as_ref(), "--json".as_ref()]).spawn().unwrap();
    let taker = zcio(&["recv".as_ref(), "-".as_ref(), to.as_os_str(), "--json".as_ref()])
        .stdin(Stdio::from(sender.stdout.take().unwrap()))
        .spawn()
        .unwrap();
    let received = taker.wait_with_output().unwrap();
    let sent = sender.wait_with_output().unwrap();
    assert_bytes(&to, &bytes);
    assert_eq!(document(quiet(&received))["bytes"], LARGE);
    // Standard output carries the bytes, so the document is on the other.
    assert_eq!(sent.status.code(), Some(0));
    assert_eq!(document(&sent.stderr)["bytes"], LARGE);
}

#[test]
fn standard_input_to_tcp_to_standard_output() {
    let bytes = pattern(LARGE);
    let (taker, errors, address) = listening(zcio(&["recv", "--listen", "127.0.0.1:0", "-"]));
    let mut sender = zcio(&["send", "-", &address]).stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, sent) = (sender.stdin.take().unwrap(), bytes.clone());
    let feeder = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let received = end(taker, errors);
    feeder.join().unwrap();
    quiet(&sender.wait_with_output().unwrap());
    assert_eq!(quiet(&received).len(), bytes.len());
    assert!(received.stdout == bytes);
}

#[test]
fn a_part_of_a_file_by_a_named_mechanism() {
    let bytes = pattern(3_000_000);
    let (_folder, from) = folder(&bytes);
    for mechanism in ["read_write", "mmap_write", "sendfile", "splice"] {
        let name = format!("--mechanism={mechanism}");
        let part = run(&[
            "send".as_ref(),
            from.as_os_str(),
            "-".as_ref(),
            "--offset=1000".as_ref(),
            "--count=2500000".as_ref(),
            name.as_ref(),
            "--json".as_ref(),
        ]);
        assert!(part.stdout == bytes[1000..2_501_000], "{mechanism}");
        let report = document(&part.stderr);
        assert_eq!((&report["mechanism"], &report["automatic"]), (&mechanism.into(), &false.into()));
    }
}

#[test]
fn a_source_that_ends_before_the_count_is_an_error() {
    let (folder, from) = folder(b"twelve bytes");
    let to = folder.path().join("to");
    let errors = failed(&run(&["send".as_ref(), from.as_os_str(), "-".as_ref(), "--count=13".as_ref()]), 1);
    assert_eq!(errors, "zcio: transfer: the source ended before 13 bytes, after 12 bytes\n");
    let (taker, errors, address) = listening(zcio(&[
        "recv".as_ref(),
        "--listen".as_ref(),
        "127.0.0.1:0".as_ref(),
        to.as_os_str(),
        "--count=13".as_ref(),
    ]));
    let sent = run(&["send".as_ref(), from.as_os_str(), address.as_ref()]);
    let error = failed(&sent, 1);
    assert!(error.contains("the receiver ended") || error.contains("reset"), "{error}");
    assert!(failed(&end(taker, errors), 1).contains("the source ended before 13 bytes, after 12 bytes"));
    assert!(!to.exists());
}

#[test]
fn who_does_not_take_everything_makes_the_sender_fail() {
    let (_folder, from) = folder(&pattern(LARGE));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sender = zcio(&["send".as_ref(), "--raw".as_ref(), from.as_os_str(), address.as_ref(), "--json".as_ref()])
        .spawn()
        .unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    socket.read_exact(&mut vec![0; 100_000]).unwrap();
    drop(socket);
    let output = sender.wait_with_output().unwrap();
    assert!(failed(&output, 1).contains("the other end went away"));
    let error = &document(&output.stdout)["error"];
    assert!(error["moved"].as_u64().unwrap() >= 100_000 && error["moved"].as_u64().unwrap() < LARGE as u64);
}

/// A file smaller than the buffers: the transfer itself is over long before the other side goes away.
#[test]
fn who_does_not_take_the_last_bytes_makes_the_sender_fail() {
    let (folder, from) = folder(&pattern(100_000));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let socket = folder.path().join("socket");
    let unix = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let name = format!("unix:{}", socket.display());
    let sender = zcio(&["send".as_ref(), "--raw".as_ref(), from.as_os_str(), name.as_ref()]).spawn().unwrap();
    let (mut peer, _) = unix.accept().unwrap();
    peer.read_exact(&mut [0; 1000]).unwrap();
    drop(peer);
    failed(&sender.wait_with_output().unwrap(), 1);
    // TCP: the peer's kernel has taken all, which is as far as can be seen.
    let sender = zcio(&["send".as_ref(), "--raw".as_ref(), from.as_os_str(), address.as_ref()]).spawn().unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).unwrap();
    assert!(received == pattern(100_000));
    quiet(&sender.wait_with_output().unwrap());
}

#[test]
fn nobody_there_leaves_files_as_they_were() {
    let (folder, existing) = folder(b"precious");
    let new = folder.path().join("new");
    for file in [&existing, &new] {
        let errors = failed(&run(&["recv".as_ref(), "127.0.0.1:1".as_ref(), file.as_os_str()]), 1);
        assert!(errors.starts_with("zcio: connect: Connection refused: 127.0.0.1:1 ("), "{errors}");
    }
    assert_bytes(&existing, b"precious");
    assert!(!new.exists());
}
