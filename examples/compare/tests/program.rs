//! The built program, run with its Rust lanes on a small file: what it prints and writes, and that it notices a wrong lane.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const ROUTES: [&str; 3] = ["file_to_tcp", "tcp_to_file", "file_to_file"];
const SIZE: usize = (3 << 20) + 3;

struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    /// Runs the program on a file of no particular pattern, with an empty folder of its own for the copies.
    fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..SIZE as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
        fs::write(folder.path().join("file"), bytes).unwrap();
        fs::create_dir(folder.path().join("into")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_compare"))
            .arg("--file")
            .arg(folder.path().join("file"))
            .arg("--into")
            .arg(folder.path().join("into"))
            .arg("--json")
            .arg(folder.path().join("json"))
            .args(arguments)
            .output()
            .unwrap();
        Self { folder, output }
    }

    fn succeeded(&self) -> bool {
        self.output.status.success()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("json")).unwrap()).unwrap()
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn every_lane_has_a_row_on_every_route_and_nothing_is_left_behind() {
    let run = Run::new(&["--lanes", "rust"]);
    assert!(run.succeeded(), "{}", run.stderr());
    let json = run.json();
    let routes = json["routes"].as_array().unwrap();
    assert_eq!(routes.iter().map(|route| route["route"].as_str().unwrap()).collect::<Vec<_>>(), ROUTES);
    for route in routes {
        let lanes = route["lanes"].as_array().unwrap();
        assert_eq!(lanes.iter().map(|lane| lane["method"].as_str().unwrap()).collect::<Vec<_>>(), ["std", "zcio"]);
        for lane in lanes {
            let samples = lane["samples"].as_array().unwrap();
            assert_eq!(samples.len(), 5, "{lane}");
            assert!(
                samples.iter().all(|sample| sample["bytes"] == SIZE && sample["cpu_ns"].as_u64() > Some(0)),
                "{lane}"
            );
            let speed = &lane["gigabytes_per_second"];
            assert!(speed["min"].as_f64() > Some(0.0) && speed["min"].as_f64() <= speed["median"].as_f64(), "{lane}");
        }
        assert!(lanes[0]["reference"] == true && lanes[0]["mechanism"].is_null(), "{lanes:?}");
        assert!(lanes[1]["speed_ratio"]["median"].is_f64() && lanes[1]["mechanism"].is_string(), "{lanes:?}");
    }
    for title in ["file → TCP", "TCP → file", "file → file", "Rust · zcio"] {
        assert!(run.stdout().contains(title), "{}", run.stdout());
    }
    assert!(is_empty(&run.path("into")));
}

#[test]
fn a_changed_byte_is_noticed_before_anything_is_timed() {
    for route in ROUTES {
        let run = Run::new(&["--lanes", "rust", "--only", route, "--wrong", "wrong_byte"]);
        assert!(!run.succeeded());
        assert!(run.stderr().contains("Rust · wrong_byte") && run.stderr().contains("SHA-256"), "{}", run.stderr());
        assert!(!run.stderr().contains("timing"), "{}", run.stderr());
        assert!(run.stdout().is_empty() && !run.path("json").exists());
        assert!(is_empty(&run.path("into")));
    }
}

#[test]
fn a_byte_left_out_in_a_timed_run_is_noticed_though_the_lane_denies_it() {
    for route in ROUTES {
        let run = Run::new(&["--lanes", "rust", "--only", route, "--wrong", "wrong_count"]);
        assert!(!run.succeeded());
        let complaint = format!("{} bytes arrived instead of {SIZE}", SIZE - 1);
        assert!(run.stderr().contains("Rust · wrong_count") && run.stderr().contains(&complaint), "{}", run.stderr());
        assert!(run.stdout().is_empty() && !run.path("json").exists());
    }
}

#[test]
fn a_missing_lane_is_named_with_the_reason_and_fails_the_run_where_all_are_required() {
    let without_python = ["--lanes", "rust,python", "--only", "file_to_file", "--python", "/no/such/python"];
    let run = Run::new(&without_python);
    assert!(run.succeeded(), "{}", run.stderr());
    assert!(run.stdout().contains("missing: Python · zcio: cannot start /no/such/python"), "{}", run.stdout());
    assert_eq!(run.json()["missing"].as_array().unwrap().len(), 3);

    let run = Run::new(&[&without_python[..], &["--require-all"]].concat());
    assert!(!run.succeeded());
    assert!(run.stderr().contains("missing: Python · zcio"), "{}", run.stderr());
}
