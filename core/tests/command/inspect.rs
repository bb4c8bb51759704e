//! `zcio inspect` of files and plain processes, and `zcio probe`.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::{document, failed, folder, pattern, quiet, run, seccomp, skip, zcio};

const PAGES: usize = 2048;

/// One answer a page, by mincore(2) on a mapping: another way than the one inspected here.
fn in_core(path: &Path) -> Vec<bool> {
    let file = File::open(path).unwrap();
    let map = memmap2::MmapOptions::new().map_raw_read_only(&file).unwrap();
    let mut answers = vec![0_u8; map.len().div_ceil(4096)];
    // SAFETY: the mapping is alive and has one answer for each page.
    assert_eq!(unsafe { libc::mincore(map.as_mut_ptr().cast(), map.len(), answers.as_mut_ptr()) }, 0);
    answers.iter().map(|answer| answer & 1 == 1).collect()
}

#[test]
fn half_a_file_in_memory_is_seen_as_the_half() {
    let (_folder, path) = folder(&pattern(PAGES * 4096));
    let file = File::open(&path).unwrap();
    let half = (PAGES * 4096 / 2) as i64;
    file.sync_all().unwrap();
    // SAFETY: takes a descriptor and numbers.
    let advised = unsafe { libc::posix_fadvise(file.as_raw_fd(), half, half, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(advised, 0);
    if in_core(&path)[PAGES / 2..].iter().all(|&present| present) {
        return skip("half_a_file_in_memory_is_seen_as_the_half", "temporary files are in memory only");
    }
    let half_present: Vec<_> = (0..PAGES).map(|page| page < PAGES / 2).collect();
    // More than once: the kernel may take pages in between, or read some ahead.
    let looked_at = (0..5).find_map(|_| {
        file.read_exact_at(&mut vec![0; half as usize], 0).unwrap();
        // SAFETY: takes a descriptor and numbers.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), half, half, libc::POSIX_FADV_DONTNEED) };
        let before = in_core(&path);
        let report = run(&["inspect".as_ref(), path.as_os_str(), "--json".as_ref()]);
        let drawing = run(&["inspect".as_ref(), path.as_os_str()]);
        (before == half_present && in_core(&path) == before).then_some((report, drawing))
    });
    let (report, drawing) = looked_at.expect("the half stays in memory");
    let report = document(quiet(&report));
    let drawing = String::from_utf8(quiet(&drawing).to_vec()).unwrap();
    assert_eq!((&report["pages"], &report["present"]), (&PAGES.into(), &(PAGES / 2).into()));
    let cells = report["cells"].as_array().unwrap();
    for cell in cells {
        let number = |name: &str| cell[name].as_u64().unwrap() as usize;
        let pages = number("offset") / 4096..(number("offset") + number("length")).div_ceil(4096);
        assert_eq!(number("pages"), pages.len());
        assert_eq!(number("present"), half_present[pages].iter().filter(|&&present| present).count(), "{cell}");
    }
    let rows: Vec<_> = drawing
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|row| row.starts_with(['█', '·']))
        .collect();
    assert_eq!(rows.len(), 16, "{drawing}");
    assert!(rows[..8].iter().all(|row| *row == "█".repeat(64)), "{drawing}");
    assert!(rows[8..].iter().all(|row| *row == "·".repeat(64)), "{drawing}");
    assert!(drawing.contains("50.0 %"), "{drawing}");
}

#[test]
fn what_has_no_pages_is_refused() {
    assert!(failed(&run(&["inspect", "/tmp"]), 1).contains("regular file"));
    assert!(failed(&run(&["inspect", "/nonexistent"]), 1).starts_with("zcio: open: No such file"));
    assert!(failed(&run(&["inspect", "2147483647"]), 1).contains("there is no process 2147483647"));
    let (_folder, empty) = folder(b"");
    quiet(&run(&["inspect".as_ref(), empty.as_path()]));
}

#[test]
fn a_process_is_seen_with_its_libraries_and_mappings() {
    let (_folder, path) = folder(&pattern(3 << 20));
    let map = memmap2::MmapOptions::new().populate().map_raw_read_only(&File::open(&path).unwrap()).unwrap();
    let id = std::process::id().to_string();
    let report = run(&["inspect", &id, "--json"]);
    let report = document(quiet(&report));
    assert_eq!(report["pid"].to_string(), id);
    assert_eq!(report["jvm"], serde_json::Value::Null);
    assert_eq!(report["command"][0], std::env::args().next().unwrap());
    let files = report["mapped_files"].as_array().unwrap();
    let ours = files.iter().find(|file| file["path"] == path.to_str().unwrap()).unwrap();
    assert_eq!(
        (&ours["virtual"], &ours["resident"], &ours["shared"]),
        (&(3 << 20).into(), &(3 << 20).into(), &true.into())
    );
    let groups = report["groups"].as_array().unwrap();
    for name in ["program", "libraries", "heap", "stack", "mapped_files"] {
        let group = groups.iter().find(|group| group["name"] == name).unwrap_or_else(|| panic!("{name}"));
        assert!(group["resident"].as_u64().unwrap() > 0 && !group["known_by"].as_str().unwrap().is_empty(), "{group}");
    }
    let sum: u64 = groups.iter().map(|group| group["resident"].as_u64().unwrap()).sum();
    assert_eq!(report["total"]["resident"], sum);
    assert!(report["pages"]["present"].as_u64().unwrap() >= (3 << 20) / 4096);
    drop(map);
}

#[test]
fn probe_says_yes_and_no() {
    let report = run(&["probe", "--json", "/tmp"]);
    let report = document(quiet(&report));
    for part in ["capabilities", "of_path"] {
        for capability in report[part].as_array().unwrap() {
            match capability["answer"].as_str().unwrap() {
                "yes" | "ask_path" => assert!(capability["cause"].is_null(), "{capability}"),
                "no" => assert!(capability["cause"].is_string() && capability["reason"] != "", "{capability}"),
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(report["path"], "/tmp");
    let names: Vec<_> =
        report["capabilities"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(zcio::Mechanism::ALL.iter().all(|mechanism| names.contains(&mechanism.name())));
}

#[test]
fn probe_under_a_filter_says_that_it_is_the_filter() {
    for (call, errno, name) in
        [(libc::SYS_io_uring_setup, libc::EPERM, "uring"), (libc::SYS_splice, libc::ENOSYS, "splice")]
    {
        let filtered = |arguments: &[&str]| {
            let mut command = zcio(arguments);
            // SAFETY: the filter is made of locals and two calls of prctl(2); nothing is allocated unless it fails.
            unsafe {
                command.pre_exec(move || {
                    seccomp::refuse(call, errno);
                    Ok(())
                });
            }
            command.output().unwrap()
        };
        let report = filtered(&["probe", "--json"]);
        let report = document(quiet(&report));
        let capability = report["capabilities"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        assert_eq!((&capability["answer"], &capability["cause"]), (&"no".into(), &"filter".into()), "{capability}");
        assert_eq!(capability["errno"], errno);
        let table = filtered(&["probe"]);
        let table = String::from_utf8(quiet(&table).to_vec()).unwrap();
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains("no   filter") && line.contains("seccomp"), "{line}");
    }
}
