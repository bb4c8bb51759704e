//! A part is never taken for the whole: neither by the receiver nor by the sender, whatever happens to the other one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::{LARGE, assert_bytes, document, failed, folder, listening, pattern, quiet, run, signal, until, zcio};

/// A receiver at an address of that kind, and the address.
fn receiver(kind: &str, folder: &Path, more: &[&str]) -> (Child, String) {
    let to = folder.join("to");
    let arguments = |address: &str| {
        let mut command = zcio(&["recv", "--listen", address]);
        command.arg(&to).args(more);
        command
    };
    if kind == "tcp" {
        let (mut child, errors, address) = listening(arguments("127.0.0.1:0"));
        child.stderr = Some(errors.into_inner());
        return (child, address);
    }
    let socket = folder.join("socket");
    let address = format!("unix:{}", socket.display());
    let child = arguments(&address).spawn().unwrap();
    crate::until_it_listens(&socket);
    (child, address)
}

/// Whether it has a file open in that folder with at least so many bytes.
fn has_received(child: &Child, folder: &Path, bytes: u64) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
    open.flatten().map(|entry| entry.path()).any(|link| {
        link.read_link().is_ok_and(|path| path.starts_with(folder))
            && link.metadata().is_ok_and(|file| file.is_file() && file.len() >= bytes)
    })
}

/// Over TCP and a UNIX-domain socket, from a file and from a pipe, in the midst: the receiver fails, and what was there stays.
#[test]
fn a_sender_that_is_stopped_or_killed_makes_the_receiver_fail() {
    for kind in ["tcp", "unix"] {
        for number in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
            for file in [true, false] {
                let (folder, from) = folder(b"");
                std::fs::File::create(&from).unwrap().set_len(1 << 40).unwrap();
                let to = folder.path().join("to");
                std::fs::write(&to, b"precious").unwrap();
                let (taker, address) = receiver(kind, folder.path(), &[]);
                let source = if file { from.as_os_str() } else { "-".as_ref() };
                let mut sender =
                    zcio(&["send".as_ref(), source, address.as_ref()]).stdin(Stdio::piped()).spawn().unwrap();
                let mut input = sender.stdin.take().unwrap();
                if !file {
                    input.write_all(&pattern(1 << 20)).unwrap();
                }
                until("some has arrived", || has_received(&taker, folder.path(), 1 << 20));
                signal(&sender, number);
                let ended = sender.wait_with_output().unwrap();
                if number != libc::SIGKILL {
                    assert!(failed(&ended, 128 + number).contains(": interrupted"), "{kind} {number} {file}");
                }
                let error = failed(&taker.wait_with_output().unwrap(), 1);
                assert!(error.contains("ended before") || error.contains("reset"), "{kind} {number} {file}: {error}");
                assert_bytes(&to, b"precious");
                drop(input);
                assert_eq!(folder.path().read_dir().unwrap().count(), 2, "{kind} {number} {file}");
            }
        }
    }
}

/// Behind a pipe that zcio stands at both ends of, as over ssh.
#[test]
fn a_killed_sender_over_a_pipe() {
    let (folder, from) = folder(&pattern(LARGE));
    let to = folder.path().join("to");
    for whole in [true, false] {
        let mut sender = zcio(&["send".as_ref(), "--framed".as_ref(), from.as_os_str(), "-".as_ref()]).spawn().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let taker =
            zcio(&["recv".as_ref(), "--framed".as_ref(), "-".as_ref(), to.as_os_str()]).stdin(reader).spawn().unwrap();
        let mut output = sender.stdout.take().unwrap();
        let some = if whole { u64::MAX } else { 1 << 20 };
        // splice(2) has the last word to a receiver that is done already: EPIPE, with nothing to write.
        let _ = std::io::copy(&mut (&mut output).take(some), &mut writer);
        if !whole {
            sender.kill().unwrap();
        }
        drop((writer, output));
        sender.wait().unwrap();
        let received = taker.wait_with_output().unwrap();
        if whole {
            quiet(&received);
            assert_bytes(&to, &pattern(LARGE));
            std::fs::remove_file(&to).unwrap();
        } else {
            assert!(failed(&received, 1).contains("the sender ended before everything had come"));
            assert!(!to.exists());
        }
    }
}

