//! Being stopped by a signal: the exit code, and what is left behind.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{LARGE, document, failed, folder, listening, pattern, signal, skip, until, until_it_listens, zcio};

/// Whether the process has a handler for the signal (`proc_pid_status(5)`, `SigCgt`).
fn catches(child: &Child, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 1 << (signal - 1) != 0
}

/// Whether a thread of the process, whose signals have handlers, sleeps in that system call.
fn sleeps_in(child: &Child, system_call: libc::c_long) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let mut calls = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("syscall")));
    let number = system_call.to_string();
    catches(child, libc::SIGHUP) && calls.any(|call| call.is_ok_and(|call| call.split(' ').next() == Some(&number)))
}

#[test]
fn waiting_for_a_connection_leaves_nothing() {
    for (number, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
        let (folder, _) = folder(b"");
        let (socket, to) = (folder.path().join("socket"), folder.path().join("to"));
        let address = format!("unix:{}", socket.display());
        let receiver = zcio(&["recv".as_ref(), "--listen".as_ref(), address.as_ref(), to.as_os_str()]).spawn().unwrap();
        until_it_listens(&socket);
        assert!(!to.exists(), "nobody has sent anything");
        signal(&receiver, number);
        let errors = failed(&receiver.wait_with_output().unwrap(), code);
        assert_eq!(errors, "zcio: accept: interrupted\n");
        assert!(!socket.exists() && !to.exists());
    }
}

