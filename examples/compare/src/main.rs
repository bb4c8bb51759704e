//! The program behind `make demo` and `make compare`: bytes moved by Rust, Java and Python, with zcio and without, side by
//! side.
//!
//! Every lane is a long-lived process in its own language ([`protocol`]); the other end of a connection is the same
//! neutral [`peer`] for all of them. Nothing is timed before every lane has delivered every byte ([`schedule`]); a lane
//! that does not ends the program with a failure. No figure is written down here: all are measured when it runs.

mod answers;
mod arguments;
mod calls;
mod families;
mod host;
mod lane;
mod markdown;
mod network;
mod others;
mod outside;
mod page;
mod peer;
mod pin;
mod places;
mod progress;
mod protocol;
mod results;
mod routes;
mod run;
mod rust_lane;
mod schedule;
mod statistics;
mod subject;
mod table;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::{Arguments, Command};
use results::Outcome;

fn main() -> ExitCode {
    match act(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(arguments: &Arguments) -> Result<()> {
    if let Some(Command::Lane { method }) = &arguments.command {
        return rust_lane::serve(method);
    }
    if let Some([results, page]) = arguments.page.as_deref() {
        let text = page::render(&Outcome::read(results)?)?;
        return fs::write(page, text).with_context(|| format!("cannot write {}", page.display()));
    }
    if let Some(results) = &arguments.markdown {
        print!("{}", markdown::render(&Outcome::read(results)?)?);
        return Ok(());
    }
    network::leave_pacer();
    let outcome = run::compare(arguments)?;
    print!("{}", table::render(&outcome, arguments.demo)?);
    Ok(())
}
