//! What a region costs against the plain thing: sums over a gigabyte, map + touch + close, first touch on tmpfs, and the
//! ways of a checked copy.
//!
//! Criterion gives the absolute figures. On a noisy machine only ratios of one paired run mean something: those are
//! printed first, as the median of many rounds in which both sides take turns, with the quartiles.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use zcio::region::{Access, Advice, Populate, Region, RegionOptions};

const GIBIBYTE: usize = 1 << 30;
const SMALL: usize = 64 << 10;
const TMPFS: usize = 128 << 20;
const PAGE: usize = 4096;

/// Processor time of this thread in seconds: what others do on the machine counts less than in time on the wall.
fn cpu() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a local of the right type is filled in.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn time(work: &mut impl FnMut()) -> f64 {
    let start = cpu();
    work();
    cpu() - start
}

/// Prints how long `ours` takes relative to `theirs`: the median over the rounds, and the quartiles.
fn paired(name: &str, rounds: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) {
    let (_, _) = (time(&mut ours), time(&mut theirs));
    let mut ratios: Vec<f64> = (0..rounds)
        .map(|round| {
            // In turns who is first.
            if round % 2 == 0 {
                let first = time(&mut ours);
                first / time(&mut theirs)
            } else {
                let first = time(&mut theirs);
                time(&mut ours) / first
            }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let (low, median, high) = (ratios[rounds / 4], ratios[rounds / 2], ratios[rounds * 3 / 4]);
    println!("{name}: ratio {median:.3} (quartiles {low:.3} to {high:.3}, {rounds} rounds)");
}

/// # Safety
/// `length` bytes from `start` on can be read, `start` is aligned, and nobody changes them meanwhile.
unsafe fn sum(start: *const u8, length: usize) -> u64 {
    #[allow(clippy::cast_ptr_alignment)] // As the caller promised.
    let words = start.cast::<u64>();
    // SAFETY: as the caller promised.
    (0..length / 8).fold(0, |sum: u64, word| sum.wrapping_add(unsafe { words.add(word).read() }))
}

/// # Safety
/// `length` bytes from `start` on can be read.
unsafe fn touch(start: *const u8, length: usize) {
    for place in (0..length).step_by(PAGE) {
        // SAFETY: as the caller promised.
        unsafe { start.add(place).read_volatile() };
    }
}

fn filled(mut file: File, length: usize) -> File {
    let block: Vec<u8> = (0..1 << 20).map(|place: usize| (place * 31 % 251) as u8).collect();
    for _ in 0..length >> 20 {
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    file
}

fn sums(criterion: &mut Criterion) {
    let mut file = filled(tempfile::tempfile().unwrap(), GIBIBYTE);
    let region = RegionOptions::new().map(file.as_fd()).unwrap();
    let view = region.view(..).unwrap();
    let mut memory = vec![0; GIBIBYTE];
    region.read_at(0, &mut memory).unwrap();
    // SAFETY: both are readable and nobody writes to them.
    let mapped = || unsafe { black_box(sum(view.as_ptr(), GIBIBYTE)) };
    // SAFETY: as above.
    let plain = || unsafe { black_box(sum(memory.as_ptr(), GIBIBYTE)) };
    let mut buffer = vec![0; 256 << 10];
    let mut by_read = || {
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut total = 0_u64;
        loop {
            match file.read(&mut buffer).unwrap() {
                0 => return black_box(total),
                // SAFETY: the buffer holds so many bytes.
                count => total = total.wrapping_add(unsafe { sum(buffer.as_ptr(), count) }),
            }
        }
    };
    assert!(mapped() == plain() && plain() == by_read());
    let huge = Region::anonymous(GIBIBYTE as u64).unwrap();
    huge.advise(.., Advice::HugePage).unwrap();
    huge.write_at(0, &memory).unwrap();
    let huge_view = huge.view(..).unwrap();
    // SAFETY: as above.
    let plain_huge = || unsafe { black_box(sum(huge_view.as_ptr(), GIBIBYTE)) };
    paired("sum of 1 GiB, mapped / plain memory in huge pages", 11, || _ = mapped(), || _ = plain_huge());
    paired("sum of 1 GiB, mapped / plain memory", 11, || _ = mapped(), || _ = plain());
    paired("sum of 1 GiB, mapped / read() in 256 KiB", 5, || _ = mapped(), || _ = by_read());
    let mut group = criterion.benchmark_group("sum_1_gib");
    group.sample_size(10).throughput(Throughput::Bytes(GIBIBYTE as u64));
    group.bench_function("mapped", |bencher| bencher.iter(mapped));
    group.bench_function("plain", |bencher| bencher.iter(plain));
    group.bench_function("read_256_kib", |bencher| bencher.iter(&mut by_read));
}

fn map_touch_close(criterion: &mut Criterion) {
    let file = filled(tempfile::tempfile().unwrap(), 1 << 20);
    let options = RegionOptions::new().length(SMALL as u64);
    let unasked = options.clone().ahead_of_file();
    let ours = |options: &RegionOptions| {
        let region = options.map(file.as_fd()).unwrap();
        let view = region.view(..).unwrap();
        // SAFETY: inside the view, over a file that nobody cuts.
        unsafe { touch(view.as_ptr(), SMALL) };
        drop(view);
        region.close().unwrap();
    };
    let theirs = || {
        // SAFETY: a new mapping, read inside its length, and given back.
        unsafe {
            let fd = file.as_raw_fd();
            let start = libc::mmap(std::ptr::null_mut(), SMALL, libc::PROT_READ, libc::MAP_SHARED, fd, 0);
            touch(start.cast(), SMALL);
            libc::munmap(start, SMALL);
        }
    };
    let batch = |work: &dyn Fn()| (0..20).for_each(|_| work());
    paired("map + touch + close of 64 KiB, region / libc", 1001, || batch(&|| ours(&options)), || batch(&theirs));
    // The difference is one fstat(2): a region asks the file for its size unless told not to.
    let ahead = || batch(&|| ours(&unasked));
    paired("map + touch + close of 64 KiB, region ahead of its file / libc", 1001, ahead, || batch(&theirs));
    let mut group = criterion.benchmark_group("map_touch_close_64_kib");
    group.bench_function("region", |bencher| bencher.iter(|| ours(&options)));
    group.bench_function("libc", |bencher| bencher.iter(theirs));
}

fn tmpfs_first_touch(criterion: &mut Criterion) {
    let Ok(file) = tempfile::tempfile_in("/dev/shm") else { return println!("no /dev/shm: skipped") };
    let file = filled(file, TMPFS);
    let run = |populate: bool| {
        let region = RegionOptions::new().map(file.as_fd()).unwrap();
        if populate {
            region.populate(.., Populate::Read).unwrap();
        }
        let view = region.view(..).unwrap();
        // SAFETY: inside the view, over a file that nobody cuts.
        unsafe { touch(view.as_ptr(), TMPFS) };
    };
    // Stores fault page by page, loads sixteen pages at a time (fault-around).
    let run_stores = |populate: bool| {
        let region = RegionOptions::new().access(Access::ReadWrite).map(file.as_fd()).unwrap();
        if populate {
            region.populate(.., Populate::Write).unwrap();
        }
        let view = region.view(..).unwrap();
        for place in (0..TMPFS).step_by(PAGE) {
            // SAFETY: inside the view, which is writable.
            unsafe { view.as_mut_ptr().add(place).write_volatile(1) };
        }
    };
    paired("first load of 128 MiB on tmpfs, populate / without", 15, || run(true), || run(false));
    paired("first store to 128 MiB on tmpfs, populate / without", 15, || run_stores(true), || run_stores(false));
    let mut group = criterion.benchmark_group("tmpfs_first_touch_128_mib");
    group.sample_size(10).throughput(Throughput::Bytes(TMPFS as u64));
    group.bench_function("populate", |bencher| bencher.iter(|| run(true)));
    group.bench_function("without", |bencher| bencher.iter(|| run(false)));
}

/// The alternative to `process_vm_readv`: out of the mapping into a pipe, out of the pipe into the buffer.
fn by_pipe(from: *const u8, into: &mut [u8]) {
    let mut done = 0;
    while done < into.len() {
        let (mut out, inlet) = std::io::pipe().unwrap();
        let length = (into.len() - done).min(1 << 16);
        // SAFETY: the kernel reads from a live mapping.
        let count = unsafe { libc::write(inlet.as_raw_fd(), from.add(done).cast(), length) } as usize;
        out.read_exact(&mut into[done..done + count]).unwrap();
        done += count;
    }
}

fn checked_copies(criterion: &mut Criterion) {
    let file = filled(tempfile::tempfile().unwrap(), 1 << 20);
    let region: Region = RegionOptions::new().access(Access::ReadWrite).map(file.as_fd()).unwrap();
    let view = region.view(..).unwrap();
    let mut group = criterion.benchmark_group("checked_copy");
    for length in [64, 4 << 10, 64 << 10, 1 << 20] {
        let (mut first, mut second) = (vec![0; length], vec![0; length]);
        let repeat = ((1 << 20) / length).min(500);
        let name = format!("checked copy of {length} bytes, process_vm_readv / pipe");
        let read = |into: &mut [u8]| assert_eq!(region.read_at(0, into).unwrap(), length);
        paired(
            &name,
            31,
            || (0..repeat).for_each(|_| read(&mut first)),
            || (0..repeat).for_each(|_| by_pipe(view.as_ptr(), &mut second)),
        );
        assert_eq!(first, second);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("process_vm_readv", length), |bencher| {
            bencher.iter(|| read(&mut first));
        });
        group.bench_function(BenchmarkId::new("pipe", length), |bencher| {
            bencher.iter(|| by_pipe(view.as_ptr(), &mut second));
        });
        group.bench_function(BenchmarkId::new("memcpy_unchecked", length), |bencher| {
            // SAFETY: inside the view, over a file that nobody cuts; the buffer is as long.
            bencher.iter(|| unsafe { view.as_ptr().copy_to_nonoverlapping(black_box(first.as_mut_ptr()), length) });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    sums(&mut criterion);
    map_touch_close(&mut criterion);
    tmpfs_first_touch(&mut criterion);
    checked_copies(&mut criterion);
    criterion.final_summary();
}
