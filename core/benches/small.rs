//! What does a transfer of 4 KiB cost over the bare system call?
#![allow(missing_docs)]

mod common;

use std::os::fd::AsFd;
use std::time::Instant;

use common::{Peer, cached_file, median, rounds};
use nix::sys::sendfile::sendfile;
use zcio::{Endpoint, Transfer};

const CALLS: u32 = 20_000;

fn main() {
    common::be_peer_if_asked();
    let (file, peer) = (cached_file(1 << 20), Peer::that_drains());
    let socket = peer.connect();
    let bare = || {
        let start = Instant::now();
        for _ in 0..CALLS {
            assert_eq!(sendfile(&socket, &file, Some(&mut 0), 4096).unwrap(), 4096);
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(socket.as_fd()).unwrap());
    let reused = || {
        let start = Instant::now();
        for _ in 0..CALLS {
            let report = Transfer::new(ends.0.borrow(), ends.1.borrow()).offset(0).count(4096).run().unwrap();
            assert_eq!(report.bytes, 4096);
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    let fresh = || {
        let start = Instant::now();
        for _ in 0..CALLS {
            let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(socket.as_fd()).unwrap());
            let report = Transfer::new(ends.0, ends.1).offset(0).count(4096).run().unwrap();
            assert_eq!(report.bytes, 4096);
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    let samples: Vec<[f64; 3]> = (0..=rounds()).map(|_| [bare(), reused(), fresh()]).skip(1).collect();
    let column = |index: usize| median(samples.iter().map(|sample| sample[index]));
    let extra = |index: usize| median(samples.iter().map(|sample| sample[index] - sample[0]));
    println!("\nfile -> TCP, 4 KiB ({} rounds of {CALLS}; medians, ns a transfer)", samples.len());
    println!("{:<28} {:>9.0}", "bare sendfile", column(0));
    println!("{:<28} {:>9.0} {:>+9.0}", "zcio, ends made once", column(1), extra(1));
    println!("{:<28} {:>9.0} {:>+9.0}", "zcio, ends made each time", column(2), extra(2));
}
