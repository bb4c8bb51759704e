//! The same as `old_content.rs`, for whatever else writes to a path: fan-outs, batches and atomic copies. Whatever refuses them before their
//! first byte, the file that is there keeps its content, and one that is not there is not made.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use zcio::copy::Copy;
use zcio::inject::{self, Call, Fault};
use zcio::{Batch, Endpoint, Error, FanOut, Item, Visibility};
use zcio_tests::alone::is_alone;
use zcio_tests::{pattern, watchdog};

/// What becomes of one path: the bytes that it was given, or why not.
type Outcome = Result<u64, Failure>;

/// With the bytes of it that this path has.
#[derive(Clone, Debug)]
struct Failure {
    error: Error,
    moved: u64,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { moved: error.moved(), error }
    }
}

/// Writes the source to the path, and to a second one where that is its nature.
type Way = fn(&Path, &Path, &Path) -> Vec<Outcome>;

const WAYS: [(&str, Way); 7] = [
    ("fan-out", |source, path, _| fan_out(source, &[path], Visibility::Aliased, None)),
    ("fan-out to two", |source, path, other| fan_out(source, &[path, other], Visibility::Aliased, None)),
    ("fan-out to two, the other first", |source, path, other| {
        let mut outcomes = fan_out(source, &[other, path], Visibility::Aliased, None);
        outcomes.reverse();
        outcomes
    }),
    ("fan-out of a snapshot", |source, path, other| fan_out(source, &[path, other], Visibility::Snapshot, None)),
    ("fan-out behind an offset", |source, path, other| {
        fan_out(source, &[path, other], Visibility::Aliased, Some(5000))
    }),
    ("batch", |source, path, _| {
        let report = Batch::new().run(&[Item::new(source, path)]);
        report.items.into_iter().map(|item| item.map(|report| report.bytes).map_err(Failure::from)).collect()
    }),
    ("atomic copy", |source, path, _| {
        vec![Copy::new(source, path).atomic(true).run().map(|report| report.bytes).map_err(Failure::from)]
    }),
];

fn fan_out(source: &Path, sinks: &[&Path], visibility: Visibility, at: Option<u64>) -> Vec<Outcome> {
    let tried = (|| {
        let mut fan_out = FanOut::new(Endpoint::open(source)?).visibility(visibility);
        for sink in sinks {
            let end = Endpoint::create(sink)?;
            fan_out = if let Some(at) = at { fan_out.sink_at(end, at) } else { fan_out.sink(end) };
        }
        let result = fan_out.run();
        let report = fan_out.report();
        Ok(sinks
            .iter()
            .enumerate()
            .map(|(index, _)| match (&report, &result) {
                (Some(report), result) => match (&report.sinks[index].error, result) {
                    (Some(error), _) => Err(error.clone().into()),
                    (None, Ok(_)) => Ok(report.sinks[index].bytes),
                    (None, Err(error)) => Err(Failure { error: error.clone(), moved: report.sinks[index].bytes }),
                },
                (None, Err(error)) => Err(error.clone().into()),
                (None, Ok(_)) => unreachable!("it has run"),
            })
            .collect())
    })();
    tried.unwrap_or_else(|error: Error| sinks.iter().map(|_| Err(error.clone().into())).collect())
}

struct Place {
    _dir: tempfile::TempDir,
    source: PathBuf,
    old: PathBuf,
    new: PathBuf,
    other: PathBuf,
    content: Vec<u8>,
}

impl Place {
    /// A source that is whole, or has a hole before its data, between two parts of it, or nothing but one.
    fn new(source: &[u8], holes: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [from, old, new, other] = ["from", "old", "new", "other"].map(|name| dir.path().join(name));
        let content: Vec<u8> = pattern(300_000).iter().map(|byte| !byte).collect();
        let file = File::create(&from).unwrap();
        file.set_len(source.len() as u64).unwrap();
        for (at, part) in source.chunks(4096).enumerate() {
            if !holes || part.iter().any(|&byte| byte != 0) {
                file.write_all_at(part, at as u64 * 4096).unwrap();
            }
        }
        let place = Self { _dir: dir, source: from, old, new, other, content };
        place.restore();
        place
    }

    fn restore(&self) {
        let _ = std::fs::remove_file(&self.new);
        let _ = std::fs::remove_file(&self.other);
        std::fs::write(&self.old, &self.content).unwrap();
    }

    /// Whether the path is what that outcome may have made of it. Of a file with holes the count says nothing about where they are.
    fn check(&self, path: &Path, bytes: &[u8], at: usize, outcome: &Outcome, case: &str) {
        let found = std::fs::read(path).ok();
        let at = if bytes.is_empty() { 0 } else { at };
        let expected = [vec![0; at], bytes.to_vec()].concat();
        // A copy that is not complete gets no name.
        let is_whole = case.contains("copy");
        match outcome {
            Ok(_) => assert!(found.as_ref() == Some(&expected), "{case}: other bytes as a success"),
            Err(Failure { error, moved }) if *moved == 0 || is_whole => {
                let before = (path == self.old).then_some(&self.content);
                assert!(found.as_ref() == before, "{case}: {:?} bytes, after {error}", found.map(|bytes| bytes.len()));
            }
            Err(Failure { error, .. }) => {
                let found = found.unwrap_or_else(|| panic!("{case}: no file, after {error}"));
                assert!(found.len() <= expected.len() && found == expected[..found.len()], "{case}: after {error}");
            }
        }
    }
}

