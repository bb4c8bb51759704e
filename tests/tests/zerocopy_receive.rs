//! `zerocopy_receive`: every byte arrives in the region, whatever the kernel maps of it, and the report says how many were mapped.
//!
//! To see pages mapped takes a machine whose queues hold single whole pages: one page at a time
//! (`sysctl net.core.high_order_alloc_disable=1`), and segments of whole pages (`ip link set lo mtu 61492`).

use std::io::Write;
use std::net::Shutdown;

use zcio::region::Region;
use zcio::{Endpoint, ErrorKind, KnownBy, Mechanism, Report, Side, Step, Transfer};
use zcio_tests::{Kind, Source, file_with, nonblocking, pattern, tcp_pair, watchdog};

const RECEIVE: Mechanism = Mechanism::ZerocopyReceive;

fn content(region: &Region) -> Vec<u8> {
    let mut bytes = vec![0; region.len() as usize];
    region.read_at(0, &mut bytes).unwrap();
    bytes
}

fn receive(bytes: &[u8], region: &Region, at: u64) -> Report {
    let source = Source::with(Kind::Tcp, bytes);
    let sink = Endpoint::region(region, ..).unwrap();
    Transfer::new(source.end(), sink).sink_offset(at).mechanism(RECEIVE).run().unwrap()
}

#[test]
fn every_byte_arrives_where_it_belongs() {
    let _dog = watchdog(60, "zerocopy_receive");
    let bytes = pattern((3 << 20) + 777);
    let region = Region::receiving(4 << 20).unwrap();
    let view = region.view(..).unwrap();
    for (length, at) in
        [(bytes.len(), 0), (100, 0), (70_000, 4096), (70_000, 5), (4096, 0), (0, 0), (bytes.len(), 8192)]
    {
        let before = content(&region);
        let report = receive(&bytes[..length], &region, at);
        let case = format!("{length} bytes at {at}: {report:?}");
        assert_eq!((report.bytes, report.mechanism), (length as u64, RECEIVE), "{case}");
        assert!(report.mapped <= report.bytes && report.is_short(), "{case}");
        if length > 0 {
            assert_eq!(report.copies.known_by, KnownBy::Kernel, "{case}");
            assert_eq!(report.copies.count == Some(0), report.mapped == report.bytes, "{case}");
            assert_eq!(report.copies.count == Some(1), report.mapped == 0, "{case}");
        }
        let (found, start) = (content(&region), at as usize);
        assert!(found[start..start + length] == bytes[..length], "{case}: other bytes");
        assert!(found[..start] == before[..start], "{case}: written before the offset");
        // SAFETY: inside the view: a page that has not come is no hole.
        let last = unsafe { view.as_ptr().add((4 << 20) - 1).read_volatile() };
        assert_eq!(last, 0, "{case}");
    }
    region.close().unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { view.as_ptr().read_volatile() }, 0);
}

#[test]
fn pages_are_mapped_where_the_queue_has_such() {
    let _dog = watchdog(60, "mapped pages");
    let bytes = pattern(8 << 20);
    let region = Region::receiving(bytes.len() as u64).unwrap();
    let report = receive(&bytes, &region, 0);
    println!("{} of {} bytes mapped, {} system calls", report.mapped, report.bytes, report.system_calls);
    assert!(content(&region) == bytes);
    let single = std::fs::read_to_string("/proc/sys/net/core/high_order_alloc_disable").unwrap_or_default();
    let mtu = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap_or_default();
    if single.trim() != "1" || mtu.trim() != "61492" {
        // Of a machine that is set up for it (a virtual one): nothing that CI could be asked to have.
        eprintln!("queues here do not hold single whole pages: {} bytes mapped", report.mapped);
        return;
    }
    assert!(report.mapped > report.bytes / 2, "{report:?}");
}

#[test]
fn a_step_waits_for_nothing_and_the_room_bounds_it() {
    let (near, mut far) = tcp_pair();
    nonblocking(&near);
    let region = Region::receiving(10).unwrap();
    let sink = Endpoint::region(&region, ..).unwrap();
    let mut transfer = Transfer::new(Endpoint::new(&near).unwrap(), sink).mechanism(RECEIVE);
    assert_eq!(transfer.step().unwrap(), Step::Blocked(Side::Source));
    far.write_all(b"0123456789 and more").unwrap();
    let report = transfer.run().unwrap();
    assert_eq!((report.bytes, report.is_short()), (10, false));
    assert_eq!(content(&region), b"0123456789");
    drop(transfer);
    region.close().unwrap();
    let region = Region::receiving(1000).unwrap();
    let sink = Endpoint::region(&region, ..).unwrap();
    let mut transfer = Transfer::new(Endpoint::new(&near).unwrap(), sink).mechanism(RECEIVE);
    transfer.step().unwrap();
    region.close().unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    let error = transfer.run().unwrap_err();
    assert_eq!((error.kind(), error.moved()), (ErrorKind::Closed, 9), "{error}");
}

