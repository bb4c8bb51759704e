//! What a process may have only so much of: mappings, addresses, room in a file. Each test that uses them up is a process of
//! its own.

mod support;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use support::*;
use zcio::ErrorKind;
use zcio::region::{Access, Advice, Peer, Populate, Protection, Region, RegionOptions, Seals, SharedRegion};

const REGIONS: usize = 100_000;

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

fn run_alone(test: &str) {
    let output = child(test, "alone").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn a_thread_can_start() {
    std::thread::Builder::new().spawn(|| ()).unwrap().join().unwrap();
}

/// As many as no process may have mappings, of every sort in turn: neither it nor its threads may end by that, and not
/// either when every other one is given back.
#[test]
fn a_hundred_thousand_closed_regions_with_views() {
    if role().is_none() {
        return run_alone("a_hundred_thousand_closed_regions_with_views");
    }
    let file = file_with(&pattern(3 * page()));
    let before = mappings();
    let mut views = Vec::with_capacity(REGIONS);
    for number in 0..REGIONS {
        let region = match number % 4 {
            0 => Region::anonymous(5000),
            1 => RegionOptions::new().access(Access::ReadOnly).map(file.as_fd()),
            2 => RegionOptions::new().access(Access::ReadWrite).map(file.as_fd()),
            _ => RegionOptions::new().access(Access::Private).offset(7).map(file.as_fd()),
        };
        let region = region.unwrap();
        views.push(region.view(..).unwrap());
        region.close().unwrap();
    }
    a_thread_can_start();
    assert!(mappings() < before + 100, "{} mappings", mappings());
    let mut number = 0;
    views.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    a_thread_can_start();
    // SAFETY: inside the views.
    assert!(views.iter().all(|view| unsafe { view.as_ptr().read_volatile() } == 0));
    drop(views);
    a_thread_can_start();
    assert!(mappings() < before + 100, "{} mappings", mappings());
}

/// Open ones cannot be one mapping: they are refused while there is still room for others.
#[test]
fn too_many_open_regions_are_refused_in_time() {
    if role().is_none() {
        return run_alone("too_many_open_regions_are_refused_in_time");
    }
    let file = file_with(&pattern(page()));
    let mut regions = Vec::new();
    let error = loop {
        match Region::map(file.as_fd(), &RegionOptions::new()) {
            Ok(region) => regions.push(region),
            Err(error) => break error,
        }
        assert!(regions.len() < REGIONS, "never refused");
    };
    assert_eq!(error.errno(), Some(libc::ENOMEM), "{error}");
    a_thread_can_start();
    let view = regions[0].view(..).unwrap();
    regions[0].close().unwrap();
    drop((view, regions));
    Region::map(file.as_fd(), &RegionOptions::new()).unwrap();
}

/// Without addresses for it every change fails, and the region is what it was.
#[test]
fn what_cannot_be_mapped_changes_nothing() {
    if role().is_none() {
        return run_alone("what_cannot_be_mapped_changes_nothing");
    }
    let length = 64 << 20;
    let shared = SharedRegion::create(length).unwrap();
    let anonymous = Region::anonymous(length).unwrap();
    for region in [shared.region(), &anonymous] {
        region.write_at(1000, b"content").unwrap();
        region.advise(length / 2.., Advice::Random).unwrap();
    }
    let view = anonymous.view(..).unwrap();
    let whole = status_kb("VmSize") as u64 * 1024;
    let limit = libc::rlimit { rlim_cur: whole + (16 << 20), rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a limit of this process, which is a test's own.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    let is_as_before = |region: &Region| {
        let mut bytes = [0; 7];
        region.read_at(1000, &mut bytes).unwrap();
        (region.len(), &bytes) == (length, b"content")
    };
    for error in [
        shared.grow(2 * length).unwrap_err(),
        shared.seal(Seals::WRITE).unwrap_err(),
        anonymous.leave_views().unwrap_err(),
    ] {
        assert_eq!(error.errno(), Some(libc::ENOMEM), "{error}");
        assert!(is_as_before(shared.region()) && is_as_before(&anonymous));
    }
    view.check().unwrap();
    assert_eq!(shared.region().access().unwrap(), Access::ReadWrite);
    shared.region().write_at(0, b"still writable").unwrap();
    let file = std::fs::File::from(shared.try_clone_fd().unwrap());
    assert_eq!(file.metadata().unwrap().len(), length, "the file, too");
    drop(view);
    anonymous.resize(2 * length).unwrap_err();
    assert!(is_as_before(&anonymous));
}

#[test]
fn a_divided_region_grows_and_moves_with_its_content() {
    let bytes = pattern(64 * page());
    let file = file_with(&bytes);
    file.set_len(200 * page() as u64).unwrap();
    let map = |access| RegionOptions::new().access(access).length(bytes.len() as u64).map(file.as_fd()).unwrap();
    let anonymous = Region::anonymous(bytes.len() as u64).unwrap();
    anonymous.write_at(0, &bytes).unwrap();
    let private = map(Access::Private);
    private.write_at(0, &bytes[..10_000]).unwrap();
    let regions = [anonymous, private, map(Access::ReadWrite), map(Access::ReadOnly)];
    // Older kernels can move anonymous memory alone from under a view.
    let most = if has("mremap_dontunmap") { regions.len() } else { 1 };
    for region in regions.into_iter().take(most) {
        let pages = |pages: std::ops::Range<usize>| (pages.start * page()) as u64..(pages.end * page()) as u64;
        region.advise(pages(3..7), Advice::Random).unwrap();
        region.advise(pages(20..21), Advice::DontFork).unwrap();
        region.lock(pages(40..44)).unwrap();
        region.protect(pages(50..52), Protection::Read).unwrap();
        region.resize(200 * page() as u64).unwrap();
        let mut content = vec![1; 200 * page()];
        region.read_at(0, &mut content).unwrap();
        assert!(content.starts_with(&bytes) && content[bytes.len()..].iter().all(|&byte| byte == 0));
        let view = region.view(..).unwrap();
        let at = |page_number: usize| view.as_ptr() as usize + page_number * page();
        assert!(has_flag(at(3), "rr") && !has_flag(at(7), "rr") && has_flag(at(20), "dc") && has_flag(at(41), "lo"));
        region.leave_views().unwrap();
        let mut moved = vec![1; 200 * page()];
        region.read_at(0, &mut moved).unwrap();
        assert!(content == moved);
        assert_eq!(view.check().unwrap_err().kind(), ErrorKind::Closed);
        drop(view);
        region.resize(10 * page() as u64 + 1).unwrap();
        region.read_at(0, &mut moved).unwrap();
        assert_eq!(moved[..=10 * page()], bytes[..=10 * page()]);
    }
}

#[test]
fn room_is_reserved_or_not_counted_as_asked() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    let write = RegionOptions::new().access(Access::ReadWrite);
    let blocks = || std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap());
    write.map(file.as_fd()).unwrap();
    assert_eq!(blocks(), 0);
    write.clone().reserve().map(file.as_fd()).unwrap();
    assert!(blocks() * 512 >= 1 << 20);
    let private = RegionOptions::new().access(Access::Private);
    for region in [
        private.clone().no_reserve().map(file.as_fd()).unwrap(),
        RegionOptions::new().length(1 << 20).no_reserve().anonymous().unwrap(),
    ] {
        assert!(has_flag(region.view(..).unwrap().as_ptr() as usize, "nr"));
    }
    for refused in [private.reserve().map(file.as_fd()), write.no_reserve().map(file.as_fd())] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn shared_memory_goes_over_a_unix_socket_or_nowhere() {
    let shared = SharedRegion::create(100).unwrap();
    shared.seal(Seals::SHRINK).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut far = listener.accept().unwrap().0;
    for peer in [Peer::Anyone, Peer::SameUser] {
        let error = shared.send(near.as_fd(), peer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error = SharedRegion::receive(near.as_fd(), peer, Seals::NONE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    drop(near);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut far, &mut bytes).unwrap();
    assert!(bytes.is_empty(), "nothing was sent");
    let (left, right) = UnixStream::pair().unwrap();
    shared.send(left.as_fd(), Peer::Anyone).unwrap();
    SharedRegion::receive(right.as_fd(), Peer::Anyone, Seals::NONE).unwrap();
}

/// On a tmpfs of 1 MiB: what has no room is not called cut short, and what was cut short is.
#[test]
fn a_full_file_system_is_told_from_a_file_that_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        return skip("a full file system", "mount of a tmpfs is denied here");
    }
    let path = dir.path().join("file");
    std::fs::File::create(&path).unwrap().set_len(2 << 20).unwrap();
    let write = RegionOptions::new().access(Access::ReadWrite);
    let region = write.open(&path).unwrap();
    let full = region.write_at(0, &vec![1; 2 << 20]).unwrap_err();
    let reserved = write.clone().reserve().open(&path).map(drop).unwrap_err();
    let populated = has("madv_populate").then(|| region.populate(.., Populate::Write).unwrap_err());
    std::fs::File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let cut = region.read_at(8192, &mut [0; 10]).unwrap_err();
    drop(region);
    // Lazily: a child that another test starts holds the file until it executes its program.
    assert!(Command::new("umount").arg("--lazy").arg(dir.path()).status().unwrap().success());

    assert!(full.moved() >= 512 << 10 && full.moved() < 2 << 20, "{full}");
    for error in [full].into_iter().chain(populated) {
        assert_eq!((error.kind(), error.errno()), (ErrorKind::Faulted, Some(libc::ENOSPC)), "{error}");
        assert!(!error.message().contains("cut short") && error.message().contains("full"), "{error}");
    }
    assert_eq!((reserved.kind(), reserved.errno()), (ErrorKind::StorageFull, Some(libc::ENOSPC)));
    assert_eq!((cut.kind(), cut.errno()), (ErrorKind::Faulted, Some(libc::EFAULT)));
    assert!(cut.message().contains("cut short"), "{cut}");
}

#[test]
fn the_error_says_what_a_descriptor_was_not_opened_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"some bytes").unwrap();
    let write_only = std::fs::File::options().write(true).open(&path).unwrap();
    let read_only = std::fs::File::open(&path).unwrap();
    let write = RegionOptions::new().access(Access::ReadWrite);
    for options in [RegionOptions::new(), write.clone(), RegionOptions::new().access(Access::Private)] {
        let error = options.map(write_only.as_fd()).unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::NotReadable, Some(libc::EACCES)), "{error}");
    }
    assert_eq!(write.map(read_only.as_fd()).unwrap_err().kind(), ErrorKind::NotWritable);
}
