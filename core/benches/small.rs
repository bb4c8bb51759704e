//! What does a transfer of 4 KiB cost over the bare system call?
#![allow(missing_docs)]

mod common;

use std::os::fd::AsFd;

use common::{Peer, Sample, cached_file, median, rounds};
use nix::sys::sendfile::sendfile;
use zcio::{Endpoint, Transfer};

const CALLS: u32 = 20_000;

fn main() {
    common::be_peer_if_asked();
    let (file, peer) = (cached_file(1 << 20), Peer::that_drains());
    let socket = peer.connect();
    let bare = || {
        assert_eq!(sendfile(&socket, &file, Some(&mut 0), 4096).unwrap(), 4096);
    };
    let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(socket.as_fd()).unwrap());
    let send = |source, sink| {
        let report = Transfer::new(source, sink).offset(0).count(4096).run().unwrap();
        assert_eq!(report.bytes, 4096);
    };
    let reused = || send(ends.0.borrow(), ends.1.borrow());
    let fresh = || send(Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(socket.as_fd()).unwrap());
    let samples: Vec<[Cost; 3]> = (0..=rounds()).map(|_| [cost(bare), cost(reused), cost(fresh)]).skip(1).collect();

    println!(
        "\nfile -> TCP, 4 KiB ({} rounds of {CALLS}; medians, ns a transfer, and over the bare call)",
        samples.len()
    );
    println!("{:<28} {:>9} {:>9} {:>9} {:>9}", "", "time", "over", "CPU time", "over");
    for (index, name) in ["bare sendfile", "zcio, ends made once", "zcio, ends made each time"].into_iter().enumerate()
    {
        let of = |pick: fn(&Cost) -> f64| median(samples.iter().map(|sample| pick(&sample[index])));
        let over =
            |pick: fn(&Cost) -> f64| median(samples.iter().map(|sample| pick(&sample[index]) - pick(&sample[0])));
        let (wall, cpu) = (|cost: &Cost| cost.wall, |cost: &Cost| cost.cpu);
        println!("{name:<28} {:>9.0} {:>+9.0} {:>9.0} {:>+9.0}", of(wall), over(wall), of(cpu), over(cpu));
    }
}

/// What one transfer costs this process, in nanoseconds.
struct Cost {
    wall: f64,
    cpu: f64,
}

fn cost(transfer: impl Fn()) -> Cost {
    let sample = Sample::of(u64::from(CALLS) * 4096, || (0..CALLS).for_each(|_| transfer()));
    let each = |time: std::time::Duration| time.as_nanos() as f64 / f64::from(CALLS);
    Cost { wall: each(sample.wall), cpu: each(sample.cpu) }
}