#[test]
fn only_such_a_region_and_only_by_its_name() {
    let region = Region::receiving(1000).unwrap();
    let (near, _far) = tcp_pair();
    let tcp = || Endpoint::new(&near).unwrap();
    let file = file_with(b"a few bytes");
    let anonymous = Region::anonymous(1000).unwrap();
    let into = |region: &Region| Endpoint::region(region, ..).unwrap();
    let error = |mut transfer: Transfer<'_>| transfer.run().unwrap_err();
    for (transfer, kind, word) in [
        (Transfer::new(tcp(), into(&region)), ErrorKind::NotWritable, "zerocopy_receive"),
        (
            Transfer::new(tcp(), into(&region)).mechanism(Mechanism::ReadWrite),
            ErrorKind::NotWritable,
            "zerocopy_receive",
        ),
        (Transfer::new(tcp(), into(&anonymous)).mechanism(RECEIVE), ErrorKind::Impossible, "Region::receiving"),
        (
            Transfer::new(tcp(), Endpoint::new(&file).unwrap()).mechanism(RECEIVE),
            ErrorKind::Impossible,
            "Region::receiving",
        ),
        (Transfer::new(Endpoint::new(&file).unwrap(), into(&region)).mechanism(RECEIVE), ErrorKind::Impossible, "TCP"),
    ] {
        let error = error(transfer);
        assert_eq!((error.kind(), error.moved()), (kind, 0), "{error}");
        assert!(error.message().contains(word), "{error}");
    }
}

#[test]
fn without_room_for_a_mapping_the_bytes_are_copied() {
    if !zcio_tests::alone::is_alone("without_room_for_a_mapping_the_bytes_are_copied") {
        return;
    }
    let bytes = pattern(3 << 20);
    let source = Source::with(Kind::Tcp, &bytes);
    let region = Region::receiving(bytes.len() as u64).unwrap();
    let sink = Endpoint::region(&region, ..).unwrap();
    let mut transfer = Transfer::new(source.end(), sink).mechanism(RECEIVE);
    let mut found = vec![1; bytes.len()];
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let size = status.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096 + (512 << 10);
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_AS, size, size).unwrap();
    let report = transfer.run().unwrap();
    region.read_at(0, &mut found).unwrap();
    assert_eq!((report.bytes, report.mapped), (bytes.len() as u64, 0));
    assert!(found == bytes);
}

/// The page where one range ends and the next begins is exchanged for one that may be written: not under a transfer that is just
/// storing there.
#[test]
fn two_that_share_a_page_lose_no_byte() {
    const RANGE: u64 = 4096 + 2000;
    let _dog = watchdog(60, "a shared page");
    let bytes = pattern(RANGE as usize);
    for whole in [false, true] {
        let region = Region::receiving(3 * 4096).unwrap();
        // A range of its own, or a count and an offset in all of it.
        let transfer = |from, at: u64, count: u64| {
            let end = Endpoint::region(&region, if whole { 0..3 * 4096 } else { at..at + count }).unwrap();
            let transfer = Transfer::new(Endpoint::new(from).unwrap(), end).mechanism(RECEIVE).step_size(1);
            if whole { transfer.sink_offset(at).count(count) } else { transfer }
        };
        let (mut far, near) = tcp_pair();
        let (_silent, idle) = tcp_pair();
        nonblocking(&idle);
        far.write_all(&bytes).unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        let begun = std::thread::scope(|scope| {
            let first = scope.spawn(|| transfer(&near, 0, RANGE).run().unwrap());
            let mut begun = 0;
            while !first.is_finished() {
                let mut second = transfer(&idle, RANGE, 4096);
                assert_eq!(second.step().unwrap(), Step::Blocked(Side::Source));
                begun += 1;
            }
            assert_eq!(first.join().unwrap().bytes, RANGE);
            begun
        });
        let found = &content(&region)[..RANGE as usize];
        let lost = found.iter().zip(&bytes).filter(|(found, sent)| found != sent).count();
        assert_eq!(lost, 0, "bytes lost, with {begun} begun beside it");
    }
}
