//! The measured table: what it must find on a machine where everything can be tried, that it finds out a lie, that it says
//! so where it may not look, and that witnesses outside count the same.

mod counters;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;

use zcio::memory::Faults;
use zcio::proof::{Evidence, Options, Proof, Route, Row, Subject, examine, hazard};
use zcio::{Capabilities, Endpoint, Mechanism, Report, Transfer};
use zcio_tests::{names, skip, watchdog};

/// Root with what root may do: that of a container may neither mount nor leave its namespaces, and the filter denies the calls.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root() && zcio_tests::may_administer()
}

/// The table made once for all tests that look at it.
fn proof() -> &'static Proof {
    static PROOF: OnceLock<Proof> = OnceLock::new();
    PROOF.get_or_init(|| Proof::run(&Options::quick()))
}

fn row(route: Route, mechanism: Mechanism) -> &'static Row {
    proof().find(route, mechanism.name()).unwrap_or_else(|| panic!("{route:?} {mechanism}"))
}

/// Least, most, and what says so.
fn copies(route: Route, mechanism: Mechanism) -> (u8, Option<u8>, Evidence) {
    let cell = &row(route, mechanism).copies;
    let found = cell.value().unwrap_or_else(|| panic!("{route:?} {mechanism}: {:?}", cell.reason()));
    (found.least, found.most, cell.known_by().unwrap())
}

#[test]
fn every_transfer_of_the_table_is_as_its_report_says() {
    let _dog = watchdog(120, "the table");
    for row in &proof().rows {
        assert_eq!(row.contradiction, None, "{row:?}");
        if let Some(claim) = row.claim
            && let Some(copies) = claim.copies
        {
            let found = row.copies.value().unwrap();
            assert!(found.least <= copies && found.most.is_none_or(|most| copies <= most), "{row:?}");
        }
    }
}

#[test]
fn read_write_copies_twice_and_mmap_write_once() {
    let routes = [Route::FileToTcp, Route::FileToPipe, Route::FileToUnix, Route::FileToFile, Route::FileToFileMemory];
    for route in routes {
        assert_eq!(copies(route, Mechanism::ReadWrite), (2, Some(2), Evidence::AliasingOfEachCall), "{route:?}");
        assert_eq!(copies(route, Mechanism::MmapWrite), (1, Some(1), Evidence::AliasingOfEachCall), "{route:?}");
    }
    for route in [Route::TcpToFile, Route::TcpToTcp] {
        assert_eq!(copies(route, Mechanism::ReadWrite), (2, Some(2), Evidence::AliasingOfEachCall), "{route:?}");
    }
    for route in [Route::MemoryToPipe, Route::MemoryToTcp, Route::FileToMemory, Route::TcpToMemory] {
        assert_eq!(copies(route, Mechanism::ReadWrite), (1, Some(1), Evidence::AliasingOfEachCall), "{route:?}");
    }
    let calls: Vec<_> =
        row(Route::FileToTcp, Mechanism::MmapWrite).calls.iter().map(|step| (step.call, step.copies)).collect();
    assert_eq!(calls, [("mmap", 0), ("write", 1)]);
}

#[test]
fn pages_are_shared_where_the_kernel_can() {
    let shared = [
        (Route::FileToTcp, Mechanism::Sendfile),
        (Route::FileToTcp, Mechanism::Splice),
        (Route::FileToPipe, Mechanism::Sendfile),
        (Route::FileToPipe, Mechanism::Splice),
        (Route::FileToUnix, Mechanism::Sendfile),
        (Route::TcpToTcp, Mechanism::Splice),
        (Route::MemoryToPipe, Mechanism::Vmsplice),
        (Route::MemoryToTcp, Mechanism::Vmsplice),
    ];
    for (route, mechanism) in shared {
        assert_eq!(copies(route, mechanism), (0, Some(0), Evidence::Aliasing), "{route:?} {mechanism}");
    }
    for mechanism in [Mechanism::Sendfile, Mechanism::Splice, Mechanism::CopyFileRange] {
        let (least, _, known_by) = copies(Route::FileToFileMemory, mechanism);
        assert!(least >= 1 && known_by == Evidence::Aliasing, "{mechanism}");
    }
    assert_eq!(copies(Route::TcpToFile, Mechanism::Splice).0, 1);
}

#[test]
fn the_kernel_says_that_it_copied_on_loopback() {
    for route in [Route::FileToTcp, Route::MemoryToTcp] {
        assert_eq!(copies(route, Mechanism::ZerocopySend), (1, Some(1), Evidence::KernelVerdict), "{route:?}");
    }
}

