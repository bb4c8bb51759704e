//! What `zcio learn` shows is so, by another witness than the one that made the figure: the kernel's account of a process that has
//! ended, counters of the machine around it, strace, the processor's description, calls of this test's own.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::learn::learn;
use crate::{document, skip, zcio};

#[track_caller]
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[track_caller]
fn address(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    u64::from_str_radix(digits.unwrap_or_else(|| panic!("{value}")), 16).unwrap()
}

/// Written pages are present and others are not; present ones have frames of their own.
#[test]
fn the_page_table_is_of_what_was_written() {
    let figures = &learn("memory")["figures"];
    let size = number(&figures["page_size"]);
    // SAFETY: takes a number.
    assert_eq!(size as i64, unsafe { libc::sysconf(libc::_SC_PAGESIZE) });
    let pages = figures["pages"].as_array().unwrap();
    let (mut frames, mut present) = (Vec::new(), 0);
    for (place, page) in (0..).zip(pages) {
        assert_eq!(address(&page["address"]), address(&pages[0]["address"]) + place * size);
        assert_eq!(page["present"], page["written"], "{page}");
        present += usize::from(page["present"] == true);
        frames.extend(page["frame"].as_str());
    }
    assert!(present > 0 && present < pages.len());
    if !frames.is_empty() {
        assert_eq!((frames.len(), frames.iter().collect::<BTreeSet<_>>().len()), (present, present));
    }
    // A page of tables for each page far away, and at most two for those side by side (and one above each).
    let tables = &figures["page_tables"];
    if tables.is_object() {
        assert!(number(&tables["side_by_side"]) <= 4 * size, "{tables}");
        assert!(number(&tables["far_apart"]) >= number(&tables["pages"]) * size, "{tables}");
        assert!(number(&tables["far_apart"]) <= (number(&tables["pages"]) + 8) * size, "{tables}");
    }
}

/// What the kernel tells a parent of its child at the end (wait4(2)).
#[allow(clippy::zombie_processes)] // It is waited for, by the call that gives its account.
fn accounted(topic: &str) -> (Value, libc::rusage) {
    let mut child = zcio(&["learn", topic, "--json"]).spawn().unwrap();
    let mut text = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut text).unwrap();
    let mut status = 0;
    // SAFETY: a child that nobody else waits for; zero bytes are a valid rusage, and both pointers are to locals.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::wait4(child.id() as i32, &raw mut status, 0, &raw mut usage), child.id() as i32);
        usage
    };
    assert_eq!(status, 0);
    (document(&text)["figures"].clone(), usage)
}

/// The faults of the experiment are those that the process had more than one which did another experiment.
#[test]
fn the_page_faults_are_in_the_processs_account() {
    let (_, without) = accounted("layout");
    let (figures, with) = accounted("page-fault");
    let memory = &figures["memory"];
    let pages = number(&memory["pages"]);
    // The program itself may have lost a page meanwhile, or needed one more.
    let (first, second) = (number(&memory["first_touch"]["minor"]), number(&memory["second_touch"]["minor"]));
    assert!((pages..pages + 16).contains(&first) && second < 16, "{memory}");
    assert_eq!((number(&memory["present_before"]), number(&memory["present_after"])), (0, pages));
    let of_file = figures["file"]["faults"].as_object().map_or((0, 0), |faults| {
        assert!(number(&faults["minor"]) + number(&faults["major"]) <= number(&figures["file"]["pages"]));
        (number(&faults["minor"]), number(&faults["major"]))
    });
    let more = (with.ru_minflt - without.ru_minflt) as u64;
    // What the file's content took is not in the figures: a buffer of as many pages.
    let said = pages + of_file.0;
    assert!((said - pages / 8..said + 2 * pages).contains(&more), "{more} faults more, and {said} are drawn");
    assert!(with.ru_majflt as u64 >= of_file.1, "{} and {figures}", with.ru_majflt);

    let (figures, account) = accounted("mmap-write");
    let way = &figures["ways"][0];
    let drawn = number(&way["warm"]["minor_faults"]) + number(&way["cold"]["minor_faults"]);
    // Sixteen pages a fault at most by default (fault_around_bytes).
    assert!(drawn >= 2 * number(&way["warm"]["bytes"]) / (1 << 20) && drawn <= account.ru_minflt as u64, "{way}");
}

