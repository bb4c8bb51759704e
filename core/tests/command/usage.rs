//! Exit codes, messages, and what describes the command to others.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{document, failed, quiet, run, skip, zcio};

const SUBCOMMANDS: [&str; 10] =
    ["probe", "prove", "learn", "inspect", "copy", "send", "recv", "relay", "completions", "man"];

#[test]
fn version_and_help_are_answers() {
    let version = run(&["--version"]);
    assert_eq!(quiet(&version), format!("zcio {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    let help = run(&["--help"]);
    let help = String::from_utf8_lossy(quiet(&help)).into_owned();
    for word in SUBCOMMANDS.iter().chain(&["--json", "130", "141"]) {
        assert!(help.contains(word), "{word}");
    }
    for subcommand in SUBCOMMANDS {
        assert!(!quiet(&run(&[subcommand, "--help"])).is_empty());
    }
}

#[test]
fn what_is_not_understood_is_2_and_tries_nothing() {
    let cases: [&[&str]; 7] = [
        &[],
        &["teleport"],
        &["copy", "one"],
        &["send", "/etc/passwd", "no-port"],
        &["send", "/etc/passwd", "-", "--mechanism", "teleport"],
        &["recv", "localhost:70000", "/nonexistent/file"],
        &["relay", "-", "localhost:1"],
    ];
    for arguments in cases {
        let output = run(arguments);
        assert!(!failed(&output, 2).is_empty(), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_failure_says_operation_reason_path_and_a_hint() {
    let errors = failed(&run(&["copy", "/nonexistent", "/tmp/zcio-never"]), 1);
    assert_eq!(errors, "zcio: open: No such file or directory: /nonexistent\n");
    let errors = failed(&run(&["send", "/etc/passwd", "unix:/nonexistent/socket"]), 1);
    assert_eq!(errors, "zcio: connect: No such file or directory: unix:/nonexistent/socket\n");
    let errors = failed(&run(&["send", "/etc/passwd", "-", "--mechanism", "reflink"]), 1);
    assert!(errors.starts_with("zcio: transfer: ") && errors.contains('('), "{errors}");
}

#[test]
fn a_failure_is_a_document_too() {
    let output = run(&["copy", "/nonexistent", "/tmp/zcio-never", "--json"]);
    failed(&output, 1);
    let error = &document(&output.stdout)["error"];
    assert_eq!(error["operation"], "open");
    assert_eq!(error["errno"], 2);
    assert_eq!(error["path"], "/nonexistent");
    assert_eq!(error["moved"], 0);
}

#[test]
fn a_reader_that_is_gone_ends_it_silently() {
    // The kernel tells what is cached of a file to its owner.
    let file = tempfile::NamedTempFile::new().unwrap();
    let inspect = ["inspect", file.path().to_str().unwrap()];
    for arguments in [&["man"][..], &["probe"], &["probe", "--json"], &inspect, &["completions", "zsh"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        // A child that another test starts holds it open until it executes its program.
        poll(&mut [PollFd::new(writer.as_fd(), PollFlags::empty())], PollTimeout::NONE).unwrap();
        let output = zcio(arguments).stdout(writer).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(failed(&output, 141), "", "{arguments:?}");
    }
}

#[test]
fn a_full_disk_under_the_output_is_an_error() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = zcio(&["probe"]).stdout(full).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(failed(&output, 1), "zcio: write: No space left on device: standard output\n");
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        let script = quiet(&script);
        for subcommand in SUBCOMMANDS {
            assert!(String::from_utf8_lossy(script).contains(subcommand), "{shell} {subcommand}");
        }
        if shell != "bash" {
            continue;
        }
        match Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(mut bash) => {
                bash.stdin.take().unwrap().write_all(script).unwrap();
                assert!(bash.wait().unwrap().success());
            }
            Err(_) => skip("every_shell_gets_completions", "there is no bash"),
        }
    }
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    quiet(&run(&["man".as_ref(), folder.path()]));
    for page in SUBCOMMANDS.iter().map(|name| format!("zcio-{name}.1")).chain(["zcio.1".to_owned()]) {
        let text = std::fs::read_to_string(folder.path().join(&page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS") && text.contains(".SH OPTIONS"), "{page}");
    }
    assert!(quiet(&run(&["man"])) == std::fs::read(folder.path().join("zcio.1")).unwrap());
    assert!(failed(&run(&["man", "/nonexistent"]), 1).starts_with("zcio: man: No such file or directory"));
}
