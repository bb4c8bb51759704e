//! The command line. Every default is meant to be right for `make demo`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::roster::{Language, WRONG_BYTE, WRONG_COUNT};
use crate::route::Route;

/// Moves a real file in three languages, with zcio and without, checks every byte, and prints what it took.
#[derive(Debug, Parser)]
#[command(name = "compare", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// The file to move [default: lib/modules of the first JDK]
    #[arg(long)]
    pub file: Option<PathBuf>,

    /// Timed rounds, after one round to warm up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(5..))]
    pub rounds: u32,

    /// Measure only this route; may be repeated
    #[arg(long, value_name = "ROUTE")]
    pub only: Vec<Route>,

    /// Measure only the lanes of these languages, separated by commas
    #[arg(long, value_name = "LANGUAGE", value_delimiter = ',')]
    pub lanes: Vec<Language>,

    /// The folder for destination files [default: a temporary one on the file's own disk, if there is one]
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

    /// Write everything that was measured, round by round, to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

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
    /// Be the Rust lane (see src/protocol.rs)
    #[command(hide = true)]
    Lane {
        /// Which one.
        method: String,
    },
}

impl Arguments {
    /// The routes that were asked for, in the order in which they are measured.
    pub fn routes(&self) -> Vec<Route> {
        Route::ALL.into_iter().filter(|route| self.only.is_empty() || self.only.contains(route)).collect()
    }

    /// The languages that were asked for, in the order in which they are printed.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        Language::ALL.into_iter().filter(|language| self.lanes.is_empty() || self.lanes.contains(language))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        let asked = Arguments::parse_from(["compare", "--only", "tcp_to_file", "--lanes", "python,rust"]);
        assert_eq!(asked.routes(), [Route::TcpToFile]);
        assert!(asked.languages().eq([Language::Rust, Language::Python]));
        assert!(Arguments::try_parse_from(["compare", "--rounds", "4"]).is_err());
    }
}
