//! Descriptors 0, 1 and 2, where the command is started without them (`>&-`).

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Output;

use super::{assert_bytes, failed, folder, pattern, zcio};

/// Runs it without these descriptors.
fn without(descriptors: &'static [i32], arguments: &[&OsStr]) -> Output {
    let mut command = zcio(arguments);
    // SAFETY: close(2) is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            for &number in descriptors {
                libc::close(number);
            }
            Ok(())
        })
    };
    command.output().unwrap()
}

#[test]
fn what_is_for_a_closed_stream_or_from_one_is_an_error() {
    let (folder, from) = folder(&pattern(100_000));
    let to = folder.path().join("to");
    let [from, to] = [from.as_os_str(), to.as_os_str()];
    let [send, recv, stream] = ["send", "recv", "-"].map(OsStr::new);
    for (descriptors, arguments, name) in [
        (&[1][..], &[send, from, stream][..], "output"),
        (&[0], &[send, stream, stream], "input"),
        (&[0], &[recv, stream, to], "input"),
        (&[0, 1], &[recv, stream, to], "input"),
        (&[1], &[recv, OsStr::new("/dev/stdin"), OsStr::new("/dev/stdout")], "output"),
        (&[1], &[OsStr::new("probe")], "output"),
    ] {
        let error = failed(&without(descriptors, arguments), 1);
        let expected = format!("zcio: open: Bad file descriptor: standard {name}\n");
        assert_eq!(error, expected, "{arguments:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{arguments:?}");
    }
}

#[test]
fn without_any_of_them_a_copy_is_a_copy() {
    let bytes = pattern(100_000);
    let (folder, from) = folder(&bytes);
    let to = folder.path().join("to");
    let output = without(&[0, 1, 2], &[OsStr::new("copy"), from.as_os_str(), to.as_os_str()]);
    assert_eq!(output.status.code(), Some(0));
    assert_bytes(&to, &bytes);
}
