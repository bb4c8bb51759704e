//! What does the automatic choice for file → file save against a read/write loop on the file system of the temporary
//! folder?
#![allow(missing_docs)]

mod common;

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use common::{Lane, Sample, cached_file, compare, rounds};
use zcio::{Endpoint, Mechanism, Transfer};

const SIZE: u64 = 512 << 20;

fn main() {
    let file = &cached_file(SIZE as usize);
    let copy = |mechanism: Option<Mechanism>| {
        let sink = tempfile::tempfile().unwrap();
        Sample::of(SIZE, || {
            let ends = (Endpoint::new(file.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap());
            let mut transfer = Transfer::new(ends.0, ends.1).offset(0);
            if let Some(mechanism) = mechanism {
                transfer = transfer.mechanism(mechanism);
            }
            assert_eq!(transfer.run().unwrap().bytes, SIZE);
        })
    };
    let raw = || {
        let sink = tempfile::tempfile().unwrap();
        Sample::of(SIZE, || {
            let (mut buffer, mut at) = (vec![0; 256 << 10], 0);
            while at < SIZE {
                let count = file.read_at(&mut buffer, at).unwrap();
                sink.write_all_at(&buffer[..count], at).unwrap();
                at += count as u64;
            }
        })
    };
    let zcio = |name, mechanism| Lane { name, run: Box::new(move || copy(mechanism)) };
    compare(
        "file -> file, 512 MiB",
        rounds(),
        vec![
            Lane { name: "raw read/write 256 KiB", run: Box::new(raw) },
            zcio("zcio automatic", None),
            zcio("zcio copy_file_range", Some(Mechanism::CopyFileRange)),
            zcio("zcio sendfile", Some(Mechanism::Sendfile)),
            zcio("zcio splice", Some(Mechanism::Splice)),
            zcio("zcio mmap_write", Some(Mechanism::MmapWrite)),
            zcio("zcio read_write", Some(Mechanism::ReadWrite)),
            zcio("zcio direct_io", Some(Mechanism::DirectIo)),
        ],
    );
}
