//! The same measured by others: strace(1), getrusage(2) and the disk's own counter.

use super::*;

/// The system calls of one thread between each pair of marks, marks included, by name.
fn between_marks(trace: &str) -> Vec<BTreeMap<String, u64>> {
    let (mut sections, mut open) = (Vec::new(), None);
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, _)) = call.trim_start().split_once('(') else { continue };
        if line.contains("/zcio-mark/begin") {
            open = Some((thread.to_string(), BTreeMap::new()));
        }
        let Some((marked, calls)) = &mut open else { continue };
        if marked == thread {
            // A kept pipe is looked at before it is used again.
            let kept = name.contains("fstat") && call.contains("S_IFIFO");
            *calls.entry(if kept { "look at a pipe" } else { name }.to_string()).or_default() += 1;
        }
        if line.contains("/zcio-mark/end") {
            sections.extend(open.take().map(|(_, calls)| calls));
        }
    }
    sections
}

#[test]
fn strace_counts_the_same_system_calls() {
    let _dog = watchdog(120, "transfers under strace");
    if Command::new("strace").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("strace is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    for mechanism in ["read_write", "mmap_write", "sendfile", "splice", "copy_file_range"] {
        let output = Command::new("strace")
            .args(["-f", "-o"])
            .arg(&trace)
            .args([env!("CARGO_BIN_EXE_prove"), "one", mechanism])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let sections = between_marks(&std::fs::read_to_string(&trace).unwrap());
        // The last two transfers are the measured ones.
        let measured = &sections[sections.len() - 2..];
        for (line, calls) in said.lines().zip(measured) {
            let numbers: Vec<i64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let all: u64 = calls.values().sum();
            // The two marks, and memory and pipes, which move no bytes.
            let apart = [
                "statx",
                "munmap",
                "getpid",
                "brk",
                "mprotect",
                "madvise",
                "pipe2",
                "fcntl",
                "close",
                "fstatfs",
                "mremap",
                "look at a pipe",
            ];
            let apart: u64 = apart.iter().filter_map(|name| calls.get(*name)).sum();
            assert_eq!(numbers[0] as u64, all - apart, "{mechanism}: {calls:?}");
            if numbers[1] >= 0 {
                assert_eq!(numbers[1] as u64, all, "{mechanism}: {calls:?}");
            } else if is_root() {
                panic!("{mechanism}: the tracepoint was not read");
            }
        }
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}

/// What a witness counted around each transfer of a subject, in order.
type Counts = Rc<RefCell<Vec<(Faults, u64)>>>;

/// The disk that the directory is on: bytes read so far, by /sys/block itself.
fn read_from_disk(directory: &std::path::Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let device = directory.metadata().unwrap().dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let stat = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    Some(stat.split_whitespace().nth(2)?.parse::<u64>().unwrap() * 512)
}

#[test]
fn faults_and_blocks_agree_with_getrusage_and_the_disks_own_counter() {
    let options = Options::quick();
    let Some(_) = read_from_disk(&options.directory) else { return skip("temporary files are not on a disk") };
    let counts: Counts = Rc::default();
    let (inner, directory) = (counts.clone(), options.directory.clone());
    let subject = Subject::new("watched", move |source, sink, count| {
        let before = (Faults::of_thread(), read_from_disk(&directory).unwrap());
        let report = Transfer::new(source, sink).count(count).mechanism(Mechanism::MmapWrite).run();
        let after = (Faults::of_thread().since(before.0), read_from_disk(&directory).unwrap() - before.1);
        inner.borrow_mut().push(after);
        report
    });
    // More than once: the kernel may take a page, or hold one, between what is made of the cache and what is counted.
    let row = (0..5).map(|_| examine(Route::FileToTcp, &subject, &options)).find(|row| {
        let cached = [&row.warm, &row.cold].map(|cost| cost.value().unwrap().cached_before.value().copied());
        cached == [Some(1.0), Some(0.0)]
    });
    let row = row.expect("a warm file is not in memory, or a cold one is");
    let (warm, cold) = (row.warm.value().unwrap(), row.cold.value().unwrap());
    let counts = counts.borrow();
    let [(warm_faults, _), (cold_faults, cold_read)] = counts[counts.len() - 2..] else { unreachable!() };
    println!("{warm_faults:?} {:?} {cold_faults:?} {:?} {cold_read} {:?}", warm.faults, cold.faults, cold.block);

    // The proof's counts are of the process and around more: never less, and in a quiet process hardly more.
    for (cost, witness) in [(warm, warm_faults), (cold, cold_faults)] {
        let proof = cost.faults.value().unwrap();
        assert!(witness.minor + witness.major > 0, "a mapping that was written from has faults");
        assert!(proof.minor >= witness.minor && proof.major >= witness.major, "{proof:?} {witness:?}");
    }
    let read = cold.block.value().unwrap().read;
    assert!(read >= cold_read && cold_read >= options.size, "{read} {cold_read}");
}
