//! Cloning on file systems that can: shared blocks where there are whole ones, equal bytes everywhere, and the other
//! mechanisms where it is refused.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use zcio::{Endpoint, ErrorKind, KnownBy, Mechanism, Transfer};
use zcio_tests::extents::extents;
use zcio_tests::mounts::LoopFs;
use zcio_tests::{content, pattern};

const BLOCK: u64 = 4096;

fn new_file(dir: &Path, name: &str, bytes: &[u8]) -> File {
    let file = File::options().read(true).write(true).create_new(true).open(dir.join(name)).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

fn transfer<'fd>(source: &'fd File, sink: &'fd File) -> Transfer<'fd> {
    Transfer::new(Endpoint::new(source.as_fd()).unwrap(), Endpoint::new(sink.as_fd()).unwrap())
}

/// One of each kind that shares blocks.
fn sharing() -> impl Iterator<Item = (&'static str, LoopFs)> {
    [("xfs", LoopFs::xfs(2 << 30)), ("btrfs", LoopFs::btrfs(1 << 30))]
        .into_iter()
        .filter_map(|(name, mounted)| Some((name, mounted?)))
}

#[test]
fn a_gibibyte_is_shared_and_not_copied() {
    let Some(xfs) = LoopFs::xfs(3 << 30) else { return };
    let source = new_file(xfs.path(), "source", b"");
    let chunk = pattern(1 << 20);
    (0..1024u64).for_each(|mib| source.write_all_at(&chunk, mib << 20).unwrap());
    source.sync_all().unwrap();
    for mechanism in [Some(Mechanism::Reflink), None] {
        let path = xfs.path().join("clone");
        let begun = Instant::now();
        let mut cloning =
            Transfer::new(Endpoint::open(xfs.path().join("source")).unwrap(), Endpoint::create(&path).unwrap());
        if let Some(mechanism) = mechanism {
            cloning = cloning.mechanism(mechanism);
        }
        let report = cloning.run().unwrap();
        eprintln!("1 GiB on XFS by {mechanism:?}: {:?}, {} system calls", begun.elapsed(), report.system_calls);
        drop(cloning);
        assert_eq!((report.bytes, report.mechanism, report.attempts.len()), (1 << 30, Mechanism::Reflink, 0));
        assert_eq!((report.copies.count, report.copies.known_by), (Some(0), KnownBy::Model));
        let clone = File::open(&path).unwrap();
        let found = extents(&clone);
        assert!(!found.is_empty() && found.iter().all(|extent| extent.shared), "{found:?}");
        assert_eq!(found.iter().map(|extent| extent.length).sum::<u64>(), 1 << 30);
        let mut read = vec![0; chunk.len()];
        for mib in 0..1024u64 {
            clone.read_exact_at(&mut read, mib << 20).unwrap();
            assert!(read == chunk, "other bytes in MiB {mib}");
        }
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn every_alignment_gives_the_same_bytes_or_a_refusal_before_any() {
    let bytes = pattern(300_001);
    let old = vec![0xee; 500_000];
    for (name, fs) in sharing() {
        let source = new_file(fs.path(), "source", &bytes);
        let mut number = 0;
        for (from, to) in [(0, 0), (BLOCK, 0), (0, 3 * BLOCK), (1, 1), (BLOCK + 5, 5), (4095, BLOCK + 4095)] {
            for count in [None, Some(8192), Some(8191), Some(100_003), Some(300_001 - from)] {
                for before in [&[][..], &old] {
                    number += 1;
                    let case = format!("{name}: {from} to {to}, {count:?}, over {}", before.len());
                    let sink = new_file(fs.path(), &number.to_string(), before);
                    let mut cloning = transfer(&source, &sink).offset(from).sink_offset(to);
                    if let Some(count) = count {
                        cloning = cloning.count(count);
                    }
                    let result = cloning.mechanism(Mechanism::Reflink).run();
                    let length = count.unwrap_or(u64::MAX).min(bytes.len() as u64 - from);
                    let mut expected = before.to_vec();
                    // One whole block less than nothing: only its neighbours' parts, and nothing to share.
                    if length < BLOCK + (BLOCK - from % BLOCK) % BLOCK {
                        let error = result.expect_err(&case);
                        assert_eq!((error.kind(), error.errno()), (ErrorKind::Refused, Some(libc::EINVAL)), "{case}");
                    } else {
                        let report = result.unwrap_or_else(|error| panic!("{case}: {error}"));
                        assert_eq!(report.bytes, length, "{case}");
                        expected.resize(expected.len().max((to + length) as usize), 0);
                        expected[to as usize..(to + length) as usize]
                            .copy_from_slice(&bytes[from as usize..(from + length) as usize]);
                        assert!(extents(&sink).iter().any(|extent| extent.shared), "{case}: nothing is shared");
                    }
                    assert!(content(&sink) == expected, "{case}: other bytes");
                }
            }
        }
    }
}

#[test]
fn ranges_that_do_not_meet_at_block_borders_are_refused_and_then_copied() {
    let bytes = pattern(300_001);
    for (name, fs) in sharing() {
        let source = new_file(fs.path(), "source", &bytes);
        let sink = new_file(fs.path(), "sink", b"");
        let moving = || transfer(&source, &sink).offset(1).sink_offset(0);
        let error = moving().mechanism(Mechanism::Reflink).run().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::Refused, Some(libc::EINVAL)), "{name}: {error}");
        assert_eq!(content(&sink), b"");
        let report = moving().run().unwrap();
        assert_ne!(report.mechanism, Mechanism::Reflink);
        let attempt = (report.attempts[0].mechanism, report.attempts[0].errno);
        assert_eq!(attempt, (Mechanism::Reflink, Some(libc::EINVAL)), "{name}");
        assert!(content(&sink) == bytes[1..], "{name}");
    }
}

#[test]
fn positions_are_advanced_as_by_any_mechanism() {
    use std::io::{Seek, SeekFrom};
    let bytes = pattern(100_000);
    for (name, fs) in sharing() {
        let (mut source, mut sink) = (new_file(fs.path(), "source", &bytes), new_file(fs.path(), "sink", &[7; 10_000]));
        source.seek(SeekFrom::Start(5000)).unwrap();
        sink.seek(SeekFrom::Start(5000)).unwrap();
        transfer(&source, &sink).count(80_000).mechanism(Mechanism::Reflink).run().unwrap();
        assert_eq!((source.stream_position().unwrap(), sink.stream_position().unwrap()), (85_000, 85_000), "{name}");
        assert!(content(&sink) == [&[7; 5000], &bytes[5000..85_000]].concat(), "{name}");
    }
}

#[test]
fn another_file_system_is_refused_and_automatic_goes_on() {
    let bytes = pattern(1 << 20);
    for (name, fs) in sharing() {
        let (source, sink) = (zcio_tests::file_with(&bytes), new_file(fs.path(), "sink", b""));
        let error = transfer(&source, &sink).mechanism(Mechanism::Reflink).run().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::Refused, Some(libc::EXDEV)), "{name}: {error}");
        let report = transfer(&source, &sink).run().unwrap();
        assert_eq!(report.attempts[0].mechanism, Mechanism::Reflink);
        assert_eq!(report.attempts[0].errno, Some(libc::EXDEV));
        assert!(content(&sink) == bytes, "{name}");
    }
}

