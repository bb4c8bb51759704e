//! A gibibyte from a Python process to a Java process and back through shared memory, with an Arrow table in it that both
//! read in place: `examples/python/share_memory.py` against `examples/java/ShareArrow.java`. The programs check every byte
//! and print how long the hand-over took; here one looks at what they say.
//!
//! Needs the jar, the virtual environment and Arrow's format for Java (`make jar venv arrow`). Where one of them is missing
//! the test says so and passes, or fails if `ZCIO_REQUIRE` is set.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SIZE: u64 = 1 << 30;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The class path, and Python's interpreter.
fn programs() -> Result<(String, PathBuf), String> {
    let jar = root().join(concat!("java-bindings/zcio/target/zcio-", env!("CARGO_PKG_VERSION"), ".jar"));
    let mut classes = vec![jar];
    let arrow = std::fs::read_dir(root().join("target/arrow")).map_err(|_| "no target/arrow (make arrow)")?;
    let paths = arrow.map(|entry| entry.unwrap().path());
    classes.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "jar")));
    if let Some(missing) = classes.iter().find(|path| !path.exists()) {
        return Err(format!("no {} (make jar)", missing.display()));
    }
    let python = root().join(".venv/bin/python");
    let there = Command::new(&python).args(["-c", "import zcio, numpy, pyarrow"]).output();
    let said = there.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into());
    if !said.is_empty() {
        return Err(format!("{} does not import zcio, numpy and pyarrow (make venv): {said}", python.display()));
    }
    let classes: Vec<_> = classes.iter().map(|path| path.to_str().expect("a path of this project")).collect();
    Ok((classes.join(":"), python))
}

/// The milliseconds in `handed over 1073741824 bytes in 0.123 ms`.
fn handed_over(output: &str) -> f64 {
    let line = output.lines().find(|line| line.starts_with(&format!("handed over {SIZE} bytes in "))).expect(output);
    line.split(' ').nth_back(1).unwrap().parse().unwrap()
}

#[test]
fn python_and_java_read_an_arrow_table_where_the_other_put_it() {
    let (classes, python) = match programs() {
        Ok(programs) => programs,
        Err(reason) => {
            assert!(env::var_os("ZCIO_REQUIRE").is_none(), "{reason}");
            return eprintln!("skipped: {reason}");
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let mut offering = Command::new(python);
    offering.arg(root().join("examples/python/share_memory.py")).arg(&socket).arg("--listen");
    let mut offering = offering.args(["--size", &SIZE.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut from_python = BufReader::new(offering.stdout.take().unwrap());
    let mut said = String::new();
    from_python.read_line(&mut said).unwrap();
    assert_eq!(said, "listening\n");

    let java = env::var_os("JAVA_HOME").map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin/java"));
    let mut answering = Command::new(java);
    answering.arg("-Xmx64m").arg("-cp").arg(classes).arg(root().join("examples/java/ShareArrow.java")).arg(&socket);
    let answering = answering.output().unwrap();
    let answered = String::from_utf8(answering.stdout).unwrap();
    assert!(answering.status.success(), "{answered}{}", String::from_utf8_lossy(&answering.stderr));
    from_python.read_to_string(&mut said).unwrap();
    assert!(offering.wait().unwrap().success(), "{said}");

    let expected = format!("received {SIZE} bytes, 1000000 rows, as they should be\n");
    assert!(answered.contains(&expected) && said.contains(&expected), "Java: {answered}\nPython: {said}");
    println!("from Python in {} ms, from Java in {} ms", handed_over(&said), handed_over(&answered));
}
