//! What is easily forgotten of a new mechanism, where the compiler does not ask for it (docs/adding-a-mechanism.md).

use std::collections::BTreeSet;

use zcio::{Answer, Capabilities, Mechanism};

fn names() -> BTreeSet<&'static str> {
    Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect()
}

#[test]
fn the_guide_names_every_mechanism_and_no_other() {
    let guide = include_str!("../../docs/guide/en/index.md");
    let (_, list) = guide.split_once("Mechanism names are the same everywhere:").expect("the guide has the list");
    let (list, _) = list.split_once('.').unwrap();
    let told: BTreeSet<_> = list.split('`').skip(1).step_by(2).collect();
    assert_eq!(told, names());
}

#[test]
fn every_mechanism_is_asked_for_here_or_at_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let (here, at_path) = (Capabilities::get(), Capabilities::of_path(directory.path()).unwrap());
    for name in names() {
        let capability = here.find(name).unwrap_or_else(|| panic!("{name} is not asked for"));
        let asked = capability.answer != Answer::AskPath || at_path.find(name).is_some();
        assert!(asked, "{name} sends to the file systems, and none is asked");
    }
}
