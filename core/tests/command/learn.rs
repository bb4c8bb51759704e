//! `zcio learn`: every heading of the article has an experiment, and its drawing has the figures and no other numbers. That the
//! figures are true is in `learn_witnesses.rs`.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::Value;

use crate::{document, failed, quiet, run, zcio};

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/en/learn");

fn topics() -> Vec<(String, String)> {
    let list = document(quiet(&run(&["learn", "--json"])));
    let text = |topic: &Value, field: &str| topic[field].as_str().unwrap().to_owned();
    list["topics"].as_array().unwrap().iter().map(|topic| (text(topic, "name"), text(topic, "title"))).collect()
}

pub(crate) fn learn(topic: &str) -> Value {
    document(quiet(&run(&["learn", topic, "--json"])))
}

#[test]
fn the_topics_are_the_chapters_of_the_guide() {
    let mut chapters = BTreeSet::new();
    for entry in std::fs::read_dir(GUIDE).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name != "index" {
            let text = std::fs::read_to_string(&path).unwrap();
            chapters.insert((name, text.lines().next().unwrap().trim_start_matches("# ").to_owned()));
        }
    }
    assert_eq!(topics().into_iter().collect::<BTreeSet<_>>(), chapters);
    let list = run(&["learn"]);
    let list = String::from_utf8_lossy(quiet(&list));
    assert!(chapters.iter().all(|(name, title)| list.contains(&format!("{name:<16} {title}\n"))), "{list}");
}

/// Every number of a document, as it is written.
fn numbers(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        // As Rust writes it: 3.0 milliseconds are drawn as 3.
        Value::Number(number) => {
            let whole = number.as_u64().map(|number| number.to_string());
            found.extend(whole.or_else(|| number.as_f64().map(|number| number.to_string())));
        }
        Value::String(text) => found.extend(words_with_numbers(text)),
        Value::Array(values) => values.iter().for_each(|value| numbers(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| numbers(value, found)),
        _ => {}
    }
}

/// What begins with a digit in a text, up to what is no part of a number.
fn words_with_numbers(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
    let words = words.map(|word| word.trim_matches('.'));
    words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_digit())).map(str::to_owned).collect()
}

#[test]
fn each_drawing_has_the_figures_and_no_other_numbers() {
    for (name, title) in topics() {
        let found = learn(&name);
        assert_eq!((&found["version"], &found["topic"], &found["title"]), (&1.into(), &name.into(), &(&*title).into()));
        let mut known = BTreeSet::new();
        numbers(&found["figures"], &mut known);
        let lines: Vec<_> = found["drawing"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        for drawn in lines.iter().flat_map(|line| words_with_numbers(line)) {
            assert!(known.contains(&drawn), "{title}: {drawn} is drawn and no figure: {:#}", found["figures"]);
        }
        assert!(lines.iter().any(|line| !words_with_numbers(line).is_empty()), "{title}: {lines:#?}");
        for field in ["article", "differs"] {
            assert!(found[field].as_str().unwrap().len() > 40, "{title}");
        }
    }
}

#[test]
fn people_get_three_parts_in_a_hundred_columns() {
    for (name, title) in topics() {
        let text = run(&["learn", &name]);
        let text = String::from_utf8(quiet(&text).to_vec()).unwrap();
        assert!(text.starts_with(&format!("{title}\n\nthe article says  ")), "{text}");
        assert!(text.contains("\nthis machine\n") && text.contains("\nwhy they differ   "), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100 && line == line.trim_end()), "{text}");
    }
}

#[test]
fn what_is_no_topic_and_what_is_no_directory() {
    let errors = failed(&run(&["learn", "teleport"]), 2);
    assert!(errors.contains("teleport") && errors.contains("page-fault") && errors.contains("java-nio"), "{errors}");
    let errors = failed(&run(&["learn", "dma", "--directory", "/nonexistent"]), 1);
    assert!(errors.contains("No such file"), "{errors}");
    failed(&run(&["learn", "dma", "--directory", "/etc/passwd"]), 1);
}

/// Root without the rights that make it root, as far as experiments need them.
fn powerless(arguments: &[&str]) -> Command {
    const PR_CAPBSET_DROP: i32 = 24;
    let mut command = zcio(arguments);
    // SAFETY: prctl(2) with numbers; a user without capabilities has none to drop.
    unsafe {
        command.pre_exec(|| {
            for capability in 0..64 {
                libc::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
            }
            Ok(())
        });
    }
    command
}

#[test]
fn without_rights_and_without_a_disk_it_says_so_and_shows_the_rest() {
    let memory = powerless(&["learn", "memory", "--json"]).output().unwrap();
    let memory = document(quiet(&memory));
    assert!(memory["figures"]["pages"].as_array().unwrap().iter().all(|page| page["frame"].is_null()));
    assert!(memory["unseen"].to_string().contains("frame numbers"), "{memory}");
    assert!(memory["drawing"].to_string().contains("───▶  ?"), "{memory}");

    let gather = powerless(&["learn", "sendfile-gather", "--json"]).output().unwrap();
    let gather = document(quiet(&gather));
    let ways = gather["figures"]["ways"].as_array().unwrap();
    assert_eq!(ways[0]["copies"]["least"], 0);
    assert!(ways[1..].iter().all(|way| way["copies"].is_null() && way["warm"].is_null()), "{gather}");
    assert!(gather["unseen"].to_string().contains("needs root"), "{gather}");

    for topic in ["dma", "page-fault", "virtual-memory", "interrupts"] {
        let found = run(&["learn", topic, "--json", "--directory", "/dev/shm"]);
        let found = document(quiet(&found));
        assert!(!found["unseen"].as_array().unwrap().is_empty(), "{found}");
    }
}
