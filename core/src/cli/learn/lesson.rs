//! What an experiment found, for programs and drawn.

use std::fmt;
use std::io;

use serde::Serialize;

/// The result of an experiment.
pub(super) struct Lesson {
    pub figures: serde_json::Value,
    pub drawing: String,
    /// Why that is not what the article says, or that it is.
    pub differs: String,
    pub unseen: Vec<String>,
}

impl Lesson {
    /// `drawing` draws `figures` and nothing else.
    pub fn new(figures: &impl Serialize, drawing: String, differs: impl Into<String>) -> io::Result<Self> {
        let figures = serde_json::to_value(figures).map_err(io::Error::other)?;
        Ok(Self { figures, drawing, differs: differs.into(), unseen: Vec::new() })
    }

    /// What could not be seen, each reason once.
    pub fn without(mut self, reasons: impl IntoIterator<Item = String>) -> Self {
        for reason in reasons {
            if !self.unseen.contains(&reason) {
                self.unseen.push(reason);
            }
        }
        self
    }
}

/// The value, or its error among what was not seen.
pub(super) fn seen<T>(what: &str, found: Result<T, impl fmt::Display>, unseen: &mut Vec<String>) -> Option<T> {
    found.map_err(|error| unseen.push(format!("{what}: {error}"))).ok()
}
