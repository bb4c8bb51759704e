//! A progress bar on a terminal, one plain line per stage elsewhere. On standard error, so that the table stays clean.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of one stage.
pub struct Progress(ProgressBar);

impl Progress {
    /// A stage of that many steps.
    pub fn new(stage: &str, steps: usize) -> Self {
        if !stderr().is_terminal() {
            eprintln!("{stage}: {steps} transfers");
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {wide_msg}");
        let style = style.expect("the template is a constant").progress_chars("━╸─");
        Self(ProgressBar::new(steps as u64).with_style(style).with_prefix(stage.to_string()))
    }

    /// The next step begins.
    pub fn step(&self, what: &str) {
        self.0.set_message(what.to_string());
        self.0.inc(1);
    }

    /// The stage is over; the bar goes.
    pub fn finish(self) {
        self.0.finish_and_clear();
    }
}
