//! The `zcio` command as a program: see [`zcio::cli`], which is all of it.

use std::process::ExitCode;

/// Runs before the standard library, which opens `/dev/null` in the place of a standard stream that is closed: bytes for it
/// would be lost without an error.
// SAFETY: functions in this section are called once with no thread beside them; it opens files and stores a number.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_CLOSED: extern "C" fn() = {
    extern "C" fn note_closed() {
        zcio::cli::note_closed();
    }
    note_closed
};

fn main() -> ExitCode {
    zcio::cli::main(std::env::args_os().skip(1)).into()
}
