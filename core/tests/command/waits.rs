//! `--timeout` and `--idle`: whatever a command waits for, it gives up.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::stat::Mode;

use super::{LARGE, failed, folder, pattern, run, until, until_it_listens, zcio};

#[test]
fn nothing_that_moves_for_so_long_is_given_up() {
    let (folder, from) = folder(&pattern(LARGE));
    let to = folder.path().join("to");
    // Nobody comes.
    let waiting =
        ["recv".as_ref(), "--listen".as_ref(), "127.0.0.1:0".as_ref(), to.as_os_str(), "--timeout=0.2".as_ref()];
    assert!(failed(&run(&waiting), 1).contains("accept: timed out: nothing moved for 200ms"));
    // The other side says nothing, or takes nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for raw in [false, true] {
        let mut sender = zcio(&["send".as_ref(), from.as_os_str(), address.as_ref(), "--timeout=0.2".as_ref()]);
        if raw {
            sender.arg("--raw");
        }
        let sender = sender.spawn().unwrap();
        let peer = listener.accept().unwrap();
        let error = failed(&sender.wait_with_output().unwrap(), 1);
        assert!(error.contains("timed out: nothing moved for 200ms"), "{error}");
        drop(peer);
    }
}

/// It gives up by itself, with code 1; gives back what it said.
#[track_caller]
fn given_up(arguments: &[&OsStr]) -> String {
    let mut command = zcio(arguments).spawn().unwrap();
    until("it gives up", || command.try_wait().unwrap().is_some());
    failed(&command.wait_with_output().unwrap(), 1)
}

#[test]
fn every_wait_is_given_up() {
    let (folder, from) = folder(b"bytes that fit into any buffer");
    let [fifo, deaf, full] = ["fifo", "deaf", "full"].map(|name| folder.path().join(name));
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let _deaf = UnixListener::bind(&deaf).unwrap();
    // As many wait there already as may.
    let listener = UnixListener::bind(&full).unwrap();
    // SAFETY: takes two numbers.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let _first = UnixStream::connect(&full).unwrap();

    let [from, fifo] = [from.as_os_str(), fifo.as_os_str()];
    let [deaf, full] = [deaf, full].map(|path| format!("unix:{}", path.display()));
    let [send, recv, limit, stream] = ["send", "recv", "--timeout=0.2", "-"].map(OsStr::new);
    for (arguments, operation) in [
        (&[send, limit, fifo, stream][..], "open"),
        (&[recv, limit, stream, fifo], "open"),
        (&[send, limit, from, full.as_ref()], "connect"),
        (&[send, limit, from, deaf.as_ref()], "send"),
        // Sent, and never read.
        (&[send, limit, OsStr::new("--raw"), from, deaf.as_ref()], "send"),
    ] {
        let error = given_up(arguments);
        assert!(error.contains(&format!("{operation}: timed out: nothing moved for 200ms")), "{arguments:?}: {error}");
    }

    let front = folder.path().join("front");
    let address = format!("unix:{}", front.display());
    let relay = zcio(&["relay", "--once", "--idle=0.2", &address, &full]).spawn().unwrap();
    until_it_listens(&front);
    let _client = UnixStream::connect(&front).unwrap();
    let mut relay = relay;
    until("it gives up", || relay.try_wait().unwrap().is_some());
    assert!(failed(&relay.wait_with_output().unwrap(), 1).contains("connect: nothing moved for 200ms"));
}
