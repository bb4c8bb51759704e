//! Is the automatic choice for file → TCP as fast as the best hand-written loop?
#![allow(missing_docs)]

mod common;

use std::os::fd::AsFd;

use common::{Lane, Peer, Sample, cached_file, compare, finish, rounds};
use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::sendfile::sendfile;
use zcio::{Endpoint, Mechanism, Transfer};

const SIZE: u64 = 1 << 30;

fn main() {
    common::be_peer_if_asked();
    let (file, peer) = (&cached_file(SIZE as usize), &Peer::that_drains());
    let timed = |nonblocking: bool, send: &dyn Fn(&std::net::TcpStream)| {
        let socket = peer.connect();
        socket.set_nonblocking(nonblocking).unwrap();
        Sample::of(SIZE, || {
            send(&socket);
            socket.set_nonblocking(false).unwrap();
            finish(&socket);
        })
    };
    let zcio = |mechanism: Option<Mechanism>| {
        move |socket: &std::net::TcpStream| {
            let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(socket.as_fd()).unwrap());
            let mut transfer = Transfer::new(ends.0, ends.1).offset(0);
            if let Some(mechanism) = mechanism {
                transfer = transfer.mechanism(mechanism);
            }
            assert_eq!(transfer.run().unwrap().bytes, SIZE);
        }
    };
    let lane = |name, nonblocking, send: Box<dyn Fn(&std::net::TcpStream)>| Lane {
        name,
        run: Box::new(move || timed(nonblocking, &*send)),
    };
    compare(
        "file -> TCP, 1 GiB",
        rounds(),
        vec![
            lane("zcio automatic", false, Box::new(zcio(None))),
            lane("zcio automatic, non-blocking", true, Box::new(zcio(None))),
            lane("raw sendfile, blocking", false, Box::new(|socket| raw_sendfile(file, socket))),
            lane("raw sendfile + poll", true, Box::new(|socket| raw_sendfile(file, socket))),
            lane("raw splice", false, Box::new(|socket| raw_splice(file, socket))),
            lane("zcio splice", false, Box::new(zcio(Some(Mechanism::Splice)))),
            lane("zcio mmap_write", false, Box::new(zcio(Some(Mechanism::MmapWrite)))),
            lane("zcio read_write", false, Box::new(zcio(Some(Mechanism::ReadWrite)))),
            lane("zcio zerocopy_send", false, Box::new(zcio(Some(Mechanism::ZerocopySend)))),
        ],
    );
}

fn raw_sendfile(file: &impl AsFd, socket: &impl AsFd) {
    let mut at = 0i64;
    while at < SIZE as i64 {
        let left = SIZE as i64 - at;
        match sendfile(socket, file, Some(&mut at), left as usize) {
            Ok(_) => {}
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE).unwrap();
            }
            Err(errno) => panic!("{errno}"),
        }
    }
}

fn raw_splice(file: &impl AsFd, socket: &impl AsFd) {
    let (read, write) = nix::unistd::pipe().unwrap();
    nix::fcntl::fcntl(&write, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
    let mut at = 0i64;
    while at < SIZE as i64 {
        let mut held = splice(file, Some(&mut at), &write, None, 1 << 20, SpliceFFlags::empty()).unwrap();
        while held > 0 {
            held -= splice(&read, None, socket, None, held, SpliceFFlags::empty()).unwrap();
        }
    }
}
