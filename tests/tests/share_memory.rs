//! Memory shared between the core and Java, in both directions, every byte checked: the core against
//! `examples/java/ShareMemory.java`.
//!
//! Needs the jar. Where it is missing the test says so and passes, or fails if `ZCIO_REQUIRE` is set.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use zcio::SharedRegion;
use zcio::region::{Peer, Region, Seals};

const PAGE: usize = 4096;
const SIZE: u64 = 64 << 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Starts the example, unless there is no jar or no Java.
fn java(socket: &Path, argument: &str) -> Option<Child> {
    let jar = root().join(concat!("java-bindings/zcio/target/zcio-", env!("CARGO_PKG_VERSION"), ".jar"));
    let java =
        env::var_os("JAVA_HOME").map_or_else(|| PathBuf::from("java"), |home| PathBuf::from(home).join("bin/java"));
    if !jar.exists() || Command::new(&java).arg("-version").output().is_err() {
        let reason = format!("no Java, or no {} (make jar)", jar.display());
        assert!(env::var_os("ZCIO_REQUIRE").is_none(), "{reason}");
        eprintln!("skipped: {reason}");
        return None;
    }
    let mut command = Command::new(java);
    command.arg("-Xmx64m").arg("-cp").arg(jar).arg(root().join("examples/java/ShareMemory.java"));
    Some(command.arg(socket).arg(argument).stdout(Stdio::piped()).spawn().unwrap())
}

fn page(number: u64, mask: u64) -> Vec<u8> {
    (number ^ mask).to_le_bytes().repeat(PAGE / 8)
}

fn fill(region: &Region, mask: u64) {
    for number in 0..region.len() / PAGE as u64 {
        assert_eq!(region.write_at(number * PAGE as u64, &page(number, mask)).unwrap(), PAGE);
    }
}

fn check(region: &Region, mask: u64) {
    assert_eq!(region.len(), SIZE);
    let mut bytes = vec![0; PAGE];
    for number in 0..SIZE / PAGE as u64 {
        assert_eq!(region.read_at(number * PAGE as u64, &mut bytes).unwrap(), PAGE);
        assert!(bytes == page(number, mask), "page {number} has other bytes");
    }
}

/// Makes memory with this content and hands it over.
fn send(socket: &UnixStream, mask: u64) {
    let memory = SharedRegion::create(SIZE).unwrap();
    fill(memory.region(), mask);
    memory.seal(Seals::SHRINK).unwrap();
    memory.send(socket.as_fd(), Peer::SameUser).unwrap();
}

fn receive(socket: &UnixStream, mask: u64) {
    check(SharedRegion::receive(socket.as_fd(), Peer::SameUser, Seals::NONE).unwrap().region(), mask);
}

fn connect(path: &Path) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(socket) => return socket,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(300), "Java does not listen: {error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn java_offers_and_the_core_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let Some(program) = java(&path, &SIZE.to_string()) else { return };
    let socket = connect(&path);
    receive(&socket, 0);
    send(&socket, u64::MAX);
    let output = program.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("every one as expected"), "{printed}");
    assert!(fs::metadata(&path).is_err(), "the socket is left behind");
}

#[test]
fn the_core_offers_and_java_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let Some(program) = java(&path, "--answer") else { return };
    let (socket, _) = listener.accept().unwrap();
    send(&socket, 0);
    receive(&socket, u64::MAX);
    assert!(program.wait_with_output().unwrap().status.success());
}
