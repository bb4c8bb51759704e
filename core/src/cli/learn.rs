//! `zcio learn`: the headings of the article, each with an experiment of this machine that is drawn.

mod devices;
mod document;
mod drawing;
mod layout;
mod lesson;
mod page_fault;
mod page_table;
mod spaces;
mod tables;
mod topics;
mod virtual_memory;
mod way;
mod ways;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::documents;
use crate::proof::Options;
pub use document::Document;
use topics::{TOPICS, Topic};

const DOCUMENT: &str = "\
With --json the document has `version` (1), `topic`, `title`, `article` (what it says), `figures` (what was measured, an
object whose form depends on the topic; null is what is not known), `drawing` (the same for people, in lines; every number
in it is one of the figures), `differs` (why the two are not the same) and `unseen` (a list: what could not be seen, and
why). Sizes are in bytes, addresses and frames are texts in hexadecimal. Without a topic it is a list of `topics`.";

/// Do the experiment of one of the article's headings on this machine, and draw what happens.
///
/// Without a topic they are listed. What needs root or a disk, and has none, is said in words; the rest is shown.
#[derive(clap::Args)]
#[command(after_long_help = DOCUMENT)]
pub(super) struct Arguments {
    /// The heading
    #[arg(value_parser = known_topics())]
    topic: Option<&'static Topic>,
    /// Where files are made, without names; on a disk, for what is about disks
    #[arg(long, value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

fn known_topics() -> impl TypedValueParser<Value = &'static Topic> {
    let values = TOPICS.iter().map(|topic| PossibleValue::new(topic.name).help(topic.title));
    let find = |name: String| TOPICS.iter().find(|topic| topic.name == name).expect("one of those just named");
    PossibleValuesParser::new(values).map(find)
}

/// The names of the topics, in the article's order.
pub fn topics() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|topic| topic.name)
}

/// Does the experiment of a topic, as `zcio learn` does, with files in that directory; `InvalidInput` if there is no such topic.
pub fn learn(topic: &str, directory: Option<&Path>) -> io::Result<Document> {
    let unknown = || {
        let names: Vec<_> = topics().collect();
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("no topic is called {topic:?}; there are {}", names.join(", ")),
        )
    };
    TOPICS.iter().find(|known| known.name == topic).ok_or_else(unknown)?.experiment(directory)
}

#[derive(Serialize)]
struct List {
    topics: &'static [Topic],
}

impl Topic {
    fn experiment(&'static self, directory: Option<&Path>) -> io::Result<Document> {
        let options = super::prove::placed(Options::quick(), directory)?;
        Ok(Document::new(self, (self.look)(&options)?))
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let Some(topic) = arguments.topic else {
        if json {
            documents::write(out, &List { topics: &TOPICS })?;
        } else {
            TOPICS.iter().try_for_each(|topic| writeln!(out, "{:<16} {}", topic.name, topic.title))?;
            writeln!(out, "\nzcio learn TOPIC does the experiment here and draws it.")?;
        }
        return Ok(super::DONE);
    };
    let document = topic.experiment(arguments.directory.as_deref())?;
    if json {
        documents::write(out, &document)?;
    } else {
        write!(out, "{document}")?;
    }
    Ok(super::DONE)
}