fn run(way: Way, place: &Place, path: &Path, hook: impl FnMut(&Call) -> Fault + 'static) -> Vec<Outcome> {
    inject::with(hook, || way(&place.source, path, &place.other))
}

fn sources() -> [(&'static str, Vec<u8>, bool); 4] {
    let bytes = pattern(200_000);
    let mut holes = bytes.clone();
    holes[..8192].fill(0);
    holes[100 << 10..140 << 10].fill(0);
    [
        ("a file", bytes, false),
        ("holes", holes, true),
        ("a hole", vec![0; 100_000], true),
        ("nothing", Vec::new(), false),
    ]
}

#[test]
fn a_call_that_fails_before_the_first_byte_costs_nothing() {
    let _dog = watchdog(300, "old content of many");
    for (from, bytes, holes) in sources() {
        let place = Place::new(&bytes, holes);
        for (name, way) in WAYS {
            let at = if name.ends_with("offset") { 5000 } else { 0 };
            let asked = Rc::new(RefCell::new(0));
            let counted = asked.clone();
            let outcomes = run(way, &place, &place.old, move |_| {
                *counted.borrow_mut() += 1;
                Fault::None
            });
            assert!(outcomes.iter().all(Result::is_ok), "{name} of {from}: {outcomes:?}");
            place.check(&place.old, &bytes, at, &outcomes[0], &format!("{name} of {from}"));
            place.restore();
            let calls = *asked.borrow();
            for (errno, which) in [libc::EPERM, libc::EMFILE, libc::EIO]
                .into_iter()
                .flat_map(|errno| (0..calls.min(16)).map(move |which| (errno, which)))
            {
                for path in [&place.old, &place.new] {
                    let mut number = 0;
                    let outcomes = run(way, &place, path, move |_| {
                        number += 1;
                        if number == which + 1 { Fault::Errno(errno) } else { Fault::None }
                    });
                    let case = format!("{name} of {from} to {path:?}: errno {errno} of call {which}");
                    for (path, outcome) in [path, &place.other].into_iter().zip(&outcomes) {
                        place.check(path, &bytes, at, outcome, &case);
                    }
                    place.restore();
                }
            }
        }
    }
}

/// The file may not become as long as it is to be, and the old one is longer than files may be.
#[test]
fn a_limit_costs_nothing_before_the_first_byte() {
    if !is_alone("a_limit_costs_nothing_before_the_first_byte") {
        return;
    }
    // SAFETY: nothing is called in a handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let places = sources().map(|(from, bytes, holes)| (from, Place::new(&bytes, holes), bytes));
    for limit in [0, 4096, 50_000] {
        let most = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE).unwrap().1;
        let set =
            |limit| nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE, limit, most).unwrap();
        for (from, place, bytes) in &places {
            for (name, way) in WAYS {
                let at = if name.ends_with("offset") { 5000 } else { 0 };
                for path in [&place.old, &place.new] {
                    set(limit);
                    let outcomes = way(&place.source, path, &place.other);
                    set(most);
                    let case = format!("{name} of {from} to {path:?} under {limit}");
                    assert_eq!(outcomes[0].is_ok(), bytes.is_empty(), "{case}: {outcomes:?}");
                    for (path, outcome) in [path, &place.other].into_iter().zip(&outcomes) {
                        place.check(path, bytes, at, outcome, &case);
                    }
                    place.restore();
                }
            }
        }
    }
}

/// A name that somebody else takes meanwhile stays theirs, and the other sinks go on.
#[test]
fn a_file_that_got_no_name_is_one_sinks_error() {
    let bytes = pattern(200_000);
    let place = Place::new(&bytes, false);
    let sink = |path| Endpoint::create(path).unwrap();
    let mut fan_out =
        FanOut::new(Endpoint::open(&place.source).unwrap()).sink(sink(&place.new)).sink(sink(&place.other));
    std::fs::write(&place.new, b"theirs").unwrap();
    let report = fan_out.run().unwrap();
    let error = report.sinks[0].error.as_ref().unwrap();
    assert_eq!((error.errno(), error.moved(), report.sinks[0].bytes), (Some(libc::EEXIST), 0, 0), "{error}");
    assert_eq!(std::fs::read(&place.new).unwrap(), b"theirs");
    assert!(std::fs::read(&place.other).unwrap() == bytes);

    // What a stream gave to the last one is handed back.
    std::fs::remove_file(&place.new).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"from a pipe").unwrap();
    drop(writer);
    let mut fan_out = FanOut::new(Endpoint::new(&reader).unwrap()).sink(sink(&place.new));
    std::fs::write(&place.new, b"theirs").unwrap();
    let error = fan_out.run().unwrap_err();
    assert_eq!((error.errno(), error.moved()), (Some(libc::EEXIST), 0), "{error}");
    assert_eq!(fan_out.take_undelivered(0).unwrap(), b"from a pipe");
    assert_eq!(std::fs::read(&place.new).unwrap(), b"theirs");
}
