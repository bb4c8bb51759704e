//! `zcio copy`: a file out of a file, by [`Copy`].

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::documents::{self, CopyDocument};
use super::progress::Progress;
use crate::copy::{Copy, Reflink};

/// Copy a file: cloned where the file system can, holes kept as holes.
///
/// After an error or Ctrl-C no half of a file is left that was not there before; a file that was being overwritten in place
/// keeps what has been written to it (with --replace it is the old one).
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools)] // Switches of a command.
pub(super) struct Arguments {
    source: PathBuf,
    /// A path, or a directory to copy into.
    destination: PathBuf,
    /// Whether the copy may share the blocks of its source.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    reflink: When,
    /// Give the copy the source's read, write and execute bits, whatever the umask is, and its times.
    #[arg(long)]
    preserve: bool,
    /// Put the copy in place of an existing file in one moment, when it is complete.
    #[arg(long)]
    replace: bool,
    /// Fail if the destination exists, also if somebody else makes it meanwhile.
    #[arg(long)]
    no_clobber: bool,
    /// Return only when the copy is on its disk.
    #[arg(long)]
    fsync: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum When {
    Never,
    Auto,
    Always,
}

impl From<When> for Reflink {
    fn from(when: When) -> Self {
        match when {
            When::Never => Self::Never,
            When::Auto => Self::Auto,
            When::Always => Self::Always,
        }
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let Arguments { source, destination, reflink, preserve, replace, no_clobber, fsync } = arguments;
    let destination = match source.file_name() {
        Some(name) if destination.is_dir() => &destination.join(name),
        _ => destination,
    };
    let copy = Copy::new(source, destination)
        .reflink((*reflink).into())
        .preserve_mode(*preserve)
        .preserve_times(*preserve)
        .create_new(*no_clobber)
        .atomic(*replace)
        .durable(*fsync);
    let progress = Progress::new("copying", expected(source));
    let report = copy
        .run_watched(|bytes| progress.watch(bytes))
        .inspect_err(|_| progress.clear())
        .map_err(crate::Error::whole)?;
    let by = report.mechanism.map_or("", crate::Mechanism::name);
    progress.done(report.bytes, report.elapsed, format!("copied by {by}").trim_end_matches(" by "));
    if json {
        let [source, destination] = [source, destination].map(|path| path.display().to_string());
        documents::write(out, &CopyDocument::new(source, destination, &report))?;
    }
    Ok(super::DONE)
}

/// The bytes that will be moved: those of the data, without the holes.
fn expected(source: &Path) -> Option<u64> {
    let metadata = source.metadata().ok()?;
    Some(metadata.len().min(metadata.blocks() * 512)).filter(|&bytes| bytes > 0)
}
