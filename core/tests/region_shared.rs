//! Shared memory between processes that know each other by a socket's path only: hand-over, frames, seals, refusals.

mod support;

use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use support::*;
use zcio::ErrorKind;
use zcio::memory::{Process, pages};
use zcio::region::{Access, Credentials, Peer, Populate, Region, Seals, SharedRegion, View};

const GIBIBYTE: u64 = 1 << 30;
const HAND_OVERS: usize = 21;

fn errno(result: std::io::Result<()>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

fn read_u64(stream: &mut UnixStream) -> u64 {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes).unwrap();
    u64::from_ne_bytes(bytes)
}

/// How long this thread has waited for a processor that others had (/proc/thread-self/schedstat, the second number).
fn waited() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0))
}

/// The other process: takes the memory, says where it has it, and tries what the seals forbid.
fn receiver(path: &str) {
    let mut stream = UnixStream::connect(path).unwrap();
    let mut kept = None;
    for _ in 0..HAND_OVERS {
        drop(kept.take());
        let seals = Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE;
        kept = Some(SharedRegion::receive(stream.as_fd(), Peer::SameUser, seals).unwrap());
        stream.write_all(&(waited().as_nanos() as u64).to_ne_bytes()).unwrap();
    }
    let shared = kept.unwrap();
    let region = shared.region();
    assert_eq!((region.len(), region.access().unwrap()), (GIBIBYTE, Access::ReadOnly));
    let mut bytes = [0; 11];
    region.read_at(GIBIBYTE - 11, &mut bytes).unwrap();
    assert_eq!(&bytes, b"from sender");

    let fd = shared.try_clone_fd().unwrap();
    let file = std::fs::File::from(fd.try_clone().unwrap());
    assert_eq!(errno(file.set_len(GIBIBYTE - 1)), Some(libc::EPERM), "shrink");
    assert_eq!(errno(file.set_len(GIBIBYTE + 1)), Some(libc::EPERM), "grow");
    assert_eq!(errno((&file).write_all(b"x")), Some(libc::EPERM), "write");
    let map = memmap2::MmapOptions::new().len(page()).map_raw(&file).unwrap_err();
    assert_eq!(map.raw_os_error(), Some(libc::EPERM), "a mapping that can write");
    assert_eq!(region.write_at(0, b"x").unwrap_err().kind(), ErrorKind::Faulted);
    let error = region.protect(.., zcio::Protection::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);

    let view = region.view(..).unwrap();
    bring_in(region, &view);
    stream.write_all(&(view.as_ptr() as u64).to_ne_bytes()).unwrap();
    // The sender goes on writing: to the same frames.
    assert_eq!(read_u64(&mut stream), 1);
    region.read_at(GIBIBYTE / 2, &mut bytes).unwrap();
    assert_eq!(&bytes, b"still there");
    stream.write_all(&[2]).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// Every page of it into this process's page table.
fn bring_in(region: &Region, view: &View) {
    if has("madv_populate") {
        return region.populate(.., Populate::Read).unwrap();
    }
    for place in (0..view.len()).step_by(page()) {
        // SAFETY: inside the view.
        unsafe { view.as_ptr().add(place).read_volatile() };
    }
}

fn shmem_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Shmem:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn two_processes_share_a_gibibyte() {
    if let Some(path) = role() {
        return receiver(&path);
    }
    let before = shmem_kb();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child = child("two_processes_share_a_gibibyte", path.to_str().unwrap()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();

    let shared = SharedRegion::create(GIBIBYTE).unwrap();
    let blocks = std::fs::File::from(shared.try_clone_fd().unwrap()).metadata().unwrap().blocks();
    assert_eq!(blocks * 512, GIBIBYTE, "allocated up front");
    shared.region().write_at(GIBIBYTE - 11, b"from sender").unwrap();
    let error = shared.send(stream.as_fd(), Peer::SameUser).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "not before it is sealed");
    shared.seal(Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE).unwrap();
    assert_eq!(Credentials::of_peer(stream.as_fd()).unwrap().process, child.id() as i32);

    // From before the call until the receiver says that it has mapped it, without what either waited for a processor.
    let mut others = Duration::ZERO;
    let mut times: Vec<_> = (0..HAND_OVERS)
        .map(|_| {
            let (start, before) = (Instant::now(), waited() + others);
            shared.send(stream.as_fd(), Peer::Process(child.id() as i32)).unwrap();
            others = Duration::from_nanos(read_u64(&mut stream));
            start.elapsed().saturating_sub((waited() + others).saturating_sub(before))
        })
        .collect();
    times.sort();
    println!("hand-over of 1 GiB: median {:?}, worst {:?}", times[HAND_OVERS / 2], times[HAND_OVERS - 1]);
    // The best of them: a busy machine makes any one wait, and a copy would make all of them slow.
    assert!(times[0] < Duration::from_millis(1), "{times:?}");

    let there = read_u64(&mut stream);
    let view = shared.region().view(..).unwrap();
    bring_in(shared.region(), &view);
    let here = view.as_ptr() as u64;
    let ours = pages(Process::Own, here..here + GIBIBYTE).unwrap();
    let theirs = pages(Process::Id(child.id() as i32), there..there + GIBIBYTE).unwrap();
    assert_eq!((ours.present(), theirs.present()), ((GIBIBYTE / page() as u64) as usize, ours.entries.len()));
    match (ours.frames(), theirs.frames()) {
        (Some(ours), Some(theirs)) => assert!(ours == theirs, "the same frames"),
        _ => skip("same frames", &ours.unseen.join("; ")),
    }
    shared.region().write_at(GIBIBYTE / 2, b"still there").unwrap();
    stream.write_all(&1_u64.to_ne_bytes()).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(stream);
    assert!(child.wait().unwrap().success());
    drop((view, shared));
    // Of the whole system: others may use some, too, for a while.
    let start = Instant::now();
    while shmem_kb() >= before + (GIBIBYTE >> 11) {
        assert!(start.elapsed() < Duration::from_secs(20), "gone with its last holder");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn send_raw(socket: &UnixStream, greeting: &[u8], descriptors: &[&dyn AsRawFd]) {
    let numbers: Vec<_> = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
    let rights = ControlMessage::ScmRights(&numbers);
    let control = if numbers.is_empty() { &[][..] } else { std::slice::from_ref(&rights) };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(greeting)], control, MsgFlags::empty(), None).unwrap();
}

fn memfd(length: u64) -> OwnedFd {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC | nix::sys::memfd::MFdFlags::MFD_ALLOW_SEALING;
    let fd = nix::sys::memfd::memfd_create(c"test", flags).unwrap();
    nix::unistd::ftruncate(&fd, length as i64).unwrap();
    fd
}

/// In a program with other tests running, descriptors come and go: this one runs alone, as a child.
#[test]
fn a_receiver_refuses_what_it_cannot_trust() {
    if role().is_none() {
        let status = child("a_receiver_refuses_what_it_cannot_trust", "alone").output().unwrap().status;
        return assert!(status.success());
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (unsealed, file) = (memfd(4096), tempfile::tempfile().unwrap());
    let sealed = SharedRegion::create(4096).unwrap();
    sealed.seal(Seals::SHRINK).unwrap();
    let good = sealed.try_clone_fd().unwrap();
    let before = descriptors();
    let refused = |demanded| {
        let error = SharedRegion::receive(theirs.as_fd(), Peer::SameUser, demanded).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
        assert_eq!(descriptors(), before, "no descriptor is left: {error}");
        error.to_string()
    };
    send_raw(&ours, b"zcio-mem", &[&unsealed]);
    assert!(refused(Seals::NONE).contains("seals: shrink"));
    send_raw(&ours, b"zcio-mem", &[&file]);
    assert!(refused(Seals::NONE).contains("cannot be sealed"));
    send_raw(&ours, b"something", &[&good]);
    assert!(refused(Seals::NONE).contains("message"));
    // The rest of the nine bytes.
    refused(Seals::NONE);
    send_raw(&ours, b"zcio-mem", &[&good, &good]);
    refused(Seals::NONE);
    send_raw(&ours, b"zcio-mem", &[&good, &good, &good, &good]);
    refused(Seals::NONE);
    send_raw(&ours, b"zcio-mem", &[]);
    refused(Seals::NONE);
    send_raw(&ours, b"zcio-mem", &[&good]);
    assert!(refused(Seals::SHRINK | Seals::GROW).contains("seals: grow"));
    let error = SharedRegion::receive(theirs.as_fd(), Peer::User(12_345), Seals::NONE).unwrap_err();
    assert!(error.kind() == ErrorKind::Untrusted && error.to_string().contains("12345"), "{error}");
    let error = sealed.send(ours.as_fd(), Peer::Process(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    // What the owner of the socket has asked for comes beside what is sent (Linux 6.5 and later have the last).
    for (option, comes) in [(libc::SO_PASSCRED, true), (libc::SO_PASSSEC, true), (76 /* SO_PASSPIDFD */, false)] {
        let on: libc::c_int = 1;
        // SAFETY: reads an int, which outlives the call.
        let set = unsafe {
            let value = (&raw const on).cast();
            libc::setsockopt(theirs.as_raw_fd(), libc::SOL_SOCKET, option, value, size_of_val(&on) as u32)
        };
        assert!(set == 0 || !comes, "{option}");
        send_raw(&ours, b"zcio-mem", &[&good]);
        drop(SharedRegion::receive(theirs.as_fd(), Peer::SameUser, Seals::NONE).unwrap());
        assert_eq!(descriptors(), before, "with option {option} no descriptor is left");
        send_raw(&ours, b"zcio-mem", &[&good as &dyn AsRawFd; 253]);
        refused(Seals::NONE);
    }
    send_raw(&ours, b"zcio-mem", &[&good]);
    let taken = SharedRegion::receive(theirs.as_fd(), Peer::SameUser, Seals::NONE).unwrap();
    taken.region().write_at(0, b"shared").unwrap();
    let mut bytes = [0; 6];
    sealed.region().read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"shared");
    drop((taken, ours));
    let error = SharedRegion::receive(theirs.as_fd(), Peer::Anyone, Seals::NONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PeerClosed);
}

#[test]
fn growing_is_seen_by_the_others_after_a_refresh() {
    let shared = SharedRegion::create(10).unwrap();
    shared.seal(Seals::SHRINK).unwrap();
    let other = SharedRegion::from_fd(shared.try_clone_fd().unwrap(), Seals::NONE).unwrap();
    shared.grow(1 << 20).unwrap();
    shared.region().write_at((1 << 20) - 3, b"end").unwrap();
    assert_eq!(other.region().len(), 10);
    other.refresh().unwrap();
    let mut bytes = [0; 3];
    other.region().read_at((1 << 20) - 3, &mut bytes).unwrap();
    assert_eq!(&bytes, b"end");
    assert_eq!(shared.grow(5).unwrap_err().kind(), ErrorKind::InvalidInput);
    let view = shared.region().view(..).unwrap();
    assert_eq!(shared.grow(2 << 20).unwrap_err().errno(), Some(libc::EBUSY));
    drop(view);
    shared.seal(Seals::GROW).unwrap();
    assert_eq!(shared.grow(2 << 20).unwrap_err().errno(), Some(libc::EPERM));
    assert_eq!(shared.region().len(), 1 << 20);
    assert_eq!(SharedRegion::create(0).unwrap().region().len(), 0);
}

#[test]
fn sealing_against_writing_makes_everybody_a_reader() {
    let shared = SharedRegion::create(4096).unwrap();
    shared.region().write_at(0, b"final").unwrap();
    let view = shared.region().view(..).unwrap();
    assert_eq!(shared.seal(Seals::WRITE).unwrap_err().errno(), Some(libc::EBUSY), "a view of our own");
    drop(view);
    shared.seal(Seals::SHRINK).unwrap();
    let other = SharedRegion::from_fd(shared.try_clone_fd().unwrap(), Seals::NONE).unwrap();
    assert_eq!(shared.seal(Seals::WRITE).unwrap_err().errno(), Some(libc::EBUSY), "somebody else's mapping");
    shared.region().write_at(0, b"FINAL").unwrap();
    drop(other);
    shared.seal(Seals::WRITE | Seals::SEAL).unwrap();
    assert_eq!(shared.seals().unwrap(), Seals::SHRINK | Seals::WRITE | Seals::SEAL);
    assert_eq!(shared.region().access().unwrap(), Access::ReadOnly);
    assert_eq!(shared.region().write_at(0, b"x").unwrap_err().kind(), ErrorKind::Faulted);
    let mut bytes = [0; 5];
    shared.region().read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"FINAL");
    assert_eq!(shared.seal(Seals::GROW).unwrap_err().errno(), Some(libc::EPERM), "no further seals");
    let other = SharedRegion::from_fd(shared.try_clone_fd().unwrap(), Seals::WRITE).unwrap();
    assert_eq!(other.region().access().unwrap(), Access::ReadOnly);
}

#[test]
fn more_than_there_is_is_refused_at_creation() {
    let error = SharedRegion::create(1 << 45).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::StorageFull, Some(libc::ENOSPC)), "{error}");
    assert_eq!(SharedRegion::create(u64::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn closing_lets_the_memory_go_under_views() {
    let shared = SharedRegion::create(4096).unwrap();
    shared.region().write_at(0, b"secret").unwrap();
    let view = shared.region().view(..).unwrap();
    shared.close().unwrap();
    // SAFETY: inside the view.
    assert_eq!(unsafe { view.as_ptr().read_volatile() }, 0);
    assert_eq!(shared.seals().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(shared.grow(8192).unwrap_err().kind(), ErrorKind::Closed);
    assert!(!smaps(view.as_ptr() as usize)["line"].contains("memfd"));
}
