//! The page against its results.

use super::*;
use crate::statistics::Summary;
use crate::table::tests::outcome;

fn page() -> (String, serde_json::Value) {
    let ratio = Summary { median: 1.234, low: 0.98, high: 1.5, min: 0.9, max: 2.0 };
    let outcome = outcome(ratio);
    (render(&outcome).unwrap(), serde_json::to_value(&outcome).unwrap())
}

/// The attributes of every element that shows a number, and its text.
fn figures(page: &str) -> Vec<(String, usize, String)> {
    let attribute = |tag: &str, name: &str| {
        let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
        Some(tag[from..].split('"').next()?.to_string())
    };
    let mut all = Vec::new();
    for part in page.split('<').filter(|part| part.contains(" data-n=\"")) {
        let (tag, text) = part.split_once('>').unwrap();
        let shown = attribute(tag, "data-v").unwrap_or_else(|| text.to_string());
        all.push((attribute(tag, "data-n").unwrap(), attribute(tag, "data-d").unwrap().parse().unwrap(), shown));
    }
    all
}

#[test]
fn every_number_is_the_one_in_the_json() {
    let (page, json) = page();
    let figures = figures(&page);
    assert!(figures.len() > 20, "{}", figures.len());
    for (place, decimals, shown) in figures {
        let value = json.pointer(&place).unwrap_or_else(|| panic!("nothing at {place}")).as_f64().unwrap();
        assert_eq!(shown, format!("{value:.decimals$}"), "{place}");
    }
}

#[test]
fn no_measured_number_stands_outside_of_a_figure() {
    let (page, json) = page();
    let json = json.to_string();
    let body = page.split_once("<body>").unwrap().1;
    for part in body.split('<') {
        let Some((tag, text)) = part.split_once('>') else { continue };
        if tag.contains("data-n") || tag.contains("class=\"tick") {
            continue;
        }
        for word in
            text.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|word| word.trim_matches('.').contains('.'))
        {
            assert!(json.contains(word), "{word} in {text:?}");
        }
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_runs_nothing() {
    let (page, _) = page();
    for foreign in ["<script", "http:", "https:", "<link", "<img", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("<section").count(), page.matches("</section>").count());
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
}

#[test]
fn text_from_outside_is_escaped() {
    assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
}
