//! Is file → pipe as fast as a raw splice?
#![allow(missing_docs)]

mod common;

use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsFd;

use common::{Lane, Sample, cached_file, compare, rounds};
use nix::fcntl::{SpliceFFlags, splice};
use zcio::{Endpoint, Mechanism, Transfer};

const SIZE: u64 = 1 << 30;

fn main() {
    let file = &cached_file(SIZE as usize);
    let timed = |send: &dyn Fn(&PipeWriter)| {
        let (read, write) = std::io::pipe().unwrap();
        let reader = std::thread::spawn(move || discard(&read));
        Sample::of(SIZE, || {
            send(&write);
            drop(write);
            reader.join().unwrap();
        })
    };
    let zcio = |mechanism: Option<Mechanism>| {
        move |pipe: &PipeWriter| {
            let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(pipe.as_fd()).unwrap());
            let mut transfer = Transfer::new(ends.0, ends.1).offset(0);
            if let Some(mechanism) = mechanism {
                transfer = transfer.mechanism(mechanism);
            }
            assert_eq!(transfer.run().unwrap().bytes, SIZE);
        }
    };
    let lane = |name, send: Box<dyn Fn(&PipeWriter)>| Lane { name, run: Box::new(move || timed(&*send)) };
    compare(
        "file -> pipe, 1 GiB, read end spliced to /dev/null",
        rounds(),
        vec![
            lane("raw splice", Box::new(|pipe| raw_splice(file, pipe))),
            lane("zcio automatic", Box::new(zcio(None))),
            lane("zcio splice", Box::new(zcio(Some(Mechanism::Splice)))),
            lane("zcio read_write", Box::new(zcio(Some(Mechanism::ReadWrite)))),
        ],
    );
}

fn raw_splice(file: &impl AsFd, pipe: &PipeWriter) {
    let mut at = 0i64;
    while at < SIZE as i64 {
        splice(file, Some(&mut at), pipe, None, 1 << 20, SpliceFFlags::empty()).unwrap();
    }
}

fn discard(pipe: &PipeReader) {
    let null = std::fs::File::options().write(true).open("/dev/null").unwrap();
    while splice(pipe, None, &null, None, 1 << 20, SpliceFFlags::empty()).unwrap() > 0 {}
}
