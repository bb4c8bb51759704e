//! The programs a user would start from, in `examples/`: each one really sends a file, and every byte arrives.
//!
//! Java's needs the jar and Python's the installed package. Where they are missing the test says so and passes, or fails
//! if `ZCIO_REQUIRE` is set.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the program that `command` makes of a port, receives what it sends, and returns what it printed.
fn receive(file: &Path, command: impl FnOnce(u16) -> Command) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = command(listener.local_addr().unwrap().port());
    listener.set_nonblocking(true).unwrap();
    thread::scope(|scope| {
        // The program ends only after it has sent everything, and 16 MiB fit into no socket buffer.
        let program = scope.spawn(move || command.output().unwrap());
        let mut received = Vec::new();
        while !program.is_finished() && received.is_empty() {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream.read_to_end(&mut received).unwrap();
                }
                Err(_) => thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
        let Output { status, stdout, stderr } = program.join().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        assert!(received == fs::read(file).unwrap(), "other bytes arrived");
        String::from_utf8(stdout).unwrap()
    })
}

fn a_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..16_u64 << 20).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    fs::write(file.path(), bytes).unwrap();
    file
}

fn expect_report(printed: &str) {
    assert!(printed.starts_with("16777216 bytes by splice in "), "{printed}");
}

fn skip(reason: &str) {
    assert!(env::var_os("ZCIO_REQUIRE").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}

/// A Rust program to start from, which cargo builds beside this crate's own.
fn rust_example(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_compare")).with_file_name("examples").join(name);
    assert!(
        program.exists(),
        "not built: run `cargo test` without -p, or `cargo build -p zcio --features tokio --examples`"
    );
    program
}

#[test]
fn rust_sends_a_file() {
    for name in ["send_file", "send_file_smol"] {
        let file = a_file();
        expect_report(&receive(file.path(), |port| {
            let mut command = Command::new(rust_example(name));
            command.arg(file.path()).arg(format!("127.0.0.1:{port}"));
            command
        }));
    }
}

#[test]
fn rust_serves_files_with_tokio() {
    let file = a_file();
    let mut server = Command::new(rust_example("serve_files"));
    server.arg(file.path().parent().unwrap()).arg("0").stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = said.next().unwrap().unwrap().replace("listening on ", "");
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(file.path().file_name().unwrap().as_encoded_bytes()).unwrap();
    socket.write_all(b"\n").unwrap();
    let mut received = Vec::new();
    socket.read_to_end(&mut received).unwrap();
    let line = said.next().unwrap().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(received == fs::read(file.path()).unwrap() && line.contains(": 16777216 bytes by "), "{line}");
}

#[test]
fn java_sends_a_file() {
    let java =
        env::var_os("JAVA_HOME").map_or_else(|| PathBuf::from("java"), |home| PathBuf::from(home).join("bin/java"));
    let target = root().join("java-bindings/zcio/target");
    let is_jar = |path: &PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let extra = ["-sources", "-javadoc", "-tests"].iter().any(|end| name.ends_with(end));
        path.extension().is_some_and(|extension| extension == "jar") && name.starts_with("zcio-") && !extra
    };
    let Some(jar) = fs::read_dir(&target).into_iter().flatten().flatten().map(|entry| entry.path()).find(is_jar) else {
        return skip(&format!("no jar of zcio in {} (make jar)", target.display()));
    };
    if let Err(error) = Command::new(&java).arg("-version").output() {
        return skip(&format!("{}: {error}", java.display()));
    }
    let file = a_file();
    expect_report(&receive(file.path(), |port| {
        let mut command = Command::new(java);
        command.arg("-cp").arg(jar).arg(root().join("examples/java/SendFile.java"));
        command.arg(file.path()).arg("127.0.0.1").arg(port.to_string());
        command
    }));
}

#[test]
fn python_sends_a_file() {
    let python = root().join(".venv/bin/python");
    let there = Command::new(&python).args(["-c", "import zcio"]).output();
    let said = there.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into());
    if !said.is_empty() {
        return skip(&format!("{} does not import zcio (make venv): {said}", python.display()));
    }
    let file = a_file();
    expect_report(&receive(file.path(), |port| {
        let mut command = Command::new(python);
        command.arg(root().join("examples/python/send_file.py"));
        command.arg(file.path()).arg("127.0.0.1").arg(port.to_string());
        command
    }));
}
