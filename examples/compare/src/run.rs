//! One run from beginning to end: its folder, its lanes, its points, and the results after each of them.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::calls;
use crate::families::jdk::{self, Jdk};
use crate::families::{self, Missing};
use crate::host::{self, Host};
use crate::lane::Lane;
use crate::places::{self, Place, Places};
use crate::results::{Outcome, SCHEMA, Settings, Skipped};
use crate::routes::{Bench, Route};
use crate::schedule::{self, Point};
use crate::statistics;
use crate::subject::{Subject, Subjects};

/// Measures what was asked for.
pub fn compare(arguments: &Arguments) -> Result<Outcome> {
    let jdks = jdk::jdks(arguments)?;
    let given = if arguments.demo { Some(Subject::open(&file_to_move(arguments, &jdks)?)?) } else { None };
    let work = work_folder(arguments, given.as_ref().map(|subject| subject.path.as_path()))?;
    let (programs, files) = (work.path().join("lanes"), work.path().join("files"));
    fs::create_dir(&programs)?;
    fs::create_dir(&files)?;
    let routes = arguments.routes();
    let (places, mut skipped, points) = plan(arguments, &routes, &files, given.as_ref());

    let (mut lanes, missing) = families::start(arguments, &routes, &jdks, &programs);
    report_missing(arguments, &missing)?;
    ensure!(!lanes.is_empty(), "there is no lane to measure");

    let settings = settings(arguments, given.as_ref(), work.path())?;
    let count_calls = settings.system_calls_not_counted.is_none();
    let mut outcome = start(arguments, &lanes, settings)?;
    outcome.missing = missing;
    skipped.retain(|skip| !outcome.skipped.contains(skip));
    outcome.skipped.append(&mut skipped);
    outcome.host.file_systems = places_used(&places, &points);

    let subjects = Subjects::new(&places, given);
    let bench = Bench { subjects: &subjects, places: &places, pin: arguments.pin };
    // Who gave up in an earlier run may have been mended.
    outcome.failed.clear();
    let one_round = schedule::check(&bench, &mut lanes, &points, &mut outcome)?;
    tell_duration(one_round, outcome.settings.rounds);
    let target = arguments.json.as_ref().or(arguments.resume.as_ref());
    for point in &points {
        let point = Point { count_calls: point.count_calls && count_calls, ..*point };
        let rounds = outcome.settings.rounds;
        if let Some(measured) = schedule::measure(&bench, &mut lanes, &point, rounds, &mut outcome)? {
            outcome.add(point.route, point.at, measured.rows, measured.others);
            if let Some(path) = target {
                outcome.write(path)?;
            }
        }
    }
    // Also where there was nothing left to measure.
    target.map_or(Ok(()), |path| outcome.write(path))?;
    ensure!(outcome.failed.is_empty() || !arguments.require_all, "lanes gave up, and all of them were required");
    Ok(outcome)
}

/// Says how long it will take, by what one round took when every byte was looked at: no less than a timed one.
fn tell_duration(one_round: Duration, rounds: u32) {
    let minutes = (one_round * (rounds + 1)).as_secs().div_ceil(60);
    if minutes > 1 {
        eprintln!("timing will take up to {minutes} minutes; what is done is kept with --json, and --resume goes on");
    }
}

