//! `Endpoint::open_cached`: what may be opened in an event loop.

use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use zcio::{Endpoint, Kind, Transfer};

#[test]
fn only_what_is_known_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (file, fifo) = (dir.path().join("file"), dir.path().join("fifo"));
    std::fs::write(&file, b"content").unwrap();
    // More than once: the kernel may forget a name whenever it likes.
    let opened = (0..5).find_map(|_| {
        std::fs::metadata(&file).unwrap();
        Endpoint::open_cached(&file)
    });
    let opened = opened.expect("it has just been written");
    assert_eq!((opened.facts().kind, opened.facts().size, opened.path()), (Kind::File, 7, Some(file.as_path())));
    let sink = tempfile::tempfile().unwrap();
    let report = Transfer::new(opened, Endpoint::new(sink.as_fd()).unwrap()).run().unwrap();
    assert_eq!(report.bytes, 7);

    mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    for elsewhere in [fifo.as_path(), dir.path(), Path::new("/proc/self/maps"), Path::new("/dev/null")] {
        assert!(Endpoint::open_cached(elsewhere).is_none(), "{}", elsewhere.display());
    }
    assert!(Endpoint::open_cached(dir.path().join("missing")).is_none());
}