#[test]
fn ext4_has_no_attempt_in_its_reports() {
    let Some(fs) = LoopFs::ext4(64 << 20) else { return };
    let bytes = pattern(1 << 20);
    let (source, sink) = (new_file(fs.path(), "source", &bytes), new_file(fs.path(), "sink", b""));
    let error = transfer(&source, &sink).mechanism(Mechanism::Reflink).run().unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::Refused, Some(libc::EOPNOTSUPP)), "{error}");
    let report = transfer(&source, &sink).run().unwrap();
    assert_eq!((report.mechanism, report.attempts.len()), (Mechanism::CopyFileRange, 0));
    assert!(content(&sink) == bytes);
}

#[test]
fn a_source_that_grows_is_cloned_as_it_was_and_then_followed() {
    let bytes = pattern(250_001);
    for (name, fs) in sharing() {
        let (source, sink) = (new_file(fs.path(), "source", &bytes[..100_000]), new_file(fs.path(), "sink", b""));
        let mut cloning = transfer(&source, &sink).mechanism(Mechanism::Reflink);
        for end in [100_000, 100_001, 104_500, 200_000, 250_001] {
            source.write_all_at(&bytes[..end], 0).unwrap();
            assert_eq!(cloning.run().unwrap().bytes, end as u64, "{name}");
            assert!(content(&sink) == bytes[..end], "{name}: {end}");
            // Reading moved the position where the transfer writes.
            nix::unistd::lseek(&sink, end as i64, nix::unistd::Whence::SeekSet).unwrap();
        }
    }
}