/// Which points there is room for, and why not for the others.
fn plan(
    arguments: &Arguments,
    routes: &[&'static dyn Route],
    files: &Path,
    given: Option<&Subject>,
) -> (Places, Vec<Skipped>, Vec<Point>) {
    let points_of = |route: &dyn Route| given.map_or_else(|| arguments.points(route), |subject| vec![subject.bytes]);
    let sizes = routes.iter().flat_map(|&route| points_of(route).into_iter().map(|point| route.file_bytes(point)));
    let largest = sizes.filter(|&bytes| host::memory("MemAvailable:").is_none_or(|free| bytes * 2 < free)).max();
    let places = Places::new(files, largest.unwrap_or_default());
    let (mut skipped, mut points) = (Vec::new(), Vec::new());
    for &route in routes {
        let before = points.len();
        for point in points_of(route) {
            match room(&places, route, point) {
                Ok(()) => points.push(Point { route, at: point, count_calls: !arguments.quick && !arguments.demo }),
                Err(error) => skipped.push(Skipped {
                    route: route.name().to_string(),
                    point: route.axis().label(point),
                    reason: format!("{error:#}"),
                }),
            }
        }
        // strace takes longer than all rounds of a small point: a quick run counts once on each route.
        if let Some(last) = points[before..].last_mut() {
            last.count_calls = !arguments.demo;
        }
    }
    (places, skipped, points)
}

/// That a file of this size, and what is made of it, fits onto the disk and into memory.
fn room(places: &Places, route: &dyn Route, point: u64) -> Result<()> {
    let (_, free) = places.facts(route.place())?;
    let bytes = route.file_bytes(point);
    ensure!(free > bytes * 2 + (64 << 20), "{} MB free on the disk are not enough", free / 1_000_000);
    let free = host::memory("MemAvailable:").unwrap_or(u64::MAX);
    ensure!(free > route.memory(point), "{} MB of free memory are not enough", free / 1_000_000);
    Ok(())
}

/// New results, or those that this run goes on with.
fn start(arguments: &Arguments, lanes: &[Lane], settings: Settings) -> Result<Outcome> {
    let host = Host::read(lanes)?;
    match &arguments.resume {
        Some(path) if path.exists() => {
            let mut before = Outcome::read(path)?;
            before.accept(&host, &settings).with_context(|| format!("cannot go on with {}", path.display()))?;
            before.host.add_runtimes(host.runtimes);
            Ok(before)
        }
        _ => Ok(Outcome {
            schema: SCHEMA,
            host,
            settings,
            cells: Vec::new(),
            skipped: Vec::new(),
            failed: Vec::new(),
            missing: Vec::new(),
        }),
    }
}

fn settings(arguments: &Arguments, given: Option<&Subject>, work: &Path) -> Result<Settings> {
    let rounds = arguments.rounds();
    let not_counted = if arguments.demo { Some("the demo does not".to_string()) } else { calls::refusal() };
    // Where the results went says nothing about them.
    let mut told = env::args().skip(1);
    let mut kept = Vec::new();
    while let Some(word) = told.next() {
        match word.as_str() {
            "--json" | "--resume" => _ = told.next(),
            _ => kept.push(word),
        }
    }
    let told = kept.join(" ");
    Ok(Settings {
        command: format!("make compare ARGS=\"{told}\"").replace(" ARGS=\"\"", ""),
        rounds,
        pin: arguments.pin,
        coverage: statistics::coverage(rounds),
        system_calls_not_counted: not_counted,
        destination: destination(work, given.map(|subject| subject.path.as_path()))?,
        file: given.cloned(),
    })
}

fn report_missing(arguments: &Arguments, missing: &[Missing]) -> Result<()> {
    for missing in missing {
        eprintln!("missing: {}: {}\n  what would help: {}", missing.lane, missing.reason, missing.remedy);
    }
    ensure!(missing.is_empty() || !arguments.require_all, "lanes are missing, and all of them were required");
    Ok(())
}

fn places_used(places: &Places, points: &[Point]) -> Vec<(String, String)> {
    let used = |place: Place| points.iter().any(|point| point.route.place() == place);
    [(Place::Here, "working folder"), (Place::Xfs, "loop device"), (Place::Tmpfs, "/dev/shm")]
        .into_iter()
        .filter(|(place, _)| used(*place))
        .filter_map(|(place, name)| places.facts(place).ok().map(|(kind, _)| (name.to_string(), kind)))
        .collect()
}

fn file_to_move(arguments: &Arguments, jdks: &[Jdk]) -> Result<PathBuf> {
    match (&arguments.file, jdks.first()) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(jdk)) => Ok(jdk.modules()),
        (None, None) => bail!("no JDK is installed whose lib/modules could be moved: name a file with --file"),
    }
}

/// A folder for everything this run makes, gone when the program ends, also by Ctrl-C.
fn work_folder(arguments: &Arguments, file: Option<&Path>) -> Result<TempDir> {
    let parent = match (&arguments.into, file) {
        (Some(into), _) => into.clone(),
        (None, Some(file)) => same_disk(file),
        (None, None) => {
            [PathBuf::from("target"), PathBuf::from(".")].into_iter().find(|p| p.is_dir()).unwrap_or_default()
        }
    };
    let parent = parent.canonicalize().with_context(|| format!("no folder {}", parent.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("zcio-compare-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let path = folder.path().to_path_buf();
    ctrlc::set_handler(move || {
        places::clean_up();
        // A lane may be writing to it still, so it may take more than one try; what is left is a temporary file.
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_dir_all(&path));
        exit(130);
    })?;
    Ok(folder)
}

/// The first of the usual places that is on the same file system as the file, so that a copy within one is measured.
fn same_disk(file: &Path) -> PathBuf {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let places = [env::temp_dir(), PathBuf::from("/var/tmp"), PathBuf::from(".")];
    places.iter().find(|place| device(place) == device(file)).unwrap_or(&places[0]).clone()
}

fn destination(folder: &Path, file: Option<&Path>) -> Result<String> {
    let file_system = host::file_system(folder).unwrap_or_else(|| "unknown file system".to_string());
    let Some(file) = file else { return Ok(format!("a temporary folder ({file_system})")) };
    let same = fs::metadata(folder)?.dev() == fs::metadata(file)?.dev();
    let disk = if same { "the file's own" } else { "not the file's own" };
    Ok(format!("{} ({file_system}, {disk})", folder.display()))
}
