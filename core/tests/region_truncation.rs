//! Files cut short by another process while a region is read and written: errors, never death. And the SIGBUS guard, each
//! case in a process of its own.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, Region, RegionOptions, guard};

const PAGES: usize = 32;
const ROUNDS: usize = 1000;

/// The other process: cuts the file and lets it grow again, 1,000 times, as fast as it is told to.
fn cutter(path: &str) {
    let file = File::options().write(true).open(path).unwrap();
    let mut lines = std::io::stdin().lines();
    for round in 0..ROUNDS {
        file.set_len((round % PAGES * page()) as u64).unwrap();
        println!("cut {round}");
        lines.next();
        file.set_len((PAGES * page()) as u64).unwrap();
    }
    println!("done");
}

#[test]
fn a_file_cut_a_thousand_times_under_readers_and_writers() {
    if let Some(path) = role() {
        return cutter(&path);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let content = pattern(PAGES * page());
    std::fs::write(&path, &content).unwrap();
    let region = RegionOptions::new().access(Access::ReadWrite).open(&path).unwrap();
    let mut child =
        child("a_file_cut_a_thousand_times_under_readers_and_writers", path.to_str().unwrap()).spawn().unwrap();
    let (mut to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let stop = AtomicBool::new(false);
    let (races, reads) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut cuts = 0;
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (region, content, stop, races, reads) = (&region, &content, &stop, &races, &reads);
            scope.spawn(move || {
                let mut into = vec![0; content.len()];
                while !stop.load(Ordering::Relaxed) {
                    let result = if number == 2 { region.write_at(0, content) } else { region.read_at(0, &mut into) };
                    let done = match result {
                        Ok(count) => count,
                        Err(error) => {
                            assert_eq!((error.kind(), error.errno()), (ErrorKind::Faulted, Some(libc::EFAULT)));
                            races.fetch_add(1, Ordering::Relaxed);
                            error.moved() as usize
                        }
                    };
                    reads.fetch_add(1, Ordering::Relaxed);
                    if number != 2 {
                        // Each byte is the file's, or a zero of a page that had been cut off and came back.
                        assert!(into[..done].iter().zip(content).all(|(byte, right)| byte == right || *byte == 0));
                    }
                }
            });
        }
        // Lines of the test harness stand between; only the child's own count.
        for line in from.lines() {
            let line = line.unwrap();
            // The harness writes the test's name, without a new line, before the first.
            let Some((_, round)) = line.split_once("cut ") else { continue };
            let cut = round.parse::<usize>().unwrap() % PAGES * page();
            // While it is cut: everything before the cut is read, nothing after it.
            let error = region.read_at(0, &mut vec![0; PAGES * page()]).unwrap_err();
            assert_eq!((error.kind(), error.moved()), (ErrorKind::Faulted, cut as u64));
            let error = region.write_at(cut as u64, b"x").unwrap_err();
            assert_eq!((error.kind(), error.moved()), (ErrorKind::Faulted, 0));
            cuts += 1;
            to.write_all(b"\n").unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(child.wait().unwrap().success());
    assert_eq!(cuts, ROUNDS);
    assert_eq!(region.read_at(0, &mut vec![0; PAGES * page()]).unwrap(), PAGES * page(), "and it works again");
    region.check().unwrap();
    println!("{reads:?} copies by threads meanwhile, {races:?} of them cut short");
    assert!(races.into_inner() > 0);
}

/// Runs one case of the guard in a process of its own and gives back how it ended.
fn case(name: &str) -> std::process::ExitStatus {
    child("the_guard", name).output().unwrap().status
}

fn cut_region(access: Access) -> (Region, File) {
    let file = file_with(&pattern(4 * page()));
    let region = RegionOptions::new().access(access).map(file.as_fd()).unwrap();
    (region, file)
}

/// Loads the first byte of a page of the region.
fn load(region: &Region, number: usize) -> u8 {
    let view = region.view(..).unwrap();
    // SAFETY: inside the view; whether there is memory is what is tested.
    unsafe { view.as_ptr().add(number * page()).read_volatile() }
}

static CALLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn plain_handler(_signal: libc::c_int) {
    CALLED.fetch_add(1, Ordering::SeqCst);
    // SAFETY: ends this child; async-signal-safe.
    unsafe { libc::_exit(41) };
}

extern "C" fn info_handler(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel's siginfo, handed on unchanged; _exit is async-signal-safe.
    unsafe { libc::_exit(if (*info).si_addr() as usize == EXPECTED.load(Ordering::SeqCst) { 42 } else { 43 }) };
}

extern "C" fn counting_handler(_signal: libc::c_int) {
    CALLED.fetch_add(1, Ordering::SeqCst);
}

static EXPECTED: AtomicUsize = AtomicUsize::new(0);

fn set_handler(address: usize, flags: libc::c_int) {
    // SAFETY: the handlers of this file have the signatures their flags ask for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = address;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
    }
}

/// A fault that is none of the guard's: a mapping of somebody else's, beyond its file.
fn fault_elsewhere() {
    let file = tempfile::tempfile().unwrap();
    let map = memmap2::MmapOptions::new().len(page()).map_raw_read_only(&file).unwrap();
    EXPECTED.store(map.as_ptr() as usize + 5, Ordering::SeqCst);
    // SAFETY: faults, which is what is tested.
    unsafe { map.as_ptr().add(5).read_volatile() };
}

fn in_child(name: &str) {
    match name {
        "no guard" => {
            let (region, file) = cut_region(Access::ReadOnly);
            file.set_len(0).unwrap();
            load(&region, 1);
        }
        "zeroes" => {
            let (early, early_file) = cut_region(Access::ReadOnly);
            guard::install().unwrap();
            guard::install().unwrap();
            let (region, file) = cut_region(Access::ReadWrite);
            file.set_len(page() as u64).unwrap();
            assert_ne!(load(&region, 0), 0);
            region.check().unwrap();
            assert_eq!(load(&region, 2), 0);
            assert_eq!(region.check().unwrap_err().kind(), ErrorKind::Faulted);
            assert_eq!(region.read_at(0, &mut [0]).unwrap_err().kind(), ErrorKind::Faulted);
            assert_eq!(region.view(..).unwrap_err().kind(), ErrorKind::Faulted);
            region.close().unwrap();
            early.check().unwrap();
            early_file.set_len(0).unwrap();
            assert_eq!(load(&early, 3), 0, "a region from before the guard");
            early.check().unwrap_err();
        }
        "stores" => {
            guard::install().unwrap();
            let (region, file) = cut_region(Access::ReadWrite);
            let view = region.view(..).unwrap();
            file.set_len(0).unwrap();
            // SAFETY: inside the view, which is writable.
            unsafe {
                view.as_mut_ptr().add(page()).write_volatile(7);
                assert_eq!(view.as_ptr().add(page()).read_volatile(), 7);
            }
            assert_eq!(view.check().unwrap_err().kind(), ErrorKind::Faulted);
            assert_eq!(file.metadata().unwrap().len(), 0);
        }
        "threads" => guarded_threads(),
        "default elsewhere" => {
            // Rust's own handler (for stack overflows) stands before the default action; take it away.
            set_handler(libc::SIG_DFL, 0);
            guard::install().unwrap();
            fault_elsewhere();
        }
        "rust elsewhere" => {
            guard::install().unwrap();
            fault_elsewhere();
        }
        "ignored elsewhere" => {
            set_handler(libc::SIG_IGN, 0);
            guard::install().unwrap();
            // SAFETY: sends a signal to this process, which ignores it.
            unsafe { libc::raise(libc::SIGBUS) };
            println!("still here");
            fault_elsewhere();
        }
        "plain elsewhere" => {
            set_handler(plain_handler as *const () as usize, 0);
            guard::install().unwrap();
            let (region, file) = cut_region(Access::ReadOnly);
            file.set_len(0).unwrap();
            assert_eq!(load(&region, 0), 0, "ours is mended");
            assert_eq!(CALLED.load(Ordering::SeqCst), 0);
            fault_elsewhere();
        }
        "info elsewhere" => {
            set_handler(info_handler as *const () as usize, libc::SA_SIGINFO);
            guard::install().unwrap();
            fault_elsewhere();
        }
        "sent" => {
            set_handler(counting_handler as *const () as usize, 0);
            guard::install().unwrap();
            // SAFETY: sends a signal to this process, which has a handler.
            unsafe { libc::raise(libc::SIGBUS) };
            assert_eq!(CALLED.load(Ordering::SeqCst), 1);
        }
        "sent to default" => {
            set_handler(libc::SIG_DFL, 0);
            guard::install().unwrap();
            // SAFETY: ends this process.
            unsafe { libc::raise(libc::SIGBUS) };
        }
        "closed" => {
            guard::install().unwrap();
            let (region, file) = cut_region(Access::ReadOnly);
            let view = region.view(..).unwrap();
            region.close().unwrap();
            file.set_len(0).unwrap();
            for place in (0..view.len()).step_by(page()) {
                // SAFETY: inside the view.
                assert_eq!(unsafe { view.as_ptr().add(place).read_volatile() }, 0);
            }
            assert_eq!(view.check().unwrap_err().kind(), ErrorKind::Closed);
        }
        other => panic!("no case {other:?}"),
    }
}

/// Threads that load through views while their files are cut, 1,000 times.
fn guarded_threads() {
    guard::install().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..ROUNDS / 4 {
                    let (region, file) = cut_region(Access::ReadOnly);
                    let view = region.view(..).unwrap();
                    let cut = std::thread::spawn(move || file.set_len((round % 4 * page()) as u64).unwrap());
                    for _ in 0..20 {
                        for place in (0..view.len()).step_by(64) {
                            // SAFETY: inside the view.
                            let byte = unsafe { view.as_ptr().add(place).read_volatile() };
                            assert!(byte == 0 || byte == pattern_byte(place));
                        }
                    }
                    cut.join().unwrap();
                    assert_eq!(load_view(&view, 3), 0);
                    assert_eq!(region.check().unwrap_err().kind(), ErrorKind::Faulted);
                }
            });
        }
    });
}

fn pattern_byte(place: usize) -> u8 {
    (place.wrapping_mul(31) ^ (place >> 12)) as u8 | 1
}

fn load_view(view: &zcio::region::View, number: usize) -> u8 {
    // SAFETY: inside the view.
    unsafe { view.as_ptr().add(number * page()).read_volatile() }
}

#[test]
fn the_guard() {
    if let Some(name) = role() {
        return in_child(&name);
    }
    assert!(Path::new("/proc/self/exe").exists());
    for name in ["zeroes", "stores", "threads", "sent", "closed"] {
        let status = case(name);
        assert!(status.success(), "{name}: {status}");
    }
    for name in ["no guard", "default elsewhere", "rust elsewhere", "ignored elsewhere", "sent to default"] {
        let status = case(name);
        assert_eq!(status.signal(), Some(libc::SIGBUS), "{name}: {status}");
    }
    assert_eq!(case("plain elsewhere").code(), Some(41));
    assert_eq!(case("info elsewhere").code(), Some(42));
}