/// What a relay that is killed has not delivered to either side, neither takes for the end.
#[test]
fn a_killed_relay_resets_both_sides() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = server.local_addr().unwrap().to_string();
    let (mut relay, _errors, address) = listening(zcio(&["relay", "127.0.0.1:0", &target]));
    let mut client = std::net::TcpStream::connect(address).unwrap();
    let (mut upstream, _) = server.accept().unwrap();
    client.write_all(b"a part").unwrap();
    upstream.read_exact(&mut [0; 6]).unwrap();
    relay.kill().unwrap();
    relay.wait().unwrap();
    for mut end in [client, upstream] {
        assert_eq!(end.read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
}

/// Whether neither this end's bytes wait to be sent nor the other end's to be received (`proc_net_tcp(5)`).
fn nothing_is_queued(sender: &std::net::TcpStream) -> bool {
    let [ours, theirs] = [sender.local_addr(), sender.peer_addr()].map(|address| address.unwrap().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let queues = |local: u16, remote: u16| {
        let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let is_it = |line: &Vec<&str>| {
            line[1].ends_with(&format!(":{local:04X}")) && line[2].ends_with(&format!(":{remote:04X}"))
        };
        lines.find(is_it).unwrap()[4].to_owned()
    };
    [queues(ours, theirs), queues(theirs, ours)].iter().all(|queues| queues == "00000000:00000000")
}

/// Neither the bytes nor a temporary name.
#[test]
fn a_stopped_receiver_leaves_nothing_by_every_way() {
    let bytes = pattern(700_001);
    for mechanism in ["read_write", "splice", "direct_io", "uring"] {
        if mechanism == "uring" && !zcio::Capabilities::get().allows(zcio::Mechanism::Uring) {
            skip("a_stopped_receiver_leaves_nothing_by_every_way", "io_uring is not to be had");
            continue;
        }
        let (folder, _) = folder(b"");
        let to = folder.path().join("to");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let arguments = ["recv", "--raw", &address, to.to_str().unwrap(), "--mechanism", mechanism, "--json"];
        let receiver = zcio(&arguments).spawn().unwrap();
        let (mut sender, _) = listener.accept().unwrap();
        sender.write_all(&bytes).unwrap();
        until("all has been taken", || nothing_is_queued(&sender));
        signal(&receiver, libc::SIGINT);
        let output = receiver.wait_with_output().unwrap();
        assert!(failed(&output, 130).contains(": interrupted"), "{mechanism}");
        let moved = document(&output.stdout)["error"]["moved"].as_u64().unwrap();
        assert!(moved <= bytes.len() as u64, "{mechanism}: {moved}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "{mechanism}");
    }
}

#[test]
fn a_stalled_receiver_does_not_hold_the_sender() {
    let (_folder, from) = folder(&pattern(LARGE));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sender = zcio(&["send".as_ref(), "--raw".as_ref(), from.as_os_str(), address.as_ref()]).spawn().unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.read_exact(&mut [0; 1000]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&sender, libc::SIGINT);
    failed(&sender.wait_with_output().unwrap(), 130);
    let error = std::io::copy(&mut peer, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// A pipe cannot be switched to non-blocking for the others who hold it: the write itself is interrupted.
#[test]
fn a_full_pipe_does_not_hold_the_sender() {
    let (_folder, from) = folder(&pattern(LARGE));
    let mut sender = zcio(&["send".as_ref(), from.as_os_str(), "-".as_ref()]).spawn().unwrap();
    let pipe = sender.stdout.take().unwrap();
    // It has begun; soon the pipe is full, and nobody empties it.
    poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&sender, libc::SIGINT);
    let began = std::time::Instant::now();
    failed(&sender.wait_with_output().unwrap(), 130);
    assert!(began.elapsed().as_secs() < 20);
    drop(pipe);
}

#[test]
fn a_fifo_without_a_writer_does_not_hold_it() {
    let (folder, _) = folder(b"");
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let sender = zcio(&["send".as_ref(), fifo.as_os_str(), "-".as_ref()]).spawn().unwrap();
    until("it waits for a writer", || sleeps_in(&sender, libc::SYS_openat));
    signal(&sender, libc::SIGINT);
    assert_eq!(failed(&sender.wait_with_output().unwrap(), 130), "zcio: open: interrupted\n");
}

/// Whether it has a file open in that folder, but for this one, with bytes in it. A copy has no name before it is complete.
fn has_written_in(child: &Child, folder: &Path, other: &Path) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
    open.flatten().map(|entry| entry.path()).any(|link| {
        link.read_link().is_ok_and(|path| path.starts_with(folder) && path != other)
            && link.metadata().is_ok_and(|file| file.len() > 0)
    })
}

#[test]
fn a_stopped_copy_leaves_no_half() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let (mut file, bytes) = (std::fs::File::create(&from).unwrap(), pattern(64 << 20));
    for _ in 0..8 {
        file.write_all(&bytes).unwrap();
    }
    for _ in 0..20 {
        let copy =
            zcio(&["copy".as_ref(), "--reflink=never".as_ref(), from.as_os_str(), to.as_os_str()]).spawn().unwrap();
        until("it writes", || has_written_in(&copy, folder.path(), &from));
        signal(&copy, libc::SIGINT);
        let output = copy.wait_with_output().unwrap();
        if output.status.success() {
            // It was quicker than the signal.
            std::fs::remove_file(&to).unwrap();
            continue;
        }
        let errors = failed(&output, 130);
        assert!(errors.contains(": interrupted"), "{errors}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        return;
    }
    panic!("twenty copies of 512 MiB were all over before a signal came");
}

/// nohup(1) and shells' background jobs have the signal ignored, and it stays so.
#[test]
fn an_ignored_signal_stays_ignored() {
    use std::os::unix::process::CommandExt;
    let mut command = zcio(&["recv", "-", "/dev/null"]);
    // SAFETY: signal(2) is async-signal-safe.
    unsafe {
        command.stdin(Stdio::piped()).pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let mut child = command.spawn().unwrap();
    until("it has its signals' handlers", || catches(&child, libc::SIGTERM));
    signal(&child, libc::SIGHUP);
    std::thread::sleep(std::time::Duration::from_millis(200));
    child.stdin.take().unwrap().write_all(b"bytes").unwrap();
    assert!(child.wait().unwrap().success());
}
