//! What a relay costs, tells, refuses and leaves behind.

use super::*;

#[test]
fn a_watcher_sees_the_counts_and_can_stop() {
    let _dog = watchdog(60, "a watcher");
    let (left, mut client) = tcp_pair();
    let (right, _server) = UnixStream::pair().unwrap();
    client.write_all(b"12345").unwrap();
    let (mut seen, mut joined) = (Vec::new(), relay(&left, &right));
    let error = joined
        .run_watched(|forward, backward| {
            seen.push((forward, backward));
            if seen.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Cancelled, 5));
    assert_eq!(seen, [(5, 0); 3]);
}

#[test]
fn sockets_get_their_mode_back() {
    let is_nonblocking =
        |fd: &TcpStream| OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap()).contains(OFlag::O_NONBLOCK);
    let ((left, _client), (right, _server)) = (tcp_pair(), tcp_pair());
    right.set_nonblocking(true).unwrap();
    let mut joined = relay(&left, &right);
    assert!(!is_nonblocking(&left));
    joined.step().unwrap();
    assert!(is_nonblocking(&left));
    drop(joined);
    assert!(!is_nonblocking(&left) && is_nonblocking(&right));
}

#[test]
fn ends_that_cannot_be_joined() {
    let ((tcp, _far), (pipe, _writer)) = (tcp_pair(), std::io::pipe().unwrap());
    assert_eq!(relay(&tcp, &pipe).step().unwrap_err().kind(), ErrorKind::Impossible);
    assert_eq!(relay(&tcp, &tcp).step().unwrap_err().kind(), ErrorKind::InvalidInput);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(relay(&tcp, &listener).run().unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn an_idle_relay_waits_in_poll() {
    let _dog = watchdog(60, "an idle relay");
    let ((left, client), (right, server)) = (tcp_pair(), tcp_pair());
    let began = Instant::now();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop((client, server));
    });
    let report = relay(&left, &right).run().unwrap();
    ends.join().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(report.system_calls < 40, "{report:?}");
}

/// A message costs a wait, a splice in and a splice out, not a dozen calls.
#[test]
fn a_message_costs_three_system_calls() {
    let _dog = watchdog(60, "messages");
    let ((left, mut client), (right, mut server)) = (tcp_pair(), tcp_pair());
    let echo = std::thread::spawn(move || {
        let mut message = [0; 64];
        while server.read_exact(&mut message).is_ok() {
            server.write_all(&message).unwrap();
        }
    });
    let asking = std::thread::spawn(move || {
        let mut message = [7; 64];
        for _ in 0..1000 {
            client.write_all(&message).unwrap();
            client.read_exact(&mut message).unwrap();
        }
    });
    let report = relay(&left, &right).run().unwrap();
    asking.join().unwrap();
    echo.join().unwrap();
    assert_eq!((report.forward.bytes, report.backward.bytes), (64_000, 64_000));
    assert!(report.system_calls < 2000 * 3 + 50, "{} calls", report.system_calls);
}

#[test]
fn relays_leave_no_descriptor_behind() {
    // Other tests of this file open descriptors at the same time: count in a child of our own.
    if !zcio_tests::alone::is_alone("upkeep::relays_leave_no_descriptor_behind") {
        return;
    }
    let once = || {
        let ((left, mut client), (right, server)) = (tcp_pair(), UnixStream::pair().unwrap());
        client.write_all(b"abc").unwrap();
        let mut joined = relay(&left, &right);
        joined.step().unwrap();
        drop(server);
        client.write_all(b"abc").unwrap();
        drop(client);
        let _ = joined.run();
    };
    // A pool of pipes may keep a few: let it fill first.
    (0..50).for_each(|_| once());
    let before = open_descriptors();
    (0..200).for_each(|_| once());
    assert_eq!(open_descriptors(), before);
}