#[test]
fn scatter_gather_of_the_device_decides_about_sendfile_and_splice() {
    if !is_root() {
        return skip("a pair of devices needs root, to whom mount and unshare are not denied");
    }
    for mechanism in [Mechanism::Sendfile, Mechanism::Splice] {
        assert_eq!(copies(Route::FileToTcpGather, mechanism), (0, Some(0), Evidence::Aliasing), "{mechanism}");
        let (least, _, known_by) = copies(Route::FileToTcpNoGather, mechanism);
        assert!(least >= 1 && known_by == Evidence::Aliasing, "{mechanism}");
    }
    assert_eq!(copies(Route::FileToTcpNoGather, Mechanism::ReadWrite).0, 2);
    assert_eq!(copies(Route::FileToTcpGather, Mechanism::ZerocopySend).2, Evidence::KernelVerdict);
    // Code 0 of the error queue is no proof: the experiment shows the copy that the kernel does not admit.
    assert_eq!(copies(Route::FileToTcpNoGather, Mechanism::ZerocopySend).2, Evidence::Aliasing);
    // On devices of our own nobody else's bytes are counted.
    for route in [Route::FileToTcp, Route::FileToTcpGather, Route::FileToTcpNoGather] {
        let cost = row(route, Mechanism::Sendfile).warm.value().unwrap();
        let sent = *cost.network.value().unwrap();
        assert!(sent >= cost.bytes && sent < cost.bytes + cost.bytes / 5, "{route:?}: {sent}");
    }
}

#[test]
fn blocks_are_shared_on_xfs_and_copied_on_ext4() {
    let directory = Options::quick().directory;
    let here = Capabilities::of_path(&directory).unwrap();
    if here.find("reflink").is_some_and(|reflink| reflink.answer != zcio::Answer::Yes) {
        let (least, _, known_by) = copies(Route::FileToFile, Mechanism::CopyFileRange);
        assert!(least >= 1 && known_by == Evidence::Aliasing);
        let refused = row(Route::FileToFile, Mechanism::Reflink).copies.reason().unwrap();
        assert!(refused.contains("errno 95"), "{refused}");
        if !is_root() {
            return skip("an XFS needs root, to whom mount and unshare are not denied");
        }
    }
    for mechanism in [Mechanism::CopyFileRange, Mechanism::Reflink] {
        assert_eq!(copies(Route::FileToFileSharing, mechanism), (0, Some(0), Evidence::SharedExtents), "{mechanism}");
        let blocks = row(Route::FileToFileSharing, mechanism).blocks.unwrap();
        assert!(blocks.own == 0 && blocks.shared > 0 && blocks.room_taken < blocks.shared as i64 / 4, "{blocks:?}");
    }
    let blocks = row(Route::FileToFileSharing, Mechanism::ReadWrite).blocks.unwrap();
    // Four mebibytes, less what XFS gives back meanwhile: it frees files that were closed before in its own time.
    assert!(blocks.shared == 0 && blocks.room_taken > 3 << 20, "{blocks:?}");
}

#[test]
fn the_table_names_every_row_and_fits_a_terminal() {
    let table = proof().to_string();
    println!("{table}");
    for route in Route::ALL {
        assert!(table.contains(route.title()), "{route:?}");
        for mechanism in route.mechanisms() {
            let row = row(*route, mechanism);
            // Its file must not claim a route on which the plan calls it impossible.
            let reason = row.copies.reason().unwrap_or_default();
            assert!(!reason.contains("cannot move bytes"), "{mechanism}, {route:?}: {reason}");
        }
    }
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 120, "{widest} columns");
    assert!(table.contains("splice is no single call"));
}

