//! What others do meanwhile: a peer that reads, a user of the error queue, memory that goes away.

use super::*;

#[test]
fn a_peer_that_reads_keeps_its_connection() {
    let _dog = watchdog(60, "a stop with a peer that reads");
    let bytes = pattern(MUCH);
    let (near, far) = tcp_pair();
    let (stopped, is_stopped) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        is_stopped.recv().unwrap();
        rest(&far)
    });
    let error = named(Endpoint::bytes(&bytes), &near).run_watched(|_| {
        stopped.send(()).unwrap();
        ControlFlow::Break(())
    });
    let moved = error.unwrap_err().moved() as usize;
    assert_clean(&near, "a peer that reads");
    drop(near);
    let received = reader.join().unwrap();
    assert!(received[..moved] == bytes[..moved] && received.len() == moved + 12);
}

#[test]
fn an_error_queue_that_is_in_use_is_left_alone() {
    let bytes = pattern(100_000);
    let options = [
        ("SO_ZEROCOPY", libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1),
        // Transmit timestamps, made by software.
        ("SO_TIMESTAMPING", libc::SOL_SOCKET, libc::SO_TIMESTAMPING, 0x12),
        ("IP_RECVERR", libc::SOL_IP, libc::IP_RECVERR, 1),
        ("IPV6_RECVERR", libc::SOL_IPV6, libc::IPV6_RECVERR, 1),
    ];
    let pair = |address| {
        let listener = TcpListener::bind(address).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    };
    for (name, level, option_name, value) in options {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            if level == libc::SOL_IPV6 && address.starts_with('1') {
                continue;
            }
            let (near, _far) = pair(address);
            set(&near, level, option_name, value);
            for source in [Endpoint::bytes(&bytes), Endpoint::pages(pages(&bytes))] {
                let error = named(source, &near).run().unwrap_err();
                assert_eq!((error.kind(), error.moved()), (ErrorKind::Refused, 0), "{name} {address}: {error}");
                assert!(error.message().starts_with("error queue in use"), "{name} {address}: {error}");
            }
            assert_eq!(option(&near, level, option_name), value, "{name} {address}");
        }
    }
    // Somebody's own notification, unread, with the option off again.
    let (near, far) = tcp_pair();
    set(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1);
    // SAFETY: the bytes outlive the notification, which is waited for.
    let sent = unsafe { libc::send(near.as_raw_fd(), bytes.as_ptr().cast(), 1000, libc::MSG_ZEROCOPY) };
    assert_eq!(sent, 1000);
    assert!(receive(&far, 1000) == bytes[..1000]);
    while found(&near) != PollFlags::POLLERR {
        std::thread::yield_now();
    }
    set(&near, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 0);
    let error = named(Endpoint::bytes(&bytes), &near).run().unwrap_err();
    assert!(error.message().starts_with("error queue in use"), "{error}");
    assert_eq!(found(&near), PollFlags::POLLERR, "the message is somebody else's");
}

#[test]
fn memory_that_cannot_be_read_is_an_error_after_what_could() {
    let _dog = watchdog(60, "unreadable memory");
    let page = 4096;
    // SAFETY: a new mapping touches no existing memory.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4 * page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    // SAFETY: inside the mapping, of which Rust has no reference.
    let result = unsafe { libc::mprotect(start.wrapping_byte_add(2 * page), page, libc::PROT_NONE) };
    assert_eq!(result, 0);
    let mechanisms = [Mechanism::ZerocopySend, Mechanism::ReadWrite, Mechanism::Uring];
    for mechanism in mechanisms.into_iter().filter(|&named| has(named)) {
        let (near, far) = tcp_pair();
        let reader = std::thread::spawn(move || rest(&far).len() as u64);
        // SAFETY: mapped for as long as the test runs; the kernel finds out what can be read of it.
        let source = unsafe { Endpoint::lent(start.cast(), 4 * page) };
        let sink = Endpoint::new(near.as_fd()).unwrap();
        let error = match Transfer::new(source, sink).mechanism(mechanism).run() {
            Err(error) if error.kind() == ErrorKind::Refused => continue,
            result => result.unwrap_err(),
        };
        drop(near);
        assert_eq!((error.kind(), error.errno()), (ErrorKind::Faulted, Some(libc::EFAULT)), "{mechanism}: {error}");
        assert_eq!(error.moved(), reader.join().unwrap(), "{mechanism}");
    }
}

#[test]
fn a_page_of_a_file_that_cannot_be_read_is_an_error_with_the_count() {
    let _dog = watchdog(60, "an unreadable page of a file");
    let bytes = pattern(3 << 20);
    for (mechanism, operation) in [(Mechanism::ZerocopySend, "send"), (Mechanism::MmapWrite, "write")] {
        let file = file_with(&bytes);
        let (near, far) = tcp_pair();
        let reader = std::thread::spawn(move || rest(&far));
        let mut calls = 0;
        let fail = move |call: &inject::Call| match call.operation {
            name if name == operation && {
                calls += 1;
                calls
            } > 1 =>
            {
                Fault::Errno(libc::EFAULT)
            }
            _ => Fault::None,
        };
        let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(near.as_fd()).unwrap());
        let error = inject::with(fail, || Transfer::new(ends.0, ends.1).mechanism(mechanism).run()).unwrap_err();
        drop(near);
        let received = reader.join().unwrap();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::Faulted, Some(libc::EFAULT)), "{mechanism}: {error}");
        assert!(error.moved() > 0 && received == bytes[..error.moved() as usize], "{mechanism}");
    }
}

/// `io_uring` has no memory of the caller's when a step returns, and what it has of its own nobody waits for.
#[test]
fn what_a_ring_was_given_is_over_when_a_step_returns() {
    let _dog = watchdog(60, "a ring that is dropped");
    for forgotten in [false, true] {
        let mut memory = vec![b'p'; MUCH];
        let (near, far) = tcp_pair();
        near.set_nonblocking(true).unwrap();
        let sink = Endpoint::new(near.as_fd()).unwrap();
        let mut transfer = Transfer::new(Endpoint::bytes(&memory), sink).mechanism(Mechanism::Uring);
        loop {
            match transfer.step() {
                Ok(Step::Moved(_)) => {}
                Ok(Step::Blocked(_)) => break,
                Err(error) if error.kind() == ErrorKind::Refused => return eprintln!("skipped: {error}"),
                step => panic!("{step:?}"),
            }
        }
        let moved = transfer.report().unwrap().bytes as usize;
        if forgotten {
            std::mem::forget(transfer);
        } else {
            drop(transfer);
        }
        memory.fill(b'S');
        drop(near);
        let received = rest(&far);
        assert!(received.len() == moved && received.iter().all(|&byte| byte == b'p'), "forgotten: {forgotten}");
    }
}