/// The receiver has taken every byte from the socket, and then it cannot keep them.
#[test]
fn a_receiver_that_fails_at_the_end_makes_the_sender_fail() {
    let (folder, from) = folder(&pattern(100_000));
    for kind in ["tcp", "unix"] {
        let (taker, address) = receiver(kind, folder.path(), &["--fsync"]);
        // The name cannot be taken.
        std::fs::create_dir(folder.path().join("to")).unwrap();
        let sent = run(&["send".as_ref(), from.as_os_str(), address.as_ref()]);
        let error = failed(&sent, 1);
        assert!(error.contains("receiver ended before it had everything") || error.contains("reset"), "{error}");
        failed(&taker.wait_with_output().unwrap(), 1);
        std::fs::remove_dir(folder.path().join("to")).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}

/// The limit of a file's size: an error, and not the end of the process by SIGXFSZ.
#[test]
fn a_file_that_may_not_get_so_long_is_an_error_at_both_sides() {
    let (folder, from) = folder(&pattern(3 << 20));
    let to = folder.path().join("to");
    let mut command = zcio(&["recv".as_ref(), "--listen".as_ref(), "127.0.0.1:0".as_ref(), to.as_os_str()]);
    // SAFETY: setrlimit(2) is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
            libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit);
            Ok(())
        })
    };
    let (taker, mut errors, address) = listening(command);
    failed(&run(&["send".as_ref(), from.as_os_str(), address.as_ref()]), 1);
    assert_eq!(taker.wait_with_output().unwrap().status.code(), Some(1));
    let mut text = String::new();
    errors.read_to_string(&mut text).unwrap();
    assert!(text.contains("File too large") && text.contains("limit"), "{text}");
    assert!(!to.exists());
}

#[test]
fn sources_that_say_nothing_or_too_much_of_their_length_arrive_whole() {
    let (folder, empty) = folder(b"");
    let sysfs = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    let hole = folder.path().join("hole");
    std::fs::File::create(&hole).unwrap().set_len(100_001).unwrap();
    let proc = Path::new("/proc/version");
    for source in [&empty, &hole, proc, sysfs].into_iter().filter(|source| source.exists()) {
        let (taker, address) = receiver("tcp", folder.path(), &["--json"]);
        let expected = std::fs::read(source).unwrap();
        quiet(&run(&["send".as_ref(), source.as_os_str(), address.as_ref()]));
        let received = document(quiet(&taker.wait_with_output().unwrap()));
        assert_eq!(received["bytes"], expected.len(), "{}", source.display());
        assert_bytes(&folder.path().join("to"), &expected);
    }
    // A part of one, and of a file that is standard input and stands somewhere.
    let text = std::fs::read(proc).unwrap();
    let (taker, address) = receiver("unix", folder.path(), &[]);
    quiet(&run(&["send".as_ref(), proc.as_os_str(), address.as_ref(), "--offset=3".as_ref(), "--count=5".as_ref()]));
    quiet(&taker.wait_with_output().unwrap());
    assert_bytes(&folder.path().join("to"), &text[3..8]);
    let from = folder.path().join("from");
    std::fs::write(&from, pattern(LARGE)).unwrap();
    let mut input = std::fs::File::open(&from).unwrap();
    input.read_exact(&mut [0; 1000]).unwrap();
    let (taker, address) = receiver("tcp", folder.path(), &[]);
    quiet(&zcio(&["send", "-", &address]).stdin(input).output().unwrap());
    quiet(&taker.wait_with_output().unwrap());
    assert_bytes(&folder.path().join("to"), &pattern(LARGE)[1000..]);
}

/// A file that gets shorter while it is sent.
#[test]
fn a_source_that_shrinks_is_no_success_at_either_side() {
    let (folder, from) = folder(b"");
    let file = std::fs::File::create(&from).unwrap();
    file.set_len(1 << 40).unwrap();
    let (taker, address) = receiver("unix", folder.path(), &[]);
    let sender = zcio(&["send".as_ref(), from.as_os_str(), address.as_ref()]).spawn().unwrap();
    until("some has arrived", || has_received(&taker, folder.path(), 1 << 20));
    file.set_len(0).unwrap();
    let error = failed(&sender.wait_with_output().unwrap(), 1);
    assert!(error.contains("earlier than it had said"), "{error}");
    assert!(failed(&taker.wait_with_output().unwrap(), 1).contains("the sender ended before everything had come"));
    assert!(!folder.path().join("to").exists());
}

#[test]
fn a_file_is_replaced_when_the_new_one_is_complete_and_keeps_its_mode() {
    let (folder, from) = folder(&pattern(LARGE));
    let (to, link) = (folder.path().join("to"), folder.path().join("link"));
    std::fs::write(&to, b"precious").unwrap();
    std::fs::set_permissions(&to, PermissionsExt::from_mode(0o640)).unwrap();
    std::fs::hard_link(&to, &link).unwrap();
    let (taker, address) = receiver("tcp", folder.path(), &[]);
    quiet(&run(&["send".as_ref(), from.as_os_str(), address.as_ref()]));
    quiet(&taker.wait_with_output().unwrap());
    assert_bytes(&to, &pattern(LARGE));
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_bytes(&link, b"precious");
}

