//! The program behind `make demo`: one real file, moved by Rust, Java and Python, with zcio and without, side by side.
//!
//! Every lane is a long-lived process in its own language ([`protocol`]); the other end of a connection is the same
//! neutral [`peer`] for all of them. Nothing is timed before every lane has delivered every byte ([`schedule`]); a lane
//! that does not ends the program with a failure. No figure is written down here: all are measured when it runs.

mod arguments;
mod host;
mod java;
mod lane;
mod peer;
mod progress;
mod protocol;
mod results;
mod roster;
mod route;
mod rust_lane;
mod schedule;
mod start;
mod statistics;
mod table;
mod trial;

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, exit};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tempfile::TempDir;

use arguments::{Arguments, Command};
use host::Host;
use java::Jdk;
use results::{Outcome, RouteOutcome};
use trial::{Subject, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Some(Command::Lane { method }) => rust_lane::serve(method),
        None => compare(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Result<()> {
    let jdks = java::jdks(arguments)?;
    let subject = Subject::open(&file_to_move(arguments, &jdks)?)?;
    let work = work_folder(arguments, &subject.path)?;
    let (programs, copies) = (work.path().join("lanes"), work.path().join("copies"));
    fs::create_dir(&programs)?;
    fs::create_dir(&copies)?;

    let (mut lanes, missing) = start::lanes(arguments, &jdks, &programs)?;
    for missing in &missing {
        eprintln!("missing: {}: {}\n  what would help: {}", missing.lane, missing.reason, missing.remedy);
    }
    ensure!(missing.is_empty() || !arguments.require_all, "lanes are missing, and all of them were required");
    ensure!(!lanes.is_empty(), "there is no lane to measure");

    let routes = arguments.routes();
    let trial = Trial { subject: &subject, folder: &copies };
    schedule::check(&trial, &mut lanes, &routes)?;
    let measured = schedule::measure(&trial, &mut lanes, &routes, arguments.rounds)?;

    let outcome = Outcome {
        host: Host::read(&lanes)?,
        destination: destination(work.path(), &subject.path)?,
        file: subject,
        rounds: arguments.rounds,
        routes: measured.iter().map(|measured| RouteOutcome::of(measured, &lanes)).collect(),
        missing,
    };
    print!("{}", table::render(&outcome)?);
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(file, &outcome)?;
    }
    Ok(())
}

fn file_to_move(arguments: &Arguments, jdks: &[Jdk]) -> Result<PathBuf> {
    match (&arguments.file, jdks.first()) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(jdk)) => Ok(jdk.modules()),
        (None, None) => anyhow::bail!("no JDK is installed whose lib/modules could be moved: name a file with --file"),
    }
}

/// A folder for everything this run makes, gone when the program ends, also by Ctrl-C.
fn work_folder(arguments: &Arguments, file: &Path) -> Result<TempDir> {
    let parent = arguments.into.clone().unwrap_or_else(|| same_disk(file));
    let folder = tempfile::Builder::new()
        .prefix("zcio-compare-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let path = folder.path().to_path_buf();
    ctrlc::set_handler(move || {
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

fn destination(folder: &Path, file: &Path) -> Result<String> {
    let file_system = host::file_system(folder).unwrap_or_else(|| "unknown file system".to_string());
    let same = fs::metadata(folder)?.dev() == fs::metadata(file)?.dev();
    let disk = if same { "the file's own" } else { "not the file's own" };
    Ok(format!("{} ({file_system}, {disk})", folder.display()))
}
