//! `zcio completions`: a shell's completions, made from the definition of the arguments.

use std::io::{self, Write};

use clap::CommandFactory;

/// Write a completion script for a shell, to be sourced or put where the shell looks for them.
#[derive(clap::Args)]
pub(super) struct Arguments {
    shell: clap_complete::Shell,
}

pub(super) fn run(arguments: &Arguments, _json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Command::command(), "zcio", &mut script);
    out.write_all(&script)?;
    Ok(super::DONE)
}
