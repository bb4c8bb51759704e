//! The `zcio` command as a program: see [`zcio::cli`], which is all of it.

use std::process::ExitCode;

fn main() -> ExitCode {
    zcio::cli::main(std::env::args_os().skip(1)).into()
}
