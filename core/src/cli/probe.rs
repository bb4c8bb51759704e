//! `zcio probe`: what this kernel, this process and a file system allow, with the reason for each no.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::documents;
use crate::capabilities::{Answer, Capabilities, Capability};

/// Say what this kernel, this process and a file system allow, with the reason for each no.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Ask the file system at this path as well; nothing is left there.
    path: Option<PathBuf>,
}

#[derive(Serialize)]
struct CapabilityDocument<'a> {
    name: &'a str,
    answer: &'static str,
    cause: Option<&'static str>,
    errno: Option<i32>,
    reason: &'a str,
}

impl<'a> CapabilityDocument<'a> {
    fn new(capability: &'a Capability) -> Self {
        let (answer, cause) = match capability.answer {
            Answer::Yes => ("yes", None),
            Answer::No(cause) => ("no", Some(cause.name())),
            Answer::AskPath => ("ask_path", None),
        };
        Self { name: capability.name, answer, cause, errno: capability.errno, reason: &capability.reason }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    capabilities: Vec<CapabilityDocument<'a>>,
    path: Option<String>,
    of_path: Option<Vec<CapabilityDocument<'a>>>,
}

fn list(answers: &Capabilities) -> Vec<CapabilityDocument<'_>> {
    answers.iter().map(CapabilityDocument::new).collect()
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let here = Capabilities::probe();
    let of_path = arguments.path.as_ref().map(Capabilities::of_path).transpose().map_err(crate::Error::whole)?;
    if json {
        let path = arguments.path.as_ref().map(|path| path.display().to_string());
        documents::write(out, &Document { capabilities: list(&here), path, of_path: of_path.as_ref().map(list) })?;
        return Ok(super::DONE);
    }
    write!(out, "{here}")?;
    if let (Some(path), Some(answers)) = (&arguments.path, &of_path) {
        write!(out, "\nat {}\n{answers}", path.display())?;
    }
    Ok(super::DONE)
}
