//! The pieces of text that a page is made of.

use std::fmt;

use crate::statistics::Summary;

/// A measured number, with its place in the JSON (a JSON pointer, RFC 6901) and the decimals it is written with.
pub struct Figure<'a> {
    place: &'a str,
    value: f64,
    decimals: usize,
}

impl<'a> Figure<'a> {
    /// That number.
    pub fn new(place: &'a str, value: f64, decimals: usize) -> Self {
        Self { place, value, decimals }
    }
}

impl fmt::Display for Figure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, value, decimals } = self;
        write!(f, "<span data-n=\"{place}\" data-d=\"{decimals}\">{value:.decimals$}</span>")
    }
}

/// Two decimals where they mean something, fewer for large numbers.
pub fn decimals(value: f64) -> usize {
    match value {
        100.0.. => 0,
        10.0.. => 1,
        0.1.. => 2,
        _ => 3,
    }
}

/// A median with its interval.
pub fn interval(place: &str, summary: &Summary) -> String {
    let part = |name: &str, value: f64| Figure::new(&format!("{place}/{name}"), value, decimals(value)).to_string();
    format!(
        "<b>{}</b> <span class=\"range\">{}–{}</span>",
        part("median", summary.median),
        part("low", summary.low),
        part("high", summary.high)
    )
}

/// Text that may stand anywhere in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
