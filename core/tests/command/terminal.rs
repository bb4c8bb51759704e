//! The progress line: on a terminal, and nowhere else.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::process::Stdio;
use std::time::Duration;

use crate::{pattern, quiet, zcio};

/// A terminal of 100 columns: our side, and the command's.
fn terminal() -> (File, File) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: both numbers are locals that are filled in; no name and no settings are asked for.
    let result = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size)
    };
    assert_eq!(result, 0);
    // SAFETY: two new descriptors that nobody else has.
    unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) }
}

/// Everything the other side writes until it is closed, which a terminal tells with EIO.
fn everything(mut terminal: File) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        text.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

const PARTS: usize = 8;

/// Feeds a command's standard input slowly enough to be watched.
fn feed(mut input: impl Write) {
    let bytes = pattern(100_000);
    for _ in 0..PARTS {
        input.write_all(&bytes).unwrap();
        std::thread::sleep(Duration::from_millis(120));
    }
}

#[test]
fn a_terminal_sees_bar_rate_eta_and_a_last_line() {
    for (count, words) in [(Some("--count=800000"), &["receiving", "%", "ETA", "/s"][..]), (None, &["receiving", "/s"])]
    {
        let (ours, theirs) = terminal();
        let arguments = ["recv", "-", "/dev/null"].into_iter().chain(count).collect::<Vec<_>>();
        let mut child = zcio(&arguments).stdin(Stdio::piped()).env("TERM", "xterm").stderr(theirs).spawn().unwrap();
        let reader = std::thread::spawn(move || everything(ours));
        feed(child.stdin.take().unwrap());
        assert!(child.wait().unwrap().success());
        let text = reader.join().unwrap();
        for word in words {
            assert!(text.contains(word), "{word}: {text:?}");
        }
        assert!(text.matches("receiving").count() >= 3, "it moves: {text:?}");
        let last = text.trim_end().rsplit(['\r', '\n']).next().unwrap();
        assert!(last.contains("800.00 kB received by ") && last.contains(" s ("), "{last:?}");
    }
}

#[test]
fn without_a_terminal_it_is_quiet() {
    let mut child = zcio(&["recv", "-", "/dev/null", "--count=800000"]).stdin(Stdio::piped()).spawn().unwrap();
    feed(child.stdin.take().unwrap());
    assert!(quiet(&child.wait_with_output().unwrap()).is_empty());
}

/// A progress line must not get into what programs read, wherever the terminal is.
#[test]
fn the_document_is_clean_beside_a_terminal() {
    let (ours, theirs) = terminal();
    let mut child = zcio(&["recv", "-", "/dev/null", "--json"]).stdin(Stdio::piped()).stderr(theirs).spawn().unwrap();
    let reader = std::thread::spawn(move || everything(ours));
    feed(child.stdin.take().unwrap());
    let output = child.wait_with_output().unwrap();
    assert_eq!(crate::document(&output.stdout)["bytes"], PARTS * 100_000);
    reader.join().unwrap();
}
