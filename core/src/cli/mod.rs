//! The `zcio` command: one implementation for the binary of this crate, the Python package and the jar.
//!
//! [`main`] is the command, and [`learn()`] its experiments for programs. Each subcommand is a module with its `Arguments` and
//! a `run` that writes its result to the writer it is given; a new one is its module and its line in the table below. What the
//! user asked for goes to standard output, everything else to standard error, and neither has a word too many: a program that reads the output
//! gets one JSON document with `--json`, and one that only looks at the exit code gets silence.
//!
//! The caller may be a guest in another runtime's process: nothing here exits, and signals are handled only meanwhile.

mod completions;
mod copy;
mod documents;
mod failure;
mod frames;
mod inspect;
mod interruption;
mod learn;
mod man;
mod moving;
mod network;
mod peers;
mod probe;
mod progress;
mod prove;
mod recv;
mod relay;
mod send;
mod standard;
mod target;
mod unix_socket;
mod watchdog;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::Failure;
use interruption::Signals;
pub use learn::{Document, learn, topics};
use standard::Filled;
pub use standard::note_closed;

/// Everything was done.
pub const DONE: u8 = 0;
/// It was tried and failed; the reason is on standard error.
pub const FAILED: u8 = 1;
/// The command line was not understood, and nothing was tried.
pub const USAGE: u8 = 2;
/// The number of a signal is added: 130 after Ctrl-C.
pub const INTERRUPTED: u8 = 128;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed; standard error has `zcio: operation: reason (hint)`
  2    the command line was not understood
  130  interrupted by Ctrl-C (128 + the signal's number; 143 for SIGTERM). A second Ctrl-C ends it at once
  141  whoever read the output is gone";

/// Moves bytes between files, sockets and pipes without copying them through user space.
#[derive(Parser)]
#[command(name = "zcio", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
struct Command {
    /// Write one JSON document to standard output (to standard error where standard output carries the bytes).
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    subcommand: Subcommands,
}

/// From a table of subcommands and their modules to the enum and the call.
macro_rules! subcommands {
    ($($name:ident = $module:ident,)+) => {
        #[derive(Subcommand)]
        enum Subcommands {
            $($name($module::Arguments),)+
        }

        impl Subcommands {
            fn run(&self, json: bool, out: &mut dyn Write) -> io::Result<u8> {
                match self {
                    $(Self::$name(arguments) => $module::run(arguments, json, out),)+
                }
            }
        }
    };
}

subcommands! {
    Probe = probe,
    Prove = prove,
    Learn = learn,
    Inspect = inspect,
    Copy = copy,
    Send = send,
    Recv = recv,
    Relay = relay,
    Completions = completions,
    Man = man,
}

/// Runs the command with these arguments (without the program's name) on the descriptors 0, 1 and 2, and gives back its
/// exit code.
///
/// While it runs, SIGINT, SIGTERM and SIGHUP stop it, whatever they did in this process before; at the end their handlers
/// are what they were. Only one runs at a time in a process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let _filled = Filled::now();
    let arguments = std::iter::once(OsString::from("zcio")).chain(arguments);
    let parsed = Command::command().try_get_matches_from(arguments);
    match parsed.and_then(|matches| Command::from_arg_matches(&matches)) {
        Ok(command) => run(&command),
        Err(error) => {
            // Help and version are answers, with 0. Nobody is left to be told if they cannot be printed.
            let _ = error.print();
            if error.use_stderr() { USAGE } else { DONE }
        }
    }
}

fn run(command: &Command) -> u8 {
    let _signals = match Signals::note() {
        Ok(signals) => signals,
        Err(errno) => return told(&Failure::new("sigaction", errno.desc()), false, &mut io::sink()),
    };
    let occupied = match &command.subcommand {
        Subcommands::Send(arguments) => arguments.occupies_output(),
        Subcommands::Recv(arguments) => arguments.occupies_output(),
        _ => false,
    };
    let mut out: Box<dyn Write> = if occupied { Box::new(io::stderr()) } else { Box::new(Output(io::stdout())) };
    let done = command.subcommand.run(command.json, &mut out).and_then(|code| out.flush().map(|()| code));
    match done {
        Ok(code) => code,
        Err(error) => told(&Failure::of(error), command.json, &mut out),
    }
}

/// Says why it failed, to people and with `--json` to programs.
fn told(failure: &Failure, json: bool, out: &mut dyn Write) -> u8 {
    if failure.is_about_output() {
        return INTERRUPTED + 13;
    }
    let _ = writeln!(io::stderr(), "zcio: {failure}");
    if json {
        let _ = documents::write(out, &documents::Failed { error: failure }).and_then(|()| out.flush());
    }
    interruption::pending().map_or(FAILED, |signal| INTERRUPTED + signal as u8)
}

/// Standard output, with its errors marked as its own: a transfer's broken pipe is another matter.
struct Output(io::Stdout);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        standard::must_be_open(libc::STDOUT_FILENO, "standard output")?;
        self.0.write(bytes).map_err(failure::about_output)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(failure::about_output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Command::command().debug_assert();
    }
}
