//! `zcio inspect`: which part of a file is in memory; what a process has in its address space and page tables.

mod file;
mod groups;
mod jvm;
mod process;
mod summary;

use std::ffi::OsString;
use std::io::{self, Write};

/// Draw which part of a file is in memory, or list what a process has in its address space and page tables.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A file, or the number of a process (a file whose name is a number: ./123).
    #[arg(value_name = "FILE|PID")]
    subject: OsString,
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    match arguments.subject.to_str().and_then(|text| text.parse::<i32>().ok()).filter(|&id| id > 0) {
        Some(id) => process::run(id, json, out)?,
        None => file::run(arguments.subject.as_ref(), json, out)?,
    }
    Ok(super::DONE)
}
