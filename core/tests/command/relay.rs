//! `zcio relay`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket};

use crate::{document, listening, pattern, signal, until, until_it_listens, zcio};

const CONNECTIONS: usize = 8;
const QUESTION: usize = 3_000_001;
const ANSWER: usize = 2_000_003;

/// Answers only when the question has ended: nothing comes back unless the half-close is passed on.
fn serve(mut socket: impl Read + Write) {
    let mut question = Vec::new();
    socket.read_to_end(&mut question).unwrap();
    assert!(question == pattern(QUESTION), "{} bytes", question.len());
    socket.write_all(&pattern(ANSWER)).unwrap();
}

#[test]
fn many_connections_with_half_closes() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = server.local_addr().unwrap().to_string();
    let (relay, mut errors, address) = listening(zcio(&["relay", "127.0.0.1:0", &target, "--json"]));
    let serving = std::thread::spawn(move || {
        let threads: Vec<_> =
            server.incoming().take(CONNECTIONS).map(|socket| std::thread::spawn(|| serve(socket.unwrap()))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut socket = TcpStream::connect(&address).unwrap();
            std::thread::spawn(move || {
                socket.write_all(&pattern(QUESTION)).unwrap();
                socket.shutdown(Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                socket.read_to_end(&mut answer).unwrap();
                assert!(answer == pattern(ANSWER), "{} bytes", answer.len());
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    serving.join().unwrap();
    signal(&relay, libc::SIGINT);
    let output = relay.wait_with_output().unwrap();
    let mut text = String::new();
    errors.read_to_string(&mut text).unwrap();
    assert_eq!((output.status.code(), text.as_str()), (Some(130), ""));
    let report = document(&output.stdout);
    assert_eq!((&report["connections"], &report["failed"]), (&CONNECTIONS.into(), &0.into()));
    assert_eq!(report["forward"], CONNECTIONS * QUESTION);
    assert_eq!(report["backward"], CONNECTIONS * ANSWER);
    assert_eq!(report["target"], target);
}

#[test]
fn once_between_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let [listen, target] = ["listen", "target"].map(|name| folder.path().join(name));
    let [from, to] = [&listen, &target].map(|path| format!("unix:{}", path.display()));
    let server = UnixListener::bind(&target).unwrap();
    let relay = zcio(&["relay", "--once", &from, &to, "--json"]).spawn().unwrap();
    until_it_listens(&listen);
    let mut client = UnixStream::connect(&listen).unwrap();
    let serving = std::thread::spawn(move || serve(server.accept().unwrap().0));
    client.write_all(&pattern(QUESTION)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    serving.join().unwrap();
    assert!(answer == pattern(ANSWER));
    let output = relay.wait_with_output().unwrap();
    let report = document(crate::quiet(&output));
    for (direction, bytes) in [("forward", QUESTION), ("backward", ANSWER)] {
        assert_eq!((&report["last"][direction]["bytes"], &report[direction]), (&bytes.into(), &bytes.into()));
        assert_eq!(report["last"][direction]["outcome"], "ended");
    }
    assert!(!listen.exists());
}

#[test]
fn a_target_that_is_gone_fails_the_connection_and_not_the_relay() {
    // Bound, so that no other test is given the port, and not listening yet.
    let server = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(server.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    let target = getsockname::<SockaddrIn>(server.as_raw_fd()).unwrap().to_string();
    let (relay, mut errors, address) = listening(zcio(&["relay", "127.0.0.1:0", &target, "--json"]));
    for _ in 0..2 {
        let mut client = TcpStream::connect(&address).unwrap();
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    // It lives on.
    listen(&server, Backlog::new(1).unwrap()).unwrap();
    let server = TcpListener::from(server);
    let client = TcpStream::connect(&address).unwrap();
    let (mut accepted, _) = server.accept().unwrap();
    drop(client);
    assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
    drop(accepted);
    signal(&relay, libc::SIGTERM);
    let output = relay.wait_with_output().unwrap();
    let mut text = String::new();
    errors.read_to_string(&mut text).unwrap();
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(text.matches("connect: Connection refused").count(), 2, "{text}");
    assert_eq!(document(&output.stdout)["failed"], 2);
}

/// A client that breaks off must not look to the server like one that has said everything.
#[test]
fn a_reset_is_passed_on_as_a_reset() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = server.local_addr().unwrap().to_string();
    let (relay, mut errors, address) = listening(zcio(&["relay", "--once", "127.0.0.1:0", &target]));
    let mut client = TcpStream::connect(&address).unwrap();
    let (mut accepted, _) = server.accept().unwrap();
    client.write_all(b"half a").unwrap();
    accepted.read_exact(&mut [0; 6]).unwrap();
    // Unread bytes make the kernel reset the connection when it is closed.
    accepted.write_all(b"never read").unwrap();
    until("it has arrived", || client.peek(&mut [0; 10]).unwrap() == 10);
    drop(client);
    let error = accepted.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut text = String::new();
    errors.read_to_string(&mut text).unwrap();
    assert_eq!(relay.wait_with_output().unwrap().status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
