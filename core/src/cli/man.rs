//! `zcio man`: the manual pages, made from the definition of the arguments.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::CommandFactory;

use super::failure::Failure;

/// Write the manual page, or all pages into a directory (one more for each subcommand).
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where to put the pages; it must exist.
    directory: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, _json: bool, out: &mut dyn Write) -> io::Result<u8> {
    // The page of `help` would say what this one does.
    let command = super::Command::command().disable_help_subcommand(true);
    if let Some(directory) = &arguments.directory {
        clap_mangen::generate_to(command, directory)
            .map_err(|error| Failure::os("man", &directory.display().to_string(), &error))?;
        return Ok(super::DONE);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    out.write_all(&page)?;
    Ok(super::DONE)
}