/// Somebody who speaks otherwise.
#[test]
fn another_program_at_the_other_side_is_told_apart() {
    let (folder, from) = folder(b"bytes");
    let (taker, address) = receiver("tcp", folder.path(), &[]);
    let mut http = TcpStream::connect(address).unwrap();
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(
        failed(&taker.wait_with_output().unwrap(), 1).contains("is not zcio (for another program than zcio: --raw)")
    );
    assert!(!folder.path().join("to").exists());
    for (answer, said) in
        [(&b""[..], "without a word"), (b"220 smtp ready\r\n", "is not zcio"), (b"zcio 1>\n", "sends, too")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let sender = zcio(&["send".as_ref(), from.as_os_str(), address.as_ref()]).spawn().unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let _ = peer.write_all(answer);
        // Who is not zcio is left at once.
        let _ = peer.shutdown(std::net::Shutdown::Write);
        let error = failed(&sender.wait_with_output().unwrap(), 1);
        assert!(error.contains(said), "{error}");
        // It has got the greeting, and not one byte of the file.
        let mut got = Vec::new();
        let _ = peer.read_to_end(&mut got);
        assert_eq!(got.len(), 8, "{got:?}");
    }
    // With --raw these are the bytes.
    let (taker, address) = receiver("tcp", folder.path(), &["--raw"]);
    TcpStream::connect(address).unwrap().write_all(b"plain").unwrap();
    quiet(&taker.wait_with_output().unwrap());
    assert_bytes(&folder.path().join("to"), b"plain");
}

/// More than was asked for is refused before it is written.
#[test]
fn a_sender_with_more_than_the_count_is_refused() {
    let (folder, from) = folder(b"twelve bytes");
    let (taker, address) = receiver("tcp", folder.path(), &["--count=11"]);
    failed(&run(&["send".as_ref(), from.as_os_str(), address.as_ref()]), 1);
    let error = failed(&taker.wait_with_output().unwrap(), 1);
    assert!(error.contains("the sender has more than 11 bytes"), "{error}");
    assert!(!folder.path().join("to").exists());
}

#[test]
fn who_is_not_to_come_is_turned_away_and_the_next_one_served() {
    let (folder, from) = folder(b"bytes");
    let (taker, address) = receiver("tcp", folder.path(), &["--from=10.0.0.0/8", "--from=127.0.0.2"]);
    let mut stranger = TcpStream::connect(&address).unwrap();
    assert!(stranger.read(&mut [0; 8]).is_err(), "reset, without a greeting");
    // From 127.0.0.2, by a relay of our own between the two.
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = between.local_addr().unwrap().to_string();
    let sender = zcio(&["send".as_ref(), from.as_os_str(), name.as_ref()]).spawn().unwrap();
    let (client, _) = between.accept().unwrap();
    let server = from_second_loopback(port);
    let (mut client_reader, mut server_writer) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let forward = std::thread::spawn(move || {
        let _ = std::io::copy(&mut client_reader, &mut server_writer);
    });
    let (mut server_reader, mut client_writer) = (server, client);
    let _ = std::io::copy(&mut server_reader, &mut client_writer);
    drop(client_writer);
    quiet(&sender.wait_with_output().unwrap());
    forward.join().unwrap();
    let output = taker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("turned away, not in --from"), "{text}");
    assert_bytes(&folder.path().join("to"), b"bytes");
    let refused = failed(&run(&["recv", "--listen", "unix:/tmp/never", "/dev/null", "--from=::1"]), 1);
    assert!(refused.contains("--from means networks"), "{refused}");
}

fn from_second_loopback(port: u16) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    bind(fd, &SockaddrIn::new(127, 0, 0, 2, 0)).unwrap();
    connect(fd, &SockaddrIn::new(127, 0, 0, 1, port)).unwrap();
    socket.into()
}

/// The kernel's own names of the standard streams.
#[test]
fn dev_stdout_is_standard_output() {
    let bytes = pattern(100_000);
    let (_folder, from) = folder(&bytes);
    let sent = run(&["send".as_ref(), from.as_os_str(), "/dev/stdout".as_ref()]);
    assert!(quiet(&sent) == bytes);
    let input = std::fs::File::open(&from).unwrap();
    let received = zcio(&["recv", "/dev/stdin", "/dev/stdout"]).stdin(input).output().unwrap();
    assert!(quiet(&received) == bytes);
}
