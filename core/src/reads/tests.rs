//! Reads in every way, against the content of the files.

mod lost;

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use super::*;
use crate::region::{Access, RegionOptions};
use crate::testing::has_uring;
use crate::{AlignedBuffer, Endpoint, Region};

fn every_way(mut test: impl FnMut(&mut Reads)) {
    if has_uring() {
        for depth in [2, 32] {
            let mut ring = Reads::new(depth).unwrap();
            assert_eq!(ring.refusal(), None);
            test(&mut ring);
            assert_eq!(ring.refusal(), None);
        }
    }
    for depth in [1, 2, 8] {
        test(&mut Reads::by_threads(depth));
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A file on a disk, in the page cache or not.
fn file(content: &[u8]) -> File {
    let mut file = crate::testing::file_on_disk();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
    file
}

/// The same file, read past the page cache, where its file system knows how to.
fn direct(file: &File) -> Option<File> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let opened = File::options().read(true).custom_flags(libc::O_DIRECT).open(path);
    let readable = opened.ok().filter(|file| {
        let mut block = AlignedBuffer::new(4096).unwrap();
        file.read_at(&mut block, 0).is_ok()
    });
    if readable.is_none() {
        assert!(std::env::var_os("ZCIO_REQUIRE").is_none(), "no direct I/O here, and ZCIO_REQUIRE is set");
        eprintln!("skipped direct reads: the file system has no direct I/O");
    }
    readable
}

/// Drops what is in the page cache of a file that has been written out.
fn forget(file: &File) {
    nix::fcntl::posix_fadvise(file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
}

/// Offsets and lengths all over a file, some of them behind its end, some aligned.
fn places(size: usize, seed: u64) -> Vec<(u64, usize)> {
    let mut random = seed;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let odd = (0..100).map(|_| (next(size + size / 4) as u64, next(100_000)));
    let places: Vec<_> = odd.chain([(0, 0), (0, 1), (size as u64, 10), (1 << 40, 4096)]).collect();
    let blocks = (0..100).map(|_| (next(size / 4096 + 2) as u64 * 4096, (1 + next(8)) * 4096));
    places.into_iter().chain(blocks).collect()
}

fn expected(content: &[u8], (offset, length): (u64, usize)) -> &[u8] {
    let start = (offset as usize).min(content.len());
    &content[start..(start + length).min(content.len())]
}

/// Reads those places of the file; the memory begins `shift` bytes behind a page.
fn check(reads: &mut Reads, files: &[&File], content: &[u8], shift: usize) {
    let places = places(content.len(), reads.depth as u64);
    let ends: Vec<_> = files.iter().map(|file| Endpoint::new(*file).unwrap()).collect();
    let mut buffers: Vec<_> = places.iter().map(|place| AlignedBuffer::new(place.1 + shift + 1).unwrap()).collect();
    let mut asked: Vec<_> = (0..)
        .zip(&places)
        .zip(&mut buffers)
        .map(|((number, place), buffer)| {
            ReadAt::new(&ends[number % ends.len()], place.0, &mut buffer[shift..shift + place.1])
        })
        .collect();
    let report = reads.run(&mut asked);
    drop(asked);
    assert!(report.system_calls > 0);
    for ((place, buffer), result) in places.iter().zip(&buffers).zip(report.reads) {
        let expected = expected(content, *place);
        assert_eq!(result.unwrap(), expected.len(), "{place:?}");
        assert!(buffer[shift..shift + expected.len()] == *expected, "{place:?}");
        assert!(buffer[shift + place.1..].iter().all(|&byte| byte == 0), "{place:?}: more than asked for");
    }
}

#[test]
fn every_read_has_its_own_bytes() {
    let content = pattern(3_000_017);
    let file = file(&content);
    every_way(|reads| {
        forget(&file);
        for _cold_and_cached in 0..2 {
            check(reads, &[&file], &content, 0);
        }
    });
}

#[test]
fn past_the_page_cache_aligned_or_not() {
    let content = pattern(3_000_017);
    let file = file(&content);
    let Some(direct) = direct(&file) else { return };
    every_way(|reads| {
        for shift in [0, 512, 3] {
            check(reads, &[&direct], &content, shift);
            check(reads, &[&direct, &file], &content, shift);
        }
    });
    forget(&file);
    let mut reads = Reads::new(4).unwrap();
    check(&mut reads, &[&direct], &content, 0);
    let region = RegionOptions::new().map(file.as_fd()).unwrap();
    assert_eq!(region.residency(..).unwrap().present, 0, "the page cache was filled");
}

#[test]
fn nothing_one_and_many_files() {
    let contents: Vec<_> = (0..40).map(|number| vec![number as u8; 5000 + number]).collect();
    let files: Vec<_> = contents.iter().map(|content| file(content)).collect();
    let ends: Vec<_> = files.iter().map(|file| Endpoint::new(file).unwrap()).collect();
    every_way(|reads| {
        assert!(reads.run(&mut []).reads.is_empty());
        let mut one = [0; 10];
        let report = reads.run(&mut [ReadAt::new(&ends[7], 4990, &mut one)]);
        assert_eq!((report.reads[0].as_ref().unwrap(), one), (&10, [7; 10]));
        let mut buffers = vec![[0; 6000]; ends.len()];
        let mut asked: Vec<_> =
            ends.iter().zip(&mut buffers).map(|(end, buffer)| ReadAt::new(end, 0, buffer)).collect();
        let report = reads.run(&mut asked);
        for ((content, buffer), result) in contents.iter().zip(&buffers).zip(report.reads) {
            assert_eq!(result.unwrap(), content.len());
            assert!(buffer[..content.len()] == content[..]);
        }
    });
}

#[test]
fn one_reads_failure_is_its_own() {
    use ErrorKind::{InvalidInput, IsDirectory, NotReadable};
    let content = pattern(10_000);
    let file = file(&content);
    let unreadable = tempfile::NamedTempFile::new().unwrap();
    let write_only = File::options().write(true).open(unreadable.path()).unwrap();
    let directory = File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let good = Endpoint::new(&file).unwrap();
    let ends = [Endpoint::new(&write_only), Endpoint::new(&directory), Endpoint::new(&pipe)].map(Result::unwrap);
    every_way(|reads| {
        let mut buffers = [[0; 100]; 7];
        let [first, second, third, a, b, c, far] = &mut buffers;
        let report = reads.run(&mut [
            ReadAt::new(&good, 0, first),
            ReadAt::new(&ends[0], 0, a),
            ReadAt::new(&good, 9950, second),
            ReadAt::new(&ends[1], 0, b),
            ReadAt::new(&ends[2], 0, c),
            ReadAt::new(&good, i64::MAX as u64 - 5, far),
            ReadAt::new(&good, 5000, third),
        ]);
        let kinds: Vec<_> = report.reads.iter().map(|read| read.as_ref().map_err(Error::kind).copied()).collect();
        let errors = [NotReadable, IsDirectory, InvalidInput, InvalidInput].map(Err);
        let [e0, e1, e2, e3] = errors;
        assert_eq!(kinds, [Ok(100), e0, Ok(50), e1, e2, e3, Ok(100)]);
        assert_eq!(report.reads[4].as_ref().unwrap_err().errno(), Some(libc::ESPIPE));
        assert!(buffers[0] == content[..100] && buffers[1][..50] == content[9950..]);
        assert!(buffers[2] == content[5000..5100]);
    });
}

#[test]
fn a_depth_is_at_least_one() {
    for depth in [0, DEEPEST + 1] {
        assert_eq!(Reads::new(depth).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(Reads::new(1).unwrap().refusal(), None);
}

#[test]
fn memory_of_a_region_is_filled() {
    let content = pattern(100_000);
    let file = file(&content);
    let direct = direct(&file);
    let region = Region::anonymous(100_000).unwrap();
    every_way(|reads| {
        for file in [Some(&file), direct.as_ref()].into_iter().flatten() {
            let end = Endpoint::new(file).unwrap();
            region.write_at(0, &vec![0; 100_000]).unwrap();
            let views = [region.view(0..4096).unwrap(), region.view(4096..8193).unwrap(), region.view(8193..).unwrap()];
            let mut at = 0;
            let asked = views.iter().map(|view| {
                at += view.len();
                ReadAt::view(&end, (at - view.len()) as u64, view).unwrap()
            });
            let report = reads.run(&mut asked.collect::<Vec<_>>());
            assert!(report.reads.iter().zip(&views).all(|(read, view)| *read.as_ref().unwrap() == view.len()));
            let mut bytes = vec![0; 100_000];
            region.read_at(0, &mut bytes).unwrap();
            assert!(bytes == content);
        }
    });
    let end = Endpoint::new(&file).unwrap();
    let read_only = RegionOptions::new().map(file.as_fd()).unwrap();
    let view = read_only.view(..).unwrap();
    assert_eq!(ReadAt::view(&end, 0, &view).unwrap_err().kind(), ErrorKind::NotWritable);
}

#[test]
fn a_region_whose_file_was_cut_short_is_an_error_and_no_signal() {
    let content = pattern(100_000);
    let file = file(&content);
    let direct = direct(&file);
    every_way(|reads| {
        for source in [Some(&file), direct.as_ref()].into_iter().flatten() {
            for shift in [0, 3] {
                let cut = tempfile::tempfile().unwrap();
                cut.set_len(3 * 4096).unwrap();
                let region = RegionOptions::new().access(Access::ReadWrite).map(cut.as_fd()).unwrap();
                cut.set_len(4096).unwrap();
                let end = Endpoint::new(source).unwrap();
                let views = [region.view(shift..4096).unwrap(), region.view(shift..).unwrap()];
                let mut asked = views.each_ref().map(|view| ReadAt::view(&end, 4096, view).unwrap());
                let report = reads.run(&mut asked);
                assert_eq!(*report.reads[0].as_ref().unwrap(), 4096 - shift as usize);
                let error = report.reads[1].as_ref().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Faulted, "{error}");
                assert!(error.moved() <= 4096 - shift, "{error}");
            }
        }
    });
}

#[test]
fn a_watcher_hears_of_progress_and_stops() {
    let content = pattern(1 << 20);
    let file = file(&content);
    let end = Endpoint::new(&file).unwrap();
    every_way(|reads| {
        let mut memory = vec![0; 4000 * 4096];
        let mut asked: Vec<_> = memory
            .chunks_exact_mut(4096)
            .enumerate()
            .map(|(number, part)| ReadAt::new(&end, number as u64 % 256 * 4096, part))
            .collect();
        let mut told = None;
        let report = reads.run_watched(&mut asked, |progress| {
            // So that it is asked again at once, whatever the machine does meanwhile.
            std::thread::sleep(crate::drive::WATCH_EVERY);
            if progress.items > 100 {
                told = Some(progress);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        drop(asked);
        let mut done = 0;
        for (number, (read, part)) in report.reads.iter().zip(memory.chunks_exact(4096)).enumerate() {
            match read {
                Ok(count) => {
                    let start = number % 256 * 4096;
                    assert!((*count, part) == (4096, &content[start..start + 4096]));
                    done += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
            }
        }
        match told {
            Some(progress) => {
                assert!((progress.items..=4000).contains(&done), "{done} {progress:?}");
                assert_eq!(progress.bytes, progress.items as u64 * 4096);
            }
            // All were over before the watcher was due.
            None => assert_eq!(done, 4000),
        }
        // It is as good as new.
        check(reads, &[&file], &content, 0);
    });
}
