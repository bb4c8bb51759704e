//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::families::rust::{WRONG_BYTE, WRONG_COUNT};
use crate::families::{self, Language, Method};
use crate::pin::Pin;
use crate::routes::{self, Axis, Route};

/// Moves bytes in three languages, with zcio and without, checks every one, and prints what it took.
#[derive(Debug, Parser)]
#[command(name = "compare", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// The comparison of `make demo`: three routes, one real file, nine rounds
    #[arg(long, conflicts_with_all = ["quick", "sizes", "resume"])]
    pub demo: bool,

    /// The file to move in the demo [default: lib/modules of the first JDK]
    #[arg(long, requires = "demo")]
    pub file: Option<PathBuf>,

    /// Few points and few rounds: under five minutes for everything
    #[arg(long)]
    pub quick: bool,

    /// Measure only these routes
    #[arg(long, value_name = "ROUTES", value_delimiter = ',', value_parser = routes::ALL.map(Route::name))]
    pub only: Vec<String>,

    /// Measure only these lanes: languages (rust, java, python) or methods (`netty_epoll`, `asyncio`, …)
    #[arg(long, value_delimiter = ',', value_parser = lane_name)]
    pub lanes: Vec<String>,

    /// The sizes of files: 4KiB,64KiB,1MiB,…,8GiB
    #[arg(long, value_delimiter = ',', value_parser = size)]
    pub sizes: Vec<u64>,

    /// Timed rounds, after one round to warm up [default: 15; 9 with --demo, 5 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(5..))]
    pub rounds: Option<u32>,

    /// Keep the process under test and its peer on one processor, or each on one of its own, or leave them to the scheduler
    #[arg(long, default_value = "same")]
    pub pin: Pin,

    /// The folder for files that are made [default: a temporary one in target/, or on the demo file's own disk]
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,

    /// A JDK's home, 17 or newer; may be repeated [default: all in /usr/lib/jvm, and `JAVA_HOME`]
    #[arg(long, value_name = "HOME")]
    pub jdk: Vec<PathBuf>,

    /// zcio's jar [default: the newest java-bindings/zcio/target/zcio-*.jar]
    #[arg(long)]
    pub jar: Option<PathBuf>,

    /// The Python interpreter, with zcio installed [default: .venv/bin/python, or python3]
    #[arg(long)]
    pub python: Option<PathBuf>,

    /// Write everything that was measured, round by round, to this file (see RESULTS.md); after each point
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Go on with these results: what is in them is not measured again, what is new is written to them
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,

    /// Measure nothing: make a page of those results
    #[arg(long, num_args = 2, value_names = ["RESULTS", "PAGE"])]
    pub page: Option<Vec<PathBuf>>,

    /// Measure nothing: print those results as Markdown
    #[arg(long, value_name = "RESULTS")]
    pub markdown: Option<PathBuf>,

    /// Fail if a lane is missing, instead of saying so and measuring the others
    #[arg(long)]
    pub require_all: bool,

    /// Add a lane that is wrong on purpose, to see this program fail
    #[arg(long, hide = true, value_parser = [WRONG_BYTE, WRONG_COUNT])]
    pub wrong: Option<String>,

    /// What else this program can be.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else this program can be.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be a Rust lane (see src/protocol.rs)
    #[command(hide = true)]
    Lane {
        /// Which one.
        method: String,
    },
}

