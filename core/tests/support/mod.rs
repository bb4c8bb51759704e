//! What the region tests share: another look at the process's memory than the library's own, and child processes that
//! are this test program again.
#![allow(dead_code)] // Each test program uses its own part of it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use zcio::region::{Access, Advice, Region, RegionOptions};

/// The page size in bytes.
pub fn page() -> usize {
    // SAFETY: reads a constant.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Bytes that differ from page to page and within each.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place.wrapping_mul(31) ^ (place >> 12)) as u8 | 1).collect()
}

/// A nameless file with these bytes.
pub fn file_with(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The entry of /proc/self/smaps for the mapping that has this address: sizes in kB, `rights`, and `VmFlags`.
pub fn smaps(address: usize) -> HashMap<String, String> {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut found = HashMap::new();
    let mut inside = false;
    for line in text.lines() {
        let first = line.split(' ').next().unwrap();
        if let Some((start, end)) = first.split_once('-') {
            let parse = |text| usize::from_str_radix(text, 16).unwrap();
            inside = (parse(start)..parse(end)).contains(&address);
            if inside {
                found.insert("rights".into(), line.split(' ').nth(1).unwrap().into());
                found.insert("line".into(), line.into());
            }
        } else if inside {
            let (name, value) = line.split_once(':').unwrap();
            found.insert(name.into(), value.trim().trim_end_matches(" kB").into());
        }
    }
    found
}

/// A size of that entry in bytes; 0 if nothing is mapped there.
pub fn smaps_bytes(address: usize, name: &str) -> u64 {
    smaps(address).get(name).map_or(0, |value| value.parse::<u64>().unwrap() * 1024)
}

/// Whether that entry has one of the two-letter flags.
pub fn has_flag(address: usize, flag: &str) -> bool {
    smaps(address)["VmFlags"].split(' ').any(|word| word == flag)
}

/// Minor and major faults of this thread.
pub fn faults() -> (i64, i64) {
    // SAFETY: a local of the right type is filled in.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        (usage.ru_minflt, usage.ru_majflt)
    }
}

/// One line of /proc/self/status, in kB.
pub fn status_kb(name: &str) -> i64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Whether a test can run that needs root for a call; otherwise says so, and fails where nothing may be skipped.
pub fn root_or_skip(test: &str, call: &str) -> bool {
    // SAFETY: reads a number.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        skip(test, &format!("it needs root, for {call}"));
    }
    root
}

/// Says why a test is skipped, or fails where nothing may be skipped.
pub fn skip(test: &str, reason: &str) {
    assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "{test} cannot run, and ZCIO_REQUIRE is set: {reason}");
    eprintln!("SKIPPED: {test}: {reason}");
}

/// Whether this kernel has something ([`zcio::Capabilities`]); otherwise says why not, and fails where nothing may be skipped.
pub fn has(name: &str) -> bool {
    let capability = zcio::Capabilities::get().find(name).unwrap();
    let is_there = capability.answer == zcio::Answer::Yes;
    if !is_there {
        skip(name, &capability.reason);
    }
    is_there
}

/// This test program again, to run one test only, which finds `role` by [`role`].
pub fn child(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("ZCIO_TEST_ROLE", role);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// What this process is in a test with several; `None` in the first.
pub fn role() -> Option<String> {
    std::env::var("ZCIO_TEST_ROLE").ok()
}

/// A region of that file, for reading and writing.
pub fn writable(file: &File) -> Region {
    RegionOptions::new().access(Access::ReadWrite).map(file.as_fd()).unwrap()
}

/// An anonymous region that the kernel does not merge with its neighbours, whose sizes it would add up: each has another
/// combination of flags, which change nothing here, and none of them is the one that all other memory has.
pub fn anonymous(length: u64) -> Region {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let combination = COUNT.fetch_add(1, Ordering::Relaxed) % 11 + 1;
    let region = Region::anonymous(length).unwrap();
    for (bit, advice) in [(combination & 1, Advice::DontFork), (combination & 2, Advice::WipeOnFork)] {
        if bit != 0 {
            region.advise(.., advice).unwrap();
        }
    }
    region.advise(.., [Advice::Normal, Advice::Random, Advice::Sequential][combination / 4]).unwrap();
    region
}

/// Where a region is.
pub fn address(region: &Region) -> usize {
    region.view(..).unwrap().as_ptr() as usize
}

/// Bytes of a region.
pub fn bytes(region: &Region, offset: u64, length: usize) -> Vec<u8> {
    let mut into = vec![0; length];
    assert_eq!(region.read_at(offset, &mut into).unwrap(), length);
    into
}

/// Loads a byte of every page through the processor.
pub fn touch(region: &Region) {
    let view = region.view(..).unwrap();
    for place in (0..view.len()).step_by(page()) {
        // SAFETY: inside the view; the files of these tests are not cut.
        unsafe { view.as_ptr().add(place).read_volatile() };
    }
}

/// Makes the kernel drop a file's pages from memory.
pub fn drop_cache(file: &File) {
    file.sync_all().unwrap();
    for _ in 0..1000 {
        // SAFETY: no memory is involved.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        let region = RegionOptions::new().map(file.as_fd()).unwrap();
        if region.residency(..).unwrap().present == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the page cache would not let go");
}