/// The device's own counter around the whole, and what the kernel says that this process read, hold the drawn bytes between.
#[test]
fn the_bytes_of_the_disk_are_in_the_devices_counter() {
    let before = sectors();
    let (figures, account) = accounted("dma");
    let after = sectors();
    let (cold, warm) = (&figures["read"]["cold"], &figures["read"]["warm"]);
    let Some(read) = cold["read_from_disk"].as_u64() else {
        return skip("the_bytes_of_the_disk_are_in_the_devices_counter", "temporary files are on no disk");
    };
    assert!(read >= number(&cold["bytes"]), "{cold}");
    assert!(account.ru_inblock as u64 * 512 >= number(&cold["bytes"]), "{} blocks", account.ru_inblock);
    let drawn = read + number(&warm["read_from_disk"]);
    assert!(drawn <= (after - before) * 512, "{drawn} and {} sectors", after - before);
    // Its own reads, of which the warm transfer has none: what is beyond is others'.
    assert!(account.ru_inblock as u64 * 512 < 2 * number(&cold["bytes"]), "{} blocks", account.ru_inblock);
}

/// Sectors that all block devices have read.
fn sectors() -> u64 {
    let text = std::fs::read_to_string("/proc/diskstats").unwrap();
    text.lines().filter_map(|line| line.split_whitespace().nth(5)?.parse::<u64>().ok()).sum()
}

#[test]
fn the_interrupts_are_in_the_machines_list() {
    let before = interrupts();
    let read = &learn("interrupts")["figures"]["read"];
    let after = interrupts();
    let drawn: u64 = ["warm", "cold"].iter().filter_map(|part| read[part]["interrupts_by_devices"].as_u64()).sum();
    assert!(drawn <= after - before, "{drawn} drawn, {} came", after - before);
    if read["cold"]["read_from_disk"].as_u64().is_some_and(|bytes| bytes > 0) {
        assert!(number(&read["cold"]["interrupts_by_devices"]) > 0, "{read}");
    }
}

/// Of all lines that begin with a number.
fn interrupts() -> u64 {
    let text = std::fs::read_to_string("/proc/interrupts").unwrap();
    let lines =
        text.lines().skip(1).map(str::trim_start).filter(|line| line.starts_with(|at: char| at.is_ascii_digit()));
    let counts = lines.map(|line| line.split_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok()));
    counts.map(Iterator::sum::<u64>).sum()
}

/// The calls of the transfers in a run of the command: each begins by asking for the file's position, and goes on as long as
/// nothing is called that neither moves bytes nor prepares for it.
fn calls_seen(topic: &str) -> Option<(Value, u64, usize)> {
    const MOVING: [&str; 7] = ["lseek", "sendfile", "splice", "pread64", "write", "poll", "ppoll"];
    const BESIDE: [&str; 10] =
        ["<...", "newfstatat", "fstat", "pipe2", "fcntl", "close", "mmap", "munmap", "madvise", "brk"];
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_zcio")).args(["learn", topic, "--json"]);
    let output = strace.output().ok().filter(|output| output.status.success())?;
    let text = std::fs::read_to_string(&trace).unwrap();
    let main = text.split_whitespace().next()?;
    let (mut inside, mut calls, mut transfers) = (false, 0, 0);
    for line in text.lines() {
        let Some(call) = line.strip_prefix(main).map(str::trim_start) else { continue };
        let name = call.split(['(', ' ']).next().unwrap_or_default();
        let begins = name == "lseek" && call.contains(", 0, SEEK_CUR");
        transfers += usize::from(begins);
        inside = begins || inside && (MOVING.contains(&name) || BESIDE.contains(&name));
        calls += u64::from(inside && MOVING.contains(&name));
    }
    Some((document(&output.stdout)["figures"].clone(), calls, transfers))
}