impl Arguments {
    /// The routes that were asked for, in the order in which they are measured.
    pub fn routes(&self) -> Vec<&'static dyn Route> {
        let asked = |route: &&'static dyn Route| {
            if self.only.is_empty() {
                return !self.demo || routes::DEMO.contains(&route.name());
            }
            self.only.iter().any(|name| name == route.name())
        };
        routes::ALL.into_iter().filter(asked).collect()
    }

    /// The languages that were asked for, in the order in which they are printed.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        let asked = |language: &Language| {
            self.lanes.is_empty() || self.names(*language) || families::of(*language).any(|method| self.asks(method))
        };
        Language::ALL.into_iter().filter(asked)
    }

    /// Whether a lane of a language that was asked for is wanted: it was named, others are measured against it, or it says how
    /// much noise there is.
    pub fn wants(&self, language: Language, method: &Method) -> bool {
        let named = self.lanes.is_empty() || self.names(language) || self.asks(method);
        let measured_against = |route: &&str| families::of(language).any(|m| self.asks(m) && m.label(route).is_some());
        (method.demo || !self.demo) && (named || method.control || method.reference.iter().any(measured_against))
    }

    fn names(&self, wanted: Language) -> bool {
        self.lanes.iter().any(|word| language(word) == Some(wanted))
    }

    fn asks(&self, method: &Method) -> bool {
        self.lanes.iter().any(|word| word == method.name)
    }

    /// Where along that route it is measured.
    pub fn points(&self, route: &dyn Route) -> Vec<u64> {
        match route.axis() {
            Axis::Size if !self.sizes.is_empty() => self.sizes.clone(),
            Axis::Size if self.quick => vec![64 << 10, 16 << 20],
            Axis::Size => vec![4 << 10, 64 << 10, 1 << 20, 64 << 20, 1 << 30, 8 << 30],
            Axis::Connections | Axis::Depth if self.quick => vec![1, 32],
            Axis::Connections => vec![1, 16, 256, 1024],
            Axis::Depth => vec![1, 4, 32],
            Axis::Fixed => vec![route.only_point()],
        }
    }

    /// Timed rounds. From nine on an interval leaves the quickest and the slowest round out; of fewer it goes from one to the other,
    /// and one disturbance in a control makes every claim void.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(match self {
            Self { demo: true, .. } => 9,
            Self { quick: true, .. } => 5,
            _ => 15,
        })
    }
}

fn language(word: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| language.name().eq_ignore_ascii_case(word))
}

fn lane_name(word: &str) -> Result<String, String> {
    let mut names = families::all().map(|method| method.name);
    if language(word).is_some() || names.any(|name| name == word) {
        return Ok(word.to_string());
    }
    let mut known: Vec<_> = families::all().map(|method| method.name).collect();
    known.sort_unstable();
    known.dedup();
    Err(format!("neither a language (rust, java, python) nor one of {}", known.join(", ")))
}

/// `64KiB`, `64K`, `65536`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        unit => return Err(format!("{unit} is none of KiB, MiB, GiB")),
    };
    let number: u64 = digits.parse().map_err(|error| format!("{digits}: {error}"))?;
    let bytes = number.checked_mul(1 << shift).ok_or("too large")?;
    if bytes < 4096 { Err("less than 4 KiB".to_string()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["compare"], arguments].concat())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        let asked =
            parse(&["--only", "relay,tcp_to_file", "--lanes", "python,rust", "--sizes", "4K,8GiB,5000"]).unwrap();
        assert_eq!(asked.routes().iter().map(|route| route.name()).collect::<Vec<_>>(), ["tcp_to_file", "relay"]);
        assert!(asked.languages().eq([Language::Rust, Language::Python]));
        assert_eq!(asked.points(routes::named("relay").unwrap()), [4096, 8 << 30, 5000]);
        for wrong in [&["--rounds", "4"][..], &["--only", "x"], &["--lanes", "x"], &["--sizes", "1"], &["--file", "x"]]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_lane_that_is_asked_for_brings_its_reference() {
        let asked = parse(&["--lanes", "asyncio"]).unwrap();
        assert!(asked.languages().eq([Language::Python]));
        let wanted = families::of(Language::Python).filter(|method| asked.wants(Language::Python, method));
        let names: Vec<_> = wanted.map(|method| method.name).collect();
        assert_eq!(names, ["control", "stdlib", "asyncio"]);
    }

    #[test]
    fn the_demo_is_three_routes() {
        let demo = parse(&["--demo"]).unwrap();
        assert_eq!(demo.routes().iter().map(|route| route.name()).collect::<Vec<_>>(), routes::DEMO);
        assert_eq!(demo.rounds(), 9);
    }
}
