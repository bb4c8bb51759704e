//! Whatever is done to it, a transfer delivers the bytes that a plain read and write would, or says how many it has.

use std::rc::Rc;

use zcio_tests::watchdog;

use super::case::{Case, MOST};
use super::faults::Tally;

const CASES: u64 = 5000;

#[test]
fn random_ends_with_faults_lose_and_double_nothing() {
    let _dog = watchdog(300, "random transfers with faults");
    let tally = Rc::new(Tally::default());
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let first = fastrand::u64(..1 << 32);
    let seeds: Vec<u64> = number("ZCIO_SEED")
        .map_or_else(|| (first..first + number("ZCIO_CASES").unwrap_or(CASES)).collect(), |seed| vec![seed]);
    for &seed in &seeds {
        let case = Case::random(seed, MOST, true);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.check(&tally)));
        assert!(told.is_ok(), "ZCIO_SEED={seed} fails: {case:?}");
    }
    println!("{} cases: {tally:?}", seeds.len());
    if seeds.len() > 1 {
        let each = [&tally.short, &tally.interrupted, &tally.not_ready, &tally.refused, &tally.failed];
        assert!(each.iter().all(|sort| sort.get() > 0), "a sort of fault was never met: {tally:?}");
    }
}