#[test]
fn the_system_calls_are_those_that_strace_sees() {
    for topic in ["sendfile", "splice", "read-write"] {
        let Some((figures, calls, transfers)) = calls_seen(topic) else {
            return skip("the_system_calls_are_those_that_strace_sees", "strace cannot be had, or is denied");
        };
        let (mut drawn, mut expected) = (0, 0);
        for way in figures["ways"].as_array().unwrap() {
            for part in ["one_round", "warm", "cold"] {
                let Some(count) = way[part]["system_calls"].as_u64() else { continue };
                assert_eq!(number(&way[part]["switches"]), 2 * count);
                (drawn, expected) = (drawn + count, expected + 1);
            }
        }
        assert_eq!((calls, transfers), (drawn, expected), "{topic}: {figures:#}");
    }
}

/// A sendfile(2) and a write(2) of this test's own, with the file changed before the receiver reads.
#[test]
fn the_copies_are_those_of_a_plain_call() {
    for (topic, mechanism) in [("sendfile", "sendfile"), ("read-write", "read_write")] {
        let way = learn(topic)["figures"]["ways"][0].clone();
        assert_eq!(way["mechanism"], mechanism);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[b'o'; 4096], 0).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        if mechanism == "sendfile" {
            let mut offset = 0;
            // SAFETY: two open descriptors and a pointer to a local.
            let sent = unsafe { libc::sendfile(near.as_raw_fd(), file.as_raw_fd(), &raw mut offset, 4096) };
            assert_eq!(sent, 4096);
        } else {
            let mut bytes = [0; 4096];
            file.read_exact_at(&mut bytes, 0).unwrap();
            near.write_all(&bytes).unwrap();
        }
        file.write_all_at(&[b'n'; 4096], 0).unwrap();
        let mut received = [0; 4096];
        far.read_exact(&mut received).unwrap();
        let copied = received == [b'o'; 4096];
        assert_eq!(number(&way["copies"]["least"]) > 0, copied, "{way}");
    }
}

#[test]
fn one_page_is_copied_and_shared_ones_are_not() {
    let figures = &learn("virtual-memory")["figures"];
    let copied = &figures["copy_on_write"];
    let written = number(&copied["written"]);
    assert_eq!(copied["exclusive_in_child"], serde_json::json!([written]));
    assert!(copied["own_frames"].is_null() || copied["own_frames"] == serde_json::json!([written]), "{copied}");
    assert_eq!(copied["parent_unchanged"], true);
    let pages = figures["own_pages"].as_array().unwrap();
    assert_eq!(pages.len() as u64, number(&copied["pages"]));
    assert!(pages.iter().all(|page| (page["own"] == true) == (number(&page["page"]) == written)), "{pages:?}");
    let shared = &figures["shared"];
    assert_eq!((&shared["write_seen"], &shared["shared_pages"]), (&true.into(), &shared["pages"]));
    assert_ne!(shared["same_frames"], false);
    let reclaim = &figures["reclaim"];
    if reclaim.is_object() && number(&reclaim["present_after"]) < number(&reclaim["pages"]) {
        let faults = number(&reclaim["read_again"]["minor"]) + number(&reclaim["read_again"]["major"]);
        assert!(faults >= number(&reclaim["pages"]) - number(&reclaim["present_after"]), "{reclaim}");
        assert_eq!(reclaim["content_kept"], true);
    }
}