#[test]
fn a_lie_is_found_out() {
    /// Copies, and says that it does not.
    fn liar(source: Endpoint<'_>, sink: Endpoint<'_>, count: u64) -> zcio::error::Result<Report> {
        let mut report = Transfer::new(source, sink).count(count).mechanism(Mechanism::ReadWrite).run()?;
        report.copies.count = Some(0);
        Ok(report)
    }
    let options = Options::default().size(1 << 20);
    for route in [Route::FileToTcp, Route::FileToPipe, Route::FileToFile, Route::TcpToTcp, Route::MemoryToPipe] {
        let row = examine(route, &Subject::new("liar", liar), &options);
        assert_eq!(row.copies.value().map(|copies| copies.least), Some(1), "{row:?}");
        let found = row.contradiction.unwrap_or_else(|| panic!("{route:?}: the lie was believed"));
        assert!(found.contains("claims 0 copies"), "{found}");
    }
    // More than was done is not true either.
    let modest = Subject::new("modest", |source, sink, count| {
        let mut report = Transfer::new(source, sink).count(count).mechanism(Mechanism::Sendfile).run()?;
        report.copies.count = Some(1);
        Ok(report)
    });
    let row = examine(Route::FileToPipe, &modest, &options);
    assert!(row.contradiction.as_ref().is_some_and(|found| found.contains("claims 1")), "{row:?}");
    // And who delivers something else is not examined further.
    let forger = Subject::new("forger", |source, _, count| {
        let nowhere = File::options().write(true).open("/dev/null").unwrap();
        Transfer::new(source, Endpoint::owning(nowhere.into())?).count(count).mechanism(Mechanism::ReadWrite).run()
    });
    let row = examine(Route::FileToFile, &forger, &options);
    assert!(row.copies.value().is_none() && row.copies.reason().is_some(), "{row:?}");
}

#[test]
fn nothing_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::default().size(1 << 20).directory(directory.path());
    for route in [Route::FileToTcpNoGather, Route::FileToFileSharing] {
        let row = examine(route, &Subject::engine(Mechanism::ReadWrite), &options);
        assert!(row.copies.value().is_some() || !is_root(), "{row:?}");
    }
    assert_eq!(names(directory.path()), [""; 0]);
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("zcio-proof"), "{mounts}");
    assert!(!names("/sys/class/net".as_ref()).iter().any(|name| name.starts_with("zcio")));
    // The kernel frees a loop device a moment after its last use.
    let place = directory.path().to_str().unwrap();
    let in_use = || {
        names("/sys/block".as_ref()).into_iter().find(|name| {
            let image = std::fs::read_to_string(format!("/sys/block/{name}/loop/backing_file"));
            image.is_ok_and(|image| image.contains(place))
        })
    };
    let patience = std::time::Instant::now();
    while let Some(device) = in_use() {
        assert!(patience.elapsed().as_secs() < 60, "{device} is still in use");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_change_in_flight_arrives_unless_a_snapshot_was_asked_for() {
    let hazard = hazard(&Options::quick()).unwrap();
    assert_eq!((&hazard.aliased.text, hazard.aliased.mechanism), (&hazard.changed_to, Mechanism::Sendfile));
    assert_eq!((&hazard.snapshot.text, hazard.snapshot.mechanism), (&hazard.sent, Mechanism::ReadWrite));
}

#[test]
fn without_root_there_are_the_same_rows_or_a_reason() {
    if !is_root() {
        return skip("needs root, to whom mount and unshare are not denied");
    }
    let _dog = watchdog(120, "the table of an unprivileged user");
    // Where anybody can run it, whatever the permissions of the directory it was built in.
    let place =
        tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let program = place.path().join("prove");
    // By cp(1): a descriptor of our own for writing would live on in a child that another test starts, until it executes
    // its program, and what is open for writing cannot be executed (ETXTBSY).
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_prove")).arg(&program).status().unwrap().success());
    let output = Command::new(program).arg("all").uid(65534).gid(65534).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let mut unknown = 0;
    let mut lines = said.lines();
    for row in &proof().rows {
        let line = lines.next().unwrap();
        let rest = line.strip_prefix(&format!("{:?} {} ", row.route, row.subject)).unwrap_or_else(|| panic!("{line}"));
        match (row.copies.value(), rest.strip_prefix("unknown ")) {
            (Some(_), Some(reason)) => {
                // A user's rings share one limit, which root does not have.
                let limited = row.subject == "uring" && reason.contains("RLIMIT_MEMLOCK");
                assert!(reason.contains("needs root") || limited, "{line}");
                unknown += 1;
            }
            (Some(copies), None) => {
                let (counts, known_by) =
                    (format!("{} {:?} ", copies.least, copies.most), row.copies.known_by().unwrap());
                // A ring does not wait for the kernel's verdict, which may come too late for one and in time for another.
                let any = row.subject == "uring" && rest.starts_with(&counts);
                assert!(any || rest == format!("{counts}{known_by:?}"), "{line}");
            }
            (None, reason) => assert_eq!(reason, row.copies.reason(), "{line}"),
        }
    }
    assert_eq!(lines.next(), None);
    assert!(unknown >= 12, "{said}");
}
