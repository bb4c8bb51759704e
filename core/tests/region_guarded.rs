//! Copies out of regions and into them where the SIGBUS guard is installed: this process's own instructions make them, and what is
//! said of pages that are gone is what the kernel says where there is no guard. A program of its own, which the guard stays in.

mod support;

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, Advice, Protection, Region, RegionOptions, SharedRegion, guard};

const PAGES: usize = 5;

/// With SIGBUS blocked in this thread, where the kernel would end a process that faults: the way that is taken without a guard.
fn unguarded<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: sets of signals are plain bits, and the pointers are to locals.
    unsafe {
        let (mut set, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGBUS);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
        let result = work();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        result
    }
}

/// How a copy ended, with all that an error says.
type Outcome = Result<usize, String>;

fn said(result: zcio::error::Result<usize>) -> Outcome {
    result.map_err(|error| format!("{error:?}"))
}

/// Regions of each kind, of a file that is `PAGES` long, the file, and where in it they begin.
fn regions(content: &[u8]) -> Vec<(&'static str, Region, File, usize)> {
    let mut all = Vec::new();
    for (name, access) in
        [("read-only", Access::ReadOnly), ("read-write", Access::ReadWrite), ("private", Access::Private)]
    {
        let file = file_with(content);
        all.push((name, RegionOptions::new().access(access).map(file.as_fd()).unwrap(), file, 0));
    }
    let named = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(named.path(), content).unwrap();
    let owned = File::options().read(true).write(true).open(named.path()).unwrap();
    let offset = page() as u64 + 10;
    let region = RegionOptions::new().access(Access::ReadWrite).offset(offset).map_owning(owned.into()).unwrap();
    all.push(("with its file, from an offset on", region, named.into_file(), page() + 10));
    all
}

/// Every offset of interest of a file that is cut, and of a copy that begins before it, at it, or behind it.
fn places() -> Vec<usize> {
    let page = page();
    let mut places = vec![0, 1, 63, 64, 65, page - 65, page - 1, page, page + 1, page + 15, 2 * page - 16, 2 * page];
    places.extend([2 * page + 100, 3 * page, PAGES * page - 1]);
    places
}

#[test]
fn what_is_said_of_a_lost_page_is_what_is_said_without_a_guard() {
    guard::install().unwrap();
    let content = pattern(PAGES * page());
    let mut lost = 0;
    for cut in places() {
        for (name, region, file, from) in regions(&content) {
            file.set_len(cut as u64).unwrap();
            for start in places() {
                for length in [1, 15, 100, page() + 1, PAGES * page()] {
                    let what = format!("{name}, cut at {cut}, {length} bytes from {start}");
                    let (mut guarded, mut right) = (vec![0xAA; length], vec![0xAA; length]);
                    let result = region.read_at(start as u64, &mut guarded);
                    let done = result.as_ref().map_or_else(|error| error.moved() as usize, |count| *count);
                    lost += usize::from(result.is_err());
                    let expected = unguarded(|| said(region.read_at(start as u64, &mut right)));
                    assert_eq!(said(result), expected, "{what}");
                    assert_eq!(guarded[..done], right[..done], "{what}");
                    // The file's, and zeroes where a page of it is not full.
                    let is_right = |(at, byte): (usize, &u8)| {
                        let place = from + start + at;
                        *byte == if place < cut { content[place] } else { 0 }
                    };
                    assert!(guarded[..done].iter().enumerate().all(is_right), "{what}");
                }
            }
            region.check().unwrap();
        }
    }
    assert!(lost > 1000, "{lost}");
}

#[test]
fn what_is_written_before_a_lost_page_is_what_is_written_without_a_guard() {
    guard::install().unwrap();
    let content = pattern(PAGES * page());
    let bytes: Vec<u8> = content.iter().map(|byte| !byte).collect();
    for cut in places() {
        for ((name, region, file, _), (_, other, its_file, _)) in regions(&content).into_iter().zip(regions(&content)) {
            file.set_len(cut as u64).unwrap();
            its_file.set_len(cut as u64).unwrap();
            for start in places() {
                for length in [1, 100, PAGES * page()] {
                    let what = format!("{name}, cut at {cut}, {length} bytes to {start}");
                    let result = said(region.write_at(start as u64, &bytes[..length]));
                    let expected = unguarded(|| said(other.write_at(start as u64, &bytes[..length])));
                    assert_eq!(result, expected, "{what}");
                    let (mut ours, mut right) = (vec![0; PAGES * page()], vec![0; PAGES * page()]);
                    assert_eq!(said(region.read_at(0, &mut ours)), said(other.read_at(0, &mut right)), "{what}");
                    assert!(ours == right, "{what}");
                }
            }
            region.check().unwrap();
        }
    }
}

