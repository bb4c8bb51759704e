//! Is TCP → file as fast as the best hand-written loop, into the page cache and durably?
#![allow(missing_docs)]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;

use common::{Lane, Peer, Sample, compare, rounds};
use nix::fcntl::{SpliceFFlags, splice};
use zcio::{Endpoint, Mechanism, Transfer};

const SIZE: u64 = 512 << 20;

type Receive<'a> = Box<dyn Fn(&TcpStream, &File) + 'a>;

fn main() {
    common::be_peer_if_asked();
    let peer = &Peer::that_sends(SIZE);
    let timed = |receive: &dyn Fn(&TcpStream, &File), sync: fn(&File)| {
        let (socket, sink) = (peer.connect(), tempfile::tempfile().unwrap());
        let sample = Sample::of(SIZE, || {
            receive(&socket, &sink);
            sync(&sink);
        });
        assert_eq!(sink.metadata().unwrap().len(), SIZE);
        sample
    };
    let lane =
        |name, sync: fn(&File), receive: Receive<'static>| Lane { name, run: Box::new(move || timed(&*receive, sync)) };
    let cached: fn(&File) = |_| {};
    let all: fn(&File) = |file| file.sync_all().unwrap();
    let data: fn(&File) = |file| file.sync_data().unwrap();
    compare(
        "TCP -> file, 512 MiB, cached",
        rounds(),
        vec![
            lane("zcio automatic", cached, Box::new(|socket, file| zcio(socket, file, None))),
            lane("raw recv 256 KiB + write", cached, Box::new(|socket, file| raw_loop(socket, file, 256 << 10))),
            lane("raw recv 8 KiB + write", cached, Box::new(|socket, file| raw_loop(socket, file, 8 << 10))),
            lane("raw splice", cached, Box::new(raw_splice)),
            lane("zcio read_write", cached, Box::new(|socket, file| zcio(socket, file, Some(Mechanism::ReadWrite)))),
        ],
    );
    compare(
        "TCP -> file, 512 MiB, durable",
        rounds(),
        vec![
            lane(
                "zcio direct_io + fdatasync",
                data,
                Box::new(|socket, file| zcio(socket, file, Some(Mechanism::DirectIo))),
            ),
            lane("raw recv 256 KiB + fsync", all, Box::new(|socket, file| raw_loop(socket, file, 256 << 10))),
            lane("zcio automatic + fdatasync", data, Box::new(|socket, file| zcio(socket, file, None))),
        ],
    );
}

fn zcio(socket: &TcpStream, file: &File, mechanism: Option<Mechanism>) {
    let ends = (Endpoint::new(socket.as_fd()).unwrap(), Endpoint::new(file.as_fd()).unwrap());
    let mut transfer = Transfer::new(ends.0, ends.1);
    if let Some(mechanism) = mechanism {
        transfer = transfer.mechanism(mechanism);
    }
    assert_eq!(transfer.run().unwrap().bytes, SIZE);
}

fn raw_loop(mut socket: &TcpStream, mut file: &File, length: usize) {
    let mut buffer = vec![0; length];
    loop {
        let count = socket.read(&mut buffer).unwrap();
        if count == 0 {
            return;
        }
        file.write_all(&buffer[..count]).unwrap();
    }
}

fn raw_splice(socket: &TcpStream, file: &File) {
    let (read, write) = nix::unistd::pipe().unwrap();
    nix::fcntl::fcntl(&write, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
    loop {
        let mut held = splice(socket, None, &write, None, 1 << 20, SpliceFFlags::empty()).unwrap();
        if held == 0 {
            return;
        }
        while held > 0 {
            held -= splice(&read, None, file, None, held, SpliceFFlags::empty()).unwrap();
        }
    }
}
