//! Ends that are lost while reads are at work: files by their holds, regions that are closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::Hold;

/// Can be entered so often, and is lost then.
#[derive(Debug)]
struct Lasting {
    left: AtomicUsize,
    inside: AtomicUsize,
}

impl Lasting {
    fn new(left: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(left), inside: AtomicUsize::new(0) })
    }
}

impl Hold for Lasting {
    fn enter(&self) -> Result<()> {
        let left = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        left.map_err(|_| Error::closed("closed by a test"))?;
        self.inside.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn leave(&self) {
        assert!(self.inside.fetch_sub(1, Ordering::AcqRel) > 0);
    }
}

#[test]
fn a_file_that_is_lost_fails_its_reads_and_no_others() {
    let content = pattern(1 << 20);
    let file = file(&content);
    every_way(|reads| {
        for enters in [0, 1, 2, 5] {
            let hold = Lasting::new(enters);
            let lost = Endpoint::new(&file).unwrap().held(hold.clone());
            let kept = Endpoint::new(&file).unwrap().held(Lasting::new(usize::MAX));
            let mut memory = vec![0; 200 * 4096];
            let mut asked: Vec<_> = memory
                .chunks_exact_mut(4096)
                .enumerate()
                .map(|(number, part)| ReadAt::new([&lost, &kept][number % 2], number as u64 * 4096, part))
                .collect();
            let report = reads.run(&mut asked);
            drop(asked);
            for (number, result) in report.reads.into_iter().enumerate() {
                if number % 2 == 1 {
                    assert_eq!(result.unwrap(), 4096);
                    let place = number * 4096..number * 4096 + 4096;
                    assert!(memory[place.clone()] == content[place]);
                } else {
                    let error = result.unwrap_err();
                    assert_eq!(
                        (error.kind(), error.errno()),
                        (ErrorKind::Closed, Some(libc::EBADF)),
                        "{enters}: {error}"
                    );
                    assert!(error.moved() == 0 || error.moved() == 4096, "{error}");
                }
            }
            assert_eq!(hold.inside.load(Ordering::Acquire), 0);
        }
    });
}

#[test]
fn a_file_is_entered_for_each_round_and_always_left() {
    let content = pattern(1 << 20);
    let file = file(&content);
    every_way(|reads| {
        let hold = Lasting::new(usize::MAX);
        let end = Endpoint::new(&file).unwrap().held(hold.clone());
        let mut memory = vec![0; 100 * 4096];
        let mut asked: Vec<_> = memory.chunks_exact_mut(4096).map(|part| ReadAt::new(&end, 0, part)).collect();
        let report = reads.run_watched(&mut asked, |_| {
            assert_eq!(hold.inside.load(Ordering::Acquire), 0, "the watcher could not close it");
            ControlFlow::Continue(())
        });
        assert!(report.reads.iter().all(Result::is_ok));
        assert_eq!(hold.inside.load(Ordering::Acquire), 0);
        assert!(hold.left.load(Ordering::Acquire) < usize::MAX);
    });
}

#[test]
fn a_region_that_is_closed_is_not_written_any_more() {
    let content = pattern(1 << 20);
    let file = file(&content);
    let end = Endpoint::new(&file).unwrap();
    every_way(|reads| {
        let (closed, open) = (Region::anonymous(8192).unwrap(), Region::anonymous(8192).unwrap());
        let views = [closed.view(..).unwrap(), open.view(..).unwrap()];
        let mut asked = views.each_ref().map(|view| ReadAt::view(&end, 0, view).unwrap());
        closed.close().unwrap();
        let report = reads.run(&mut asked);
        assert_eq!(report.reads[0].as_ref().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(*report.reads[1].as_ref().unwrap(), 8192);
        let mut left = [1; 8192];
        assert_eq!(crate::region::copy_from((&views[0]).into(), &mut left), Ok(8192));
        assert_eq!(left, [0; 8192]);
    });
}

/// Closing and reading at the same time: the bytes of the region, or an error, and no memory that has gone.
#[test]
fn a_region_that_is_closed_in_the_midst() {
    let content = pattern(1 << 20);
    let file = file(&content);
    let Some(direct) = direct(&file) else { return };
    every_way(|reads| {
        for round in 0..20 {
            let end = Endpoint::new([&file, &direct][round % 2]).unwrap();
            let region = Region::anonymous(1 << 20).unwrap();
            let views: Vec<_> =
                (0..64).map(|number| region.view(number * 4096..(number + 1) * 4096).unwrap()).collect();
            let mut asked: Vec<_> =
                (0..).zip(&views).map(|(number, view)| ReadAt::view(&end, number * 4096, view).unwrap()).collect();
            let report = std::thread::scope(|scope| {
                scope.spawn(|| region.close().unwrap());
                reads.run(&mut asked)
            });
            for result in report.reads {
                match result {
                    Ok(count) => assert_eq!(count, 4096),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
                }
            }
        }
    });
}

#[test]
fn a_file_that_shrinks_or_grows_meanwhile() {
    let content = pattern(1 << 20);
    every_way(|reads| {
        let file = file(&content);
        let end = Endpoint::new(&file).unwrap();
        let mut memory = vec![0; 256 * 4096];
        for _ in 0..5 {
            let places: Vec<u64> = (0..256).map(|number| number * 37 % 256 * 4096).collect();
            let mut asked: Vec<_> = memory
                .chunks_exact_mut(4096)
                .zip(&places)
                .map(|(part, &place)| ReadAt::new(&end, place, part))
                .collect();
            let report = std::thread::scope(|scope| {
                let (file, content) = (&file, &content);
                scope.spawn(move || {
                    file.set_len(100_001).unwrap();
                    file.write_all_at(&content[100_001..], 100_001).unwrap();
                });
                reads.run(&mut asked)
            });
            drop(asked);
            for ((part, place), read) in memory.chunks_exact(4096).zip(places).zip(report.reads) {
                let (count, place) = (read.unwrap(), place as usize);
                // Between the two, a page of the cache may be zeroes behind the end.
                let same = part[..count].iter().zip(&content[place..]).all(|(byte, was)| byte == was || *byte == 0);
                assert!(same && (count == 4096 || place + count >= 100_001), "{count} bytes at {place}");
            }
        }
    });
}