#[test]
fn memory_of_processes_and_of_nobody_is_copied_too() {
    guard::install().unwrap();
    let content = pattern(PAGES * page());
    let (shared, anonymous) =
        (SharedRegion::create(content.len() as u64).unwrap(), Region::anonymous(content.len() as u64).unwrap());
    for region in [shared.region(), &anonymous] {
        assert_eq!(region.write_at(0, &content).unwrap(), content.len());
        for start in places() {
            let mut bytes = vec![0; 3 * page()];
            let count = region.read_at(start as u64, &mut bytes).unwrap();
            assert_eq!(count, (content.len() - start).min(bytes.len()));
            assert!(bytes[..count] == content[start..start + count], "from {start}");
        }
        region.protect(.., Protection::Read).unwrap();
        assert_eq!(region.write_at(5, b"x").unwrap_err().kind(), ErrorKind::Faulted);
        assert_eq!(region.read_at(5, &mut [0]).unwrap(), 1);
        region.protect(..page() as u64, Protection::None).unwrap();
        assert_eq!(region.read_at(page() as u64 - 1, &mut [0; 2]).unwrap_err().kind(), ErrorKind::Faulted);
        assert_eq!(region.read_at(page() as u64, &mut [0; 2]).unwrap(), 2);
    }
}

#[test]
fn memory_that_is_lost_on_the_other_side_is_an_error() {
    guard::install().unwrap();
    let region = Region::anonymous(3 * page() as u64).unwrap();
    region.write_at(0, &pattern(3 * page())).unwrap();
    let file = file_with(&[1; 10]);
    let map = memmap2::MmapOptions::new().len(3 * page()).map_raw(&file).unwrap();
    let copies: [&dyn Fn() -> Outcome; 2] = [
        // SAFETY: a mapping of this test's own, of which no reference is made.
        &|| said(unsafe { region.read_to(1, map.as_mut_ptr(), 3 * page() - 1) }),
        // SAFETY: as above.
        &|| said(unsafe { region.write_from(1, map.as_ptr(), 3 * page() - 1) }),
    ];
    for copy in copies {
        let outcome = copy();
        assert!(outcome.as_ref().is_err_and(|error| error.contains("Faulted")), "{outcome:?}");
        assert_eq!(outcome, unguarded(copy));
    }
    region.check().unwrap();
}

