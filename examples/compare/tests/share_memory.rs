//! `examples/python/share_memory.py` with the core at the other end, in the place of a program in another language: memory
//! there and back, every byte checked by the formula that the example states.
//!
//! Python's needs the installed package, with numpy. Where it is missing the test says so and passes, or fails if
//! `ZCIO_REQUIRE` is set.

use std::env;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use zcio::region::{Peer, Seals, SharedRegion};

const SIZE: usize = 16 << 20;
const TRAILER: usize = 8;

fn forth(place: usize) -> u8 {
    ((place * 31 + place / 4096) % 251) as u8
}

#[test]
fn python_reads_memory_of_another_language_and_answers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".venv/bin/python");
    let there = Command::new(&python).args(["-c", "import zcio, numpy"]).output();
    let said = there.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into());
    if !said.is_empty() {
        let reason = format!("{} does not import zcio and numpy (make venv): {said}", python.display());
        assert!(env::var_os("ZCIO_REQUIRE").is_none(), "{reason}");
        return eprintln!("skipped: {reason}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut command = Command::new(python);
    command.arg(root.join("examples/python/share_memory.py")).arg(&path).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let peer = Peer::Process(child.id() as i32);

    let ours = SharedRegion::create(SIZE as u64).unwrap();
    // No Arrow table: its length, in the last eight bytes, stays 0.
    let bytes: Vec<u8> = (0..SIZE - TRAILER).map(forth).collect();
    assert_eq!(ours.region().write_at(0, &bytes).unwrap(), bytes.len());
    ours.seal(Seals::SHRINK | Seals::GROW | Seals::WRITE).unwrap();
    let start = Instant::now();
    ours.send(stream.as_fd(), peer).unwrap();
    let mut taken = [0];
    stream.read_exact(&mut taken).unwrap();
    println!("handed over in {:?}", start.elapsed());
    assert_eq!(&taken, b"!");

    let back = SharedRegion::receive(stream.as_fd(), peer, Seals::GROW | Seals::WRITE).unwrap();
    stream.write_all(b"!").unwrap();
    assert_eq!(back.region().len(), SIZE as u64);
    let mut bytes = vec![0; SIZE];
    back.region().read_at(0, &mut bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("received 16777216 bytes, 0 rows, as they should be\n"), "{printed}");

    assert_eq!(bytes[SIZE - TRAILER..], [0; TRAILER], "too small for the example's table");
    let wrong = (0..SIZE - TRAILER).find(|&place| bytes[place] != 255 - forth(place));
    assert_eq!(wrong, None);
}
