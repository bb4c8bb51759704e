//! Ten thousand transfers with faults leave nothing behind.

use std::rc::Rc;

use zcio_tests::{open_descriptors, watchdog};

use super::case::Case;
use super::faults::Tally;

const TRANSFERS: u64 = 10_000;

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

#[test]
fn ten_thousand_transfers_leave_no_descriptor_and_no_mapping() {
    // Other tests of this program open descriptors at the same time: count in a child of our own.
    if !zcio_tests::alone::is_alone("leaks::ten_thousand_transfers_leave_no_descriptor_and_no_mapping") {
        return;
    }
    let _dog = watchdog(300, "ten thousand transfers");
    let tally = Rc::new(Tally::default());
    let first = fastrand::u64(..1 << 32);
    // Peers are played by this thread: the stacks of others would come and go among the mappings.
    let run = |seeds: std::ops::Range<u64>| seeds.for_each(|seed| Case::random(seed, 100_000, false).check(&tally));
    // What is kept for good (pools, the allocator's arenas) is there after the first few hundred.
    run(first..first + 500);
    drop(zcio::Capabilities::probe());
    let (descriptors, before) = (open_descriptors(), mappings());
    run(first..first + TRANSFERS);
    (0..100).for_each(|_| drop(zcio::Capabilities::probe()));
    // What a stopped zerocopy_send has left is taken out by a thread, which then closes its duplicate of the socket.
    while open_descriptors() > descriptors {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let after = mappings();
    println!("descriptors {descriptors} -> {}, mappings {before} -> {after}, {tally:?}", open_descriptors());
    assert_eq!(open_descriptors(), descriptors, "from seed {first} on");
    // The allocator's own mappings come and go a few at a time; a leak of one in a hundred transfers would be 100.
    assert!(after.abs_diff(before) <= 8, "{before} mappings before, {after} after, from seed {first} on");
}