#[test]
fn files_are_cut_under_readers_and_writers_and_regions_move_and_close() {
    guard::install().unwrap();
    let length = PAGES * page();
    let content = pattern(length);
    for round in 0..60 {
        let named = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(named.path(), &content).unwrap();
        let file = File::options().read(true).write(true).open(named.path()).unwrap();
        let region =
            RegionOptions::new().access(Access::ReadWrite).map_owning(file.try_clone().unwrap().into()).unwrap();
        let (reads, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for number in 0..3 {
                let (region, content, reads, over) = (&region, &content, &reads, &over);
                scope.spawn(move || {
                    let mut bytes = vec![0; length];
                    while !over.load(Ordering::Relaxed) {
                        let result =
                            if number == 2 { region.write_at(0, content) } else { region.read_at(0, &mut bytes) };
                        let done = match result {
                            Ok(count) => count,
                            Err(error) if error.kind() == ErrorKind::Closed => break,
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Faulted, "{error}");
                                error.moved() as usize
                            }
                        };
                        if number != 2 {
                            let is_right = |(byte, right): (&u8, &u8)| byte == right || *byte == 0;
                            assert!(bytes[..done].iter().zip(content).all(is_right));
                        }
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for cut in 0..20 {
                let before = reads.load(Ordering::Relaxed);
                while reads.load(Ordering::Relaxed) == before {
                    std::thread::yield_now();
                }
                file.set_len((cut * 7919 % length) as u64).unwrap();
                file.set_len(length as u64).unwrap();
                region.resize((length - cut % 3 * page()) as u64).unwrap();
            }
            if round % 2 == 0 {
                region.close().unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}

static CALLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn later_handler(_signal: libc::c_int) {
    CALLED.fetch_add(1, Ordering::SeqCst);
    // SAFETY: ends this child; async-signal-safe.
    unsafe { libc::_exit(41) };
}

/// From now on the kernel copies nothing for this thread, nor by way of a pipe.
fn deny_the_kernels_copies() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        line(LOAD, 0, 0, 0),
        line(EQUAL, 3, 0, libc::SYS_process_vm_readv as u32),
        line(EQUAL, 2, 0, libc::SYS_process_vm_writev as u32),
        line(EQUAL, 1, 0, libc::SYS_pipe2 as u32),
        line(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        line(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: both calls take plain numbers, and the program of this frame, which the kernel copies.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// Runs in a child made by fork(2); whether it said yes.
fn in_child(question: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child makes a few system calls and ends without anything of the parent's being run.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(i32::from(!question()));
        }
        let mut status = -1;
        libc::waitpid(child, &raw mut status, 0) == child && status == 0
    }
}

fn coarse_time() -> (i64, i64) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    (now.tv_sec, now.tv_nsec)
}

/// Both directions, and whether this process could make them by itself.
fn copies(region: &Region) -> [bool; 2] {
    [region.read_at(3, &mut [0; 5000]).is_ok(), region.write_at(3, &[1; 5000]).is_ok()]
}

fn case(name: &str) {
    let region = writable(&file_with(&pattern(PAGES * page())));
    match name {
        "alone" => {
            deny_the_kernels_copies();
            assert_eq!(copies(&region), [false, false], "no guard yet");
            guard::install().unwrap();
            assert_eq!(copies(&region), [true, true]);
            assert_eq!(unguarded(|| copies(&region)), [false, false], "the signal is blocked");
            assert!(in_child(|| copies(&region) == [false, false]), "the child of a process that has mapped it");
            region.protect(.., Protection::Read).unwrap();
            assert_eq!(copies(&region), [true, false], "for reading");
            region.protect(..page() as u64, Protection::None).unwrap();
            assert_eq!(copies(&region), [false, false], "a part is not for reading");
        }
        "later handler" => {
            guard::install().unwrap();
            // SAFETY: a handler of this signature.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = later_handler as *const () as usize;
                assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
            }
            // It is noticed when the clock has moved on.
            let asked = coarse_time();
            while coarse_time() == asked {
                std::thread::yield_now();
            }
            let file = file_with(&pattern(2 * page()));
            let region = writable(&file);
            file.set_len(0).unwrap();
            assert_eq!(region.read_at(0, &mut [0]).unwrap_err().kind(), ErrorKind::Faulted);
            assert_eq!(region.write_at(0, &[0]).unwrap_err().kind(), ErrorKind::Faulted);
            assert_eq!(CALLED.load(Ordering::SeqCst), 0);
            deny_the_kernels_copies();
            assert_eq!(copies(&region), [false, false]);
        }
        "not in children" => {
            guard::install().unwrap();
            region.advise(.., Advice::DontFork).unwrap();
            let is_fault = |result: zcio::error::Result<usize>| result.is_err_and(|e| e.kind() == ErrorKind::Faulted);
            assert!(in_child(|| is_fault(region.read_at(0, &mut [0])) && is_fault(region.write_at(0, &[0]))));
        }
        "load" => {
            // A load of somebody else's, at the very address of a page that the routine was about to copy, is still a fault.
            guard::install().unwrap();
            let file = tempfile::tempfile().unwrap();
            let map = memmap2::MmapOptions::new().len(page()).map_raw_read_only(&file).unwrap();
            // SAFETY: a mapping of this test's own, of which no reference is made.
            let outcome = said(unsafe { region.write_from(0, map.as_ptr(), 10) });
            assert!(outcome.is_err_and(|error| error.contains("Faulted")));
            println!("copied");
            // SAFETY: faults, which is what is tested.
            unsafe { map.as_ptr().read_volatile() };
        }
        other => panic!("no case {other:?}"),
    }
}

#[test]
fn it_is_done_where_the_handler_is_sure_to_be_asked_and_nowhere_else() {
    if let Some(name) = role() {
        return case(&name);
    }
    let run = |name| child("it_is_done_where_the_handler_is_sure_to_be_asked_and_nowhere_else", name).output().unwrap();
    // Under a sanitizer the handler is its own, and the kernel copies.
    let names: &[&str] = match std::env::var_os("ZCIO_SANITIZER") {
        Some(_) => &["later handler", "not in children"],
        None => &["alone", "later handler", "not in children"],
    };
    for name in names {
        let output = run(name);
        assert!(output.status.success(), "{name}: {output:?}");
    }
    let output = run("load");
    let copied = String::from_utf8_lossy(&output.stdout).contains("copied");
    assert!(copied && output.status.signal() == Some(libc::SIGBUS), "{output:?}");
}
