//! Batches that a watcher looks at.

use super::*;

#[test]
fn a_watcher_stops_a_batch_whose_sink_takes_nothing() {
    let sizes = vec![16000; 300];
    let (_dir, paths, all) = files(&sizes);
    both_ways(|batch| {
        for _ in 0..2 {
            let (near, mut far) = UnixStream::pair().unwrap();
            nonblocking(&near);
            let items: Vec<_> = paths.iter().map(|path| Item::new(path.as_path(), near.as_fd())).collect();
            let started = std::time::Instant::now();
            let mut told = 0;
            let report = batch.run_watched(&items, |progress| {
                told = progress.items;
                std::ops::ControlFlow::Break(())
            });
            assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
            let done = report.items.iter().filter(|item| item.is_ok()).count();
            assert!(told <= done && done < items.len(), "{told} {done}");
            let mut sent = 0;
            for item in &report.items {
                sent += match item {
                    Ok(report) => report.bytes,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Cancelled);
                        error.moved()
                    }
                };
            }
            drop(items);
            drop(near);
            let mut received = Vec::new();
            far.read_to_end(&mut received).unwrap();
            assert!(received == all[..sent as usize], "{} {sent}", received.len());
        }
        // The ring is whole.
        let (near, far) = UnixStream::pair().unwrap();
        let reader = collect(far);
        let items: Vec<_> = paths.iter().map(|path| Item::new(path.as_path(), near.as_fd())).collect();
        let report = batch.run_watched(&items, |_| std::ops::ControlFlow::Continue(()));
        assert!(report.items.iter().all(Result::is_ok));
        drop(items);
        drop(near);
        assert!(reader.join().unwrap() == all);
    });
}
