//! How far it has come, on standard error while that is a terminal, and nowhere else.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

use super::interruption;

const KNOWN: &str =
    "{msg} {wide_bar:.} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {percent:>3} % ETA {eta}";
const UNKNOWN: &str = "{msg} {spinner} {decimal_bytes} {decimal_bytes_per_sec} {elapsed}";

/// A line on the terminal. Without a terminal it does nothing.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `doing` is the line's first word; `total` the bytes that are expected, if that is known.
    pub fn new(doing: &'static str, total: Option<u64>) -> Self {
        let template = if total.is_some() { KNOWN } else { UNKNOWN };
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.set_style(ProgressStyle::with_template(template).expect("a template that was tested"));
        bar.set_message(doing);
        Self(bar)
    }

    /// Whether anybody sees it.
    pub fn is_seen(&self) -> bool {
        !self.0.is_hidden()
    }

    /// For the core's watchers: shows the count, and stops if a signal came.
    pub fn watch(&self, bytes: u64) -> ControlFlow<()> {
        self.0.set_position(bytes);
        self.0.tick();
        interruption::look()
    }

    /// Something else is going on now.
    pub fn says(&self, doing: String) {
        self.0.set_message(doing);
        self.0.tick();
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }

    /// Takes the line away and leaves one that says what was done.
    pub fn done(&self, bytes: u64, elapsed: Duration, done: &str) {
        let seen = self.is_seen();
        self.clear();
        if seen {
            let rate = DecimalBytes((bytes as f64 / elapsed.as_secs_f64().max(1e-9)) as u64);
            let (bytes, seconds) = (DecimalBytes(bytes), elapsed.as_secs_f64());
            let _ = writeln!(io::stderr(), "{bytes} {done} in {seconds:.2} s ({rate}/s)");
        }
    }
}

/// A remark that helps whoever sits at the terminal.
pub(super) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "zcio: {text}");
}
