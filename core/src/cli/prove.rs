//! `zcio prove`: the article's table, measured on this machine.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::proof::{Options, Proof};

/// Measure who copies what on this machine, beside what the well-known article says.
///
/// As root, networks and an XFS are made in namespaces of their own for the rows that need them; otherwise those rows say
/// that they need root. Ends with 1 if a mechanism's own report was found to be wrong.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Mebibytes that each measured transfer moves
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    size: u64,
    /// Move 4 MiB: the same rows in a few seconds, with coarser costs
    #[arg(long, conflicts_with = "size")]
    quick: bool,
    /// Where files are made, without names; its file system is the one that is examined
    #[arg(long, value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

/// Prints the table, or with `json` one JSON object. The exit code is 0, or 1 if a claim was found to be wrong.
pub fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let mut options = Options { size: arguments.size << 20, ..Options::default() };
    if arguments.quick {
        options.size = Options::quick().size;
    }
    let options = placed(options, arguments.directory.as_deref())?;
    let watched = io::stderr().is_terminal();
    let proof = Proof::run_watched(&options, |route| {
        if watched {
            eprint!("\r\x1b[K{} …", route.title());
        }
    });
    if watched {
        eprint!("\r\x1b[K");
    }
    if json {
        writeln!(out, "{}", proof.to_json())?;
    } else {
        write!(out, "{proof}")?;
    }
    Ok(u8::from(proof.contradictions().next().is_some()))
}

/// The options with files in that directory, if one is given. That it is none is said now, once, rather than in every row.
pub(super) fn placed(options: Options, directory: Option<&Path>) -> io::Result<Options> {
    let Some(directory) = directory else { return Ok(options) };
    if !directory.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{}: not a directory", directory.display())));
    }
    Ok(options.directory(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(directory: Option<PathBuf>, json: bool) -> io::Result<(u8, String)> {
        let arguments = Arguments { size: 1, quick: false, directory };
        let mut out = Vec::new();
        let code = run(&arguments, json, &mut out)?;
        Ok((code, String::from_utf8(out).unwrap()))
    }

    #[test]
    fn one_json_object_or_a_table_and_a_good_end() {
        let (code, json) = said(None, true).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((code, &value["size"]), (0, &(1 << 20).into()));
        let (code, table) = said(Some(std::env::temp_dir()), false).unwrap();
        assert!(code == 0 && table.contains("file → TCP, loopback") && table.ends_with('\n'), "{table}");
    }

    #[test]
    fn a_directory_that_is_none_is_an_error_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = said(Some(file.path().to_path_buf()), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(said(Some("/nowhere".into()), false).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
