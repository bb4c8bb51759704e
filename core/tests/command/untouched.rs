//! What `zcio recv` and whoever listens leave alone: files before there is a byte for them, and files and sockets of others.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{
    assert_bytes, failed, folder, listening, quiet, run, signal, until_it_listens, until_nobody_listens, zcio,
};

fn receiver(address: &str, to: &Path, more: &[&str]) -> Command {
    let mut command = zcio(&["recv", "--listen", address]);
    command.arg(to).args(more);
    command
}

#[test]
fn who_sends_nothing_changes_no_file() {
    let (folder, existing) = folder(b"precious");
    let (new, socket) = (folder.path().join("new"), folder.path().join("socket"));
    let address = format!("unix:{}", socket.display());
    let nothing = "zcio: recv: the sender ended without a byte (the file is as it was";
    for (file, more) in [(&existing, &[][..]), (&existing, &["--raw"]), (&new, &[]), (&new, &["--raw"])] {
        let (taker, mut errors, tcp) = listening(receiver("127.0.0.1:0", file, more));
        drop(TcpStream::connect(tcp).unwrap());
        let mut output = taker.wait_with_output().unwrap();
        std::io::Read::read_to_end(&mut errors, &mut output.stderr).unwrap();
        assert!(failed(&output, 1).contains(nothing));

        let taker = receiver(&address, file, more).spawn().unwrap();
        until_it_listens(&socket);
        drop(UnixStream::connect(&socket).unwrap());
        assert!(failed(&taker.wait_with_output().unwrap(), 1).contains(nothing));

        let mut taker = zcio(&["recv".as_ref(), "-".as_ref(), file.as_os_str()]).stdin(Stdio::piped()).spawn().unwrap();
        drop(taker.stdin.take());
        assert!(failed(&taker.wait_with_output().unwrap(), 1).contains(nothing));
    }
    assert_bytes(&existing, b"precious");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    for file in [&existing, &new] {
        let taker = receiver(&address, file, &["--raw", "--count=0"]).spawn().unwrap();
        until_it_listens(&socket);
        drop(UnixStream::connect(&socket).unwrap());
        quiet(&taker.wait_with_output().unwrap());
        assert_bytes(file, b"");
    }
}

/// A reset before the first byte.
#[test]
fn a_connection_that_breaks_at_once_changes_no_file() {
    let (_folder, existing) = folder(b"precious");
    let (taker, _errors, address) = listening(receiver("127.0.0.1:0", &existing, &[]));
    let scanner = TcpStream::connect(address).unwrap();
    nix::sys::socket::setsockopt(
        &scanner,
        nix::sys::socket::sockopt::Linger,
        &libc::linger { l_onoff: 1, l_linger: 0 },
    )
    .unwrap();
    drop(scanner);
    assert_eq!(taker.wait_with_output().unwrap().status.code(), Some(1));
    assert_bytes(&existing, b"precious");
}

#[test]
fn a_file_that_got_the_name_meanwhile_is_left_or_written_but_never_removed() {
    let (folder, other) = folder(b"somebody else's");
    let (to, socket) = (folder.path().join("to"), folder.path().join("socket"));
    let address = format!("unix:{}", socket.display());
    for connected in [false, true] {
        let taker = receiver(&address, &to, &[]).spawn().unwrap();
        until_it_listens(&socket);
        let connection = connected.then(|| UnixStream::connect(&socket).unwrap());
        std::fs::copy(&other, folder.path().join("copy")).unwrap();
        std::fs::rename(folder.path().join("copy"), &to).unwrap();
        signal(&taker, libc::SIGTERM);
        failed(&taker.wait_with_output().unwrap(), 143);
        drop(connection);
        assert_bytes(&to, b"somebody else's");
        assert!(!socket.exists());
    }
    // What is there when all has come is replaced, as what was there before.
    let taker = receiver(&address, &to, &["--raw"]).spawn().unwrap();
    until_it_listens(&socket);
    std::fs::rename(&other, &to).unwrap();
    UnixStream::connect(&socket).unwrap().write_all(b"received").unwrap();
    quiet(&taker.wait_with_output().unwrap());
    assert_bytes(&to, b"received");
}

#[test]
fn a_file_that_cannot_be_written_is_known_at_once() {
    let (folder, _) = folder(b"");
    let errors = failed(&receiver("127.0.0.1:0", &folder.path().join("no/such"), &[]).output().unwrap(), 1);
    assert!(errors.starts_with("zcio: open: No such file or directory: "), "{errors}");
    failed(&receiver("127.0.0.1:0", folder.path(), &[]).output().unwrap(), 1);
}

#[test]
fn a_listener_replaces_a_dead_socket_and_removes_only_its_own() {
    let (folder, from) = folder(b"bytes");
    let (socket, to) = (folder.path().join("socket"), folder.path().join("to"));
    let address = format!("unix:{}", socket.display());
    let commands: [&[&str]; 3] = [
        &["recv", "--listen", &address, to.to_str().unwrap()],
        &["send", "--listen", from.to_str().unwrap(), &address],
        &["relay", &address, "127.0.0.1:1"],
    ];
    for arguments in commands {
        drop(UnixListener::bind(&socket).unwrap());
        until_nobody_listens(&socket);
        let first = zcio(arguments).spawn().unwrap();
        until_it_listens(&socket);
        // Alive: the second one gives up, and the first one has not noticed it.
        let refused = failed(&run(arguments), 1);
        assert!(refused.starts_with("zcio: bind: Address already in use"), "{refused}");
        // Another one has its path by now.
        std::fs::remove_file(&socket).unwrap();
        let other = UnixListener::bind(&socket).unwrap();
        signal(&first, libc::SIGTERM);
        failed(&first.wait_with_output().unwrap(), 143);
        assert!(UnixStream::connect(&socket).is_ok(), "{arguments:?}");
        drop(other);
        until_nobody_listens(&socket);
        // Its own is removed.
        let second = zcio(arguments).spawn().unwrap();
        until_it_listens(&socket);
        signal(&second, libc::SIGTERM);
        failed(&second.wait_with_output().unwrap(), 143);
        assert!(!socket.exists(), "{arguments:?}");
        // A file is no socket.
        std::fs::write(&socket, b"precious").unwrap();
        failed(&run(arguments), 1);
        assert!(!socket.metadata().unwrap().file_type().is_socket());
        assert_bytes(&socket, b"precious");
        std::fs::remove_file(&socket).unwrap();
    }
}

/// As `cat` and every other filter: whoever read it has had enough.
#[test]
fn an_output_that_nobody_reads_any_more_is_141_and_silence() {
    let (_folder, from) = folder(&crate::pattern(1 << 20));
    for json in [&[][..], &["--json"]] {
        let mut sender = zcio(&["send".as_ref(), from.as_os_str(), "-".as_ref()]);
        let mut sender = sender.args(json).spawn().unwrap();
        drop(sender.stdout.take());
        assert_eq!(failed(&sender.wait_with_output().unwrap(), 141), "");
        let mut taker = zcio(&["recv", "-", "-"]).args(json).stdin(Stdio::piped()).spawn().unwrap();
        drop(taker.stdout.take());
        let mut input = taker.stdin.take().unwrap();
        // As long as it is read.
        while input.write_all(&[0; 4096]).is_ok() {}
        assert_eq!(failed(&taker.wait_with_output().unwrap(), 141), "");
    }
}