#[test]
fn the_spaces_are_those_of_the_processor() {
    let figures = &learn("spaces")["figures"];
    let (end, kernel) = (address(&figures["end_of_user_space"]), address(&figures["beginning_of_kernel_space"]));
    assert!(address(&figures["highest_ends"]) <= end && end < kernel, "{figures}");
    assert_eq!((&figures["errno"], &figures["refused"]), (&libc::EFAULT.into(), &"Bad address".into()));
    // `address sizes	: 46 bits physical, 48 bits virtual`, of which the highest is the half.
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let line = processor.lines().find(|line| line.starts_with("address sizes"));
    if let Some(bits) = line.and_then(|line| line.split_whitespace().rev().nth(2)?.parse::<u32>().ok()) {
        let half = 1_u64 << (bits - 1);
        // A processor with five levels may have a kernel that uses four.
        assert!([half, 1 << 47].iter().any(|half| end == half - 4096 && kernel == half.wrapping_neg()), "{figures}");
    }
}

#[test]
fn the_parts_of_the_program_are_in_their_places() {
    let (first, second) = (learn("layout"), learn("layout"));
    let places = first["figures"]["places"].as_array().unwrap();
    let found: Vec<_> = places.iter().map(|place| place["address"].clone()).collect();
    let addresses: Vec<_> = found.iter().map(address).collect();
    assert!(addresses.is_sorted_by(|high, low| high > low), "{places:#?}");
    for (what, kind, rights) in [
        ("a local variable", "stack", "rw-"),
        ("code of the kernel's for programs", "vdso", "r-x"),
        ("memory mapped now", "anonymous", "rw-"),
        ("a little memory allocated now", "heap", "rw-"),
        ("a variable that begins as zero", "bss", "rw-"),
        ("a variable with a value", "data", "rw-"),
        ("a constant", "read_only_data", "r--"),
        ("a function", "text", "r-x"),
    ] {
        let place = places.iter().find(|place| place["what"] == what).unwrap_or_else(|| panic!("{what}"));
        assert_eq!((&place["kind"], &place["rights"]), (&kind.into(), &rights.into()), "{place}");
    }
    // SAFETY: zero bytes are a valid rlimit, and the pointer is to a local.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit);
        limit.rlim_cur
    };
    assert_eq!(first["figures"]["stack_limit"].as_u64().unwrap_or(libc::RLIM_INFINITY), limit);
    let random = Path::new("/proc/sys/kernel/randomize_va_space");
    if File::open(random).is_ok_and(|file| std::io::read_to_string(file).is_ok_and(|text| text.trim() == "2")) {
        assert_ne!(first["figures"]["places"][0]["address"], second["figures"]["places"][0]["address"]);
    }
}

/// Each line has the article's figures for that way, and what is measured is not less than a transfer can take.
#[test]
fn the_comparison_and_nio_are_measured_by_ways() {
    let ways = &learn("comparison")["figures"]["ways"];
    let line = |name: &str| ways.as_array().unwrap().iter().find(|way| way["article"]["way"] == name).unwrap();
    for (name, copies, switches) in [
        ("read + write", 2, 4),
        ("mmap + write", 1, 4),
        ("sendfile", 1, 2),
        ("sendfile + DMA gather copy", 0, 2),
        ("splice", 0, 2),
    ] {
        let article = &line(name)["article"];
        assert_eq!((number(&article["cpu_copies"]), number(&article["switches"])), (copies, switches), "{name}");
    }
    for (name, least) in [("read + write", 2), ("mmap + write", 1), ("splice", 0), ("sendfile + DMA gather copy", 0)] {
        assert_eq!(number(&line(name)["copies"]["least"]), least, "{name}");
    }
    let nio = learn("java-nio");
    let ways = nio["figures"]["ways"].as_array().unwrap();
    let of_socket = ways.iter().find(|way| way["nio"] == "transferFrom a SocketChannel").unwrap();
    assert_eq!(number(&of_socket["measured"]["copies"]["least"]), 2);
    assert!(ways.iter().all(|way| number(&way["measured"]["warm"]["system_calls"]) > 1), "{nio}");
    let layers = &learn("layers")["figures"]["ways"];
    let names: Vec<_> = layers.as_array().unwrap().iter().map(|way| way["mechanism"].as_str().unwrap()).collect();
    assert_eq!(names, ["read_write", "mmap_write", "sendfile", "splice"]);
}
