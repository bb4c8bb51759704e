//! Block devices, and devices that are endless or take everything.

use super::*;

const DEVICE: usize = 2 << 20;

#[test]
fn a_block_device_as_a_source() {
    let _dog = watchdog(120, "block device as a source");
    let bytes = pattern(DEVICE);
    let Some(device) = LoopDevice::over(&bytes) else { return };
    let source = Source::File(File::open(device.path()).unwrap());
    let mut tally = Tally::default();
    for (count, mechanism) in
        SIZES.map(Some).into_iter().chain([None]).flat_map(|n| mechanisms().map(move |by| (n, by)))
    {
        for offset in OFFSETS.into_iter().chain([DEVICE - 100, DEVICE, DEVICE + 1]) {
            let rest = bytes.get(offset..).unwrap_or(&[]);
            let expected = &rest[..count.unwrap_or(DEVICE).min(rest.len())];
            for sink in Kind::ALL {
                let name = format!("block device -> {sink:?}");
                let case = Case { offset, count, ..Case::new(&name, mechanism, expected) };
                tally.run(&case, &source, Sink::new(sink), Sink::received);
            }
        }
    }
    tally.end("block device as a source", &[ReadWrite, Sendfile, Splice, Uring]);
}

#[test]
fn a_block_device_as_a_sink() {
    let _dog = watchdog(120, "block device as a sink");
    let (before, bytes) = (vec![0xee; DEVICE], pattern(SIZES[4]));
    let Some(device) = LoopDevice::over(&before) else { return };
    let mut tally = Tally::default();
    // The last place has no room for the largest size: what fits must arrive and be counted.
    for (size, place) in SIZES.into_iter().flat_map(|size| OFFSETS.map(|at| (size, at))).chain([(65537, DEVICE - 8192)])
    {
        for mechanism in mechanisms() {
            for (kind, source) in sources(&bytes[..size]) {
                let name = format!("{kind:?} -> block device");
                let full = |_, error: &Error| error.kind() == ErrorKind::StorageFull && error.moved() <= 8192;
                let mut case = Case { at: place, before: &before, ..Case::new(&name, mechanism, &bytes[..size]) };
                case.tolerates = if place + size > DEVICE { full } else { case.tolerates };
                let touched = place..(place + size).min(DEVICE);
                tally.run(&case, &source, at(opened(device.path(), 0), place), |sink| {
                    let Sink::File(mut file) = sink else { unreachable!() };
                    file.sync_all().unwrap();
                    let found = std::fs::read(device.image()).unwrap();
                    file.seek(SeekFrom::Start(touched.start as u64)).unwrap();
                    file.write_all(&before[touched.clone()]).unwrap();
                    found
                });
            }
        }
    }
    tally.end("block device as a sink", &[ReadWrite, MmapWrite, Sendfile, Splice, Uring]);
}

#[test]
fn endless_zeroes_are_moved_as_far_as_the_count() {
    let _dog = watchdog(60, "/dev/zero");
    let (zeroes, mut tally) = (vec![0; SIZES[4]], Tally::default());
    for (size, mechanism) in SIZES.into_iter().flat_map(|size| mechanisms().map(move |by| (size, by))) {
        for sink in Kind::ALL {
            let name = format!("/dev/zero -> {sink:?}");
            let case = Case { count: Some(size), ..Case::new(&name, mechanism, &zeroes[..size]) };
            let source = Source::File(File::open("/dev/zero").unwrap());
            tally.run(&case, &source, Sink::new(sink), Sink::received);
        }
    }
    tally.end("/dev/zero", &[ReadWrite, Uring]);
}

#[test]
fn a_device_that_takes_everything_and_one_that_takes_nothing() {
    let _dog = watchdog(60, "/dev/null and /dev/full");
    let (bytes, mut tallies) = (pattern(SIZES[4]), [Tally::default(), Tally::default()]);
    let device = |path| at(File::options().write(true).open(path).unwrap(), 0);
    for (size, mechanism) in SIZES.into_iter().flat_map(|size| mechanisms().map(move |by| (size, by))) {
        for (kind, source) in sources(&bytes[..size]) {
            let name = format!("{kind:?} -> /dev/null");
            // Nobody can read what went there: the count has to do, and a refusal has none.
            let case = Case { before: &bytes[..size], ..Case::new(&name, mechanism, &bytes[..size]) };
            tallies[0].run(&case, &source, device("/dev/null"), |_| bytes[..size].to_vec());
        }
        for (kind, source) in sources(&bytes[..size]) {
            let name = format!("{kind:?} -> /dev/full");
            let no_room =
                |_, error: &Error| error.errno() == Some(libc::ENOSPC) && error.kind() == ErrorKind::StorageFull;
            let case = Case { tolerates: no_room, ..Case::new(&name, mechanism, &bytes[..size]) };
            tallies[1].run(&case, &source, device("/dev/full"), |_| Vec::new());
        }
    }
    let [null, full] = tallies;
    null.end("/dev/null", &[ReadWrite, MmapWrite, Uring]);
    full.end("/dev/full", &[]);
}
