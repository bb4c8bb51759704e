//! `zcio copy`.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use crate::{assert_bytes, document, failed, folder, pattern, quiet, run};

#[test]
fn bytes_and_holes_are_kept() {
    let data = pattern(3 << 20);
    let (folder, from) = folder(b"");
    let file = File::options().write(true).open(&from).unwrap();
    file.write_all_at(&data, 4 << 20).unwrap();
    file.write_all_at(b"end", 64 << 20).unwrap();
    file.set_len(96 << 20).unwrap();
    file.sync_all().unwrap();
    let to = folder.path().join("to");
    let output = run(&["copy".as_ref(), from.as_os_str(), to.as_os_str(), "--json".as_ref()]);
    let report = document(quiet(&output));
    assert_bytes(&to, &fs::read(&from).unwrap());
    let (source, copy) = (from.metadata().unwrap(), to.metadata().unwrap());
    assert!(copy.blocks() <= source.blocks() + 16, "{} against {}", copy.blocks(), source.blocks());
    if report["cloned"] == false {
        assert_eq!(report["bytes"].as_u64().unwrap() + report["holes"].as_u64().unwrap(), 96 << 20);
        assert!(report["holes"].as_u64().unwrap() > 80 << 20);
    }
    assert_eq!(report["destination"], to.to_str().unwrap());
    assert!(zcio::Mechanism::ALL.iter().any(|mechanism| report["mechanism"] == mechanism.name()));
}

#[test]
fn without_json_it_says_nothing() {
    let (folder, from) = folder(&pattern(100_000));
    let to = folder.path().join("to");
    assert!(quiet(&run(&["copy".as_ref(), from.as_path(), &to])).is_empty());
    assert_bytes(&to, &pattern(100_000));
}

#[test]
fn into_a_directory_under_its_own_name() {
    let (folder, from) = folder(b"bytes");
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    quiet(&run(&["copy".as_ref(), from.as_path(), &into]));
    assert_bytes(&into.join("from"), b"bytes");
}

#[test]
fn a_program_stays_one() {
    let (folder, _) = folder(b"");
    let copy = folder.path().join("copy");
    quiet(&run(&["copy".as_ref(), Path::new("/bin/true"), &copy]));
    assert_eq!(copy.metadata().unwrap().mode() & 0o100, 0o100);
}

/// Nothing is said of what has arrived: of a copy that has no room nothing stays.
#[test]
fn without_room_the_advice_is_true() {
    let (folder, from) = folder(&pattern(3 << 20));
    let to = folder.path().join("to");
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" copy --reflink never \"$1\" \"$2\"";
    let shell = ["-c", script, env!("CARGO_BIN_EXE_zcio")];
    let output = std::process::Command::new("sh").args(shell).args([&from, &to]).output().unwrap();
    let errors = failed(&output, 1);
    assert!(errors.contains("free some room") && !errors.contains("on the disk"), "{errors}");
    assert!(!to.exists());
}

#[test]
fn what_exists_is_not_clobbered_if_so_asked() {
    let (folder, from) = folder(b"new");
    let to = folder.path().join("to");
    let copy = |more: &[&str]| {
        let mut arguments = vec!["copy".as_ref(), from.as_os_str(), to.as_os_str(), "--no-clobber".as_ref()];
        arguments.extend(more.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
        run(&arguments)
    };
    quiet(&copy(&[]));
    fs::write(&to, "old").unwrap();
    for more in [&[][..], &["--replace"]] {
        let errors = failed(&copy(more), 1);
        assert_eq!(errors, format!("zcio: copy: File exists: {}\n", to.display()));
        assert_bytes(&to, b"old");
    }
}

#[test]
fn mode_and_times_only_on_request() {
    let (folder, from) = folder(b"bytes");
    fs::set_permissions(&from, fs::Permissions::from_mode(0o640)).unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    File::options().write(true).open(&from).unwrap().set_modified(then).unwrap();
    let (plain, kept) = (folder.path().join("plain"), folder.path().join("kept"));
    quiet(&run(&["copy".as_ref(), from.as_path(), &plain]));
    quiet(&run(&["copy".as_ref(), from.as_path(), &kept, "--preserve".as_ref(), "--fsync".as_ref()]));
    assert_ne!(plain.metadata().unwrap().modified().unwrap(), then);
    assert_eq!(kept.metadata().unwrap().modified().unwrap(), then);
    assert_eq!(kept.metadata().unwrap().mode() & 0o777, 0o640);
}

#[test]
fn a_replaced_file_lives_on_under_its_other_name() {
    let (folder, from) = folder(b"new");
    let (to, other) = (folder.path().join("to"), folder.path().join("other"));
    fs::write(&to, "old").unwrap();
    fs::hard_link(&to, &other).unwrap();
    quiet(&run(&["copy".as_ref(), from.as_path(), &to, "--replace".as_ref()]));
    assert_bytes(&to, b"new");
    assert_bytes(&other, b"old");
    quiet(&run(&["copy".as_ref(), to.as_path(), &other]));
    assert_bytes(&other, b"new");
}

#[test]
fn a_clone_is_made_or_refused_as_asked() {
    let (folder, from) = folder(&pattern(1 << 20));
    let to = folder.path().join("to");
    let copy = |when: &str| run(&["copy".as_ref(), from.as_os_str(), to.as_os_str(), "--json".as_ref(), when.as_ref()]);
    let always = copy("--reflink=always");
    if always.status.success() {
        assert_eq!(document(&always.stdout)["cloned"], true);
    } else {
        assert!(failed(&always, 1).starts_with("zcio: "));
        assert!(document(&always.stdout)["error"]["errno"].is_number());
        assert!(!to.exists(), "a copy that was refused leaves nothing");
    }
    assert_eq!(document(quiet(&copy("--reflink=never")))["cloned"], false);
    assert_bytes(&to, &pattern(1 << 20));
}
