//! Which ways of moving bytes are compared: one file for each family of lanes, a table and how its processes are started.
//!
//! A method is measured only on the routes where it means something; its label says what the program of that language
//! calls there. One method per runtime and route is the *reference*: the best the language does without zcio, as its own
//! documentation recommends it. Ratios are taken against it and never across runtimes. A new lane is one entry in its
//! family's table, and what it does in the family's program; a new family is one file here and one line in [`start`].

pub mod java;
pub mod jdk;
pub mod netty;
pub mod nginx;
pub mod python;
pub mod rust;

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::lane::Lane;
use crate::pin::Pin;
use crate::routes::Route;
use jdk::Jdk;

/// A language with lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// The core, the bare system calls and the standard library beside it; nginx counts here, too: it is none of the others.
    Rust,
    /// On each JDK that is installed.
    Java,
    /// One interpreter.
    Python,
}

/// A way of moving bytes, served by one lane process.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each is a fact of its own; any mix of them can occur.
pub struct Method {
    /// The argument that a lane process is started with.
    pub name: &'static str,
    /// Whether `make demo` shows it, too.
    pub demo: bool,
    /// Whether it is zcio, which is being judged.
    pub zcio: bool,
    /// What kind of program it is, where that is not one of plain calls: zcio is judged among its like.
    pub kind: &'static str,
    /// Whether it is its runtime's reference again, to show how far two lanes of the same code come out apart.
    pub control: bool,
    /// Whether the process is a server that a client asks for the file.
    pub is_server: bool,
    /// The routes it serves, and what it is called there.
    pub routes: &'static [(&'static [&'static str], &'static str)],
    /// The routes on which the other methods of its runtime are measured against it, unless one before it in the table is.
    pub reference: &'static [&'static str],
}

/// What a method is unless it says otherwise.
pub const PLAIN: Method = Method {
    name: "",
    demo: false,
    zcio: false,
    kind: "",
    control: false,
    is_server: false,
    routes: &[],
    reference: &[],
};

/// What a control is called: its runtime's reference, run as a second lane.
const CONTROL: &str = "the reference again (A/A)";

/// The name of zcio's own method, in every language.
pub const ZCIO: &str = "zcio";

impl Language {
    /// Every language, in the order in which they are printed.
    pub const ALL: [Self; 3] = [Self::Rust, Self::Java, Self::Python];

    /// The name as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Java => "Java",
            Self::Python => "Python",
        }
    }
}

impl Method {
    /// What it is called on that route, if it serves it.
    pub fn label(&self, route: &str) -> Option<&'static str> {
        self.routes.iter().find(|(served, _)| served.contains(&route)).map(|(_, label)| *label)
    }

    /// Whether its runtime may be measured against it on that route.
    pub fn is_reference(&self, route: &str) -> bool {
        self.reference.contains(&route)
    }
}

/// A lane, or all lanes of a language, that cannot run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which.
    pub lane: String,
    /// Why.
    pub reason: String,
    /// What would help.
    pub remedy: String,
}

/// What the families need to start their lanes.
pub struct Starting<'a> {
    arguments: &'a Arguments,
    /// For what the lanes need to run; outlives them.
    folder: &'a Path,
    jdks: &'a [Jdk],
    routes: &'a [&'static dyn Route],
    pin: Pin,
    lanes: Vec<Lane>,
    missing: Vec<Missing>,
}

/// Starts every lane that can run here, and says of every other one why it cannot and what would help.
pub fn start(
    arguments: &Arguments,
    routes: &[&'static dyn Route],
    jdks: &[Jdk],
    folder: &Path,
) -> (Vec<Lane>, Vec<Missing>) {
    let (lanes, missing) = (Vec::new(), Vec::new());
    let mut starting = Starting { arguments, folder, jdks, routes, pin: arguments.pin, lanes, missing };
    for language in arguments.languages() {
        match language {
            Language::Rust => {
                rust::start(&mut starting);
                nginx::start(&mut starting);
            }
            Language::Java => {
                java::start(&mut starting);
                netty::start(&mut starting);
            }
            Language::Python => python::start(&mut starting),
        }
    }
    if let Some(wrong) = &arguments.wrong {
        rust::start_wrong(&mut starting, wrong);
    }
    starting.greet()
}

impl Starting<'_> {
    /// The methods of a table that are asked for.
    fn wanted<'m>(&self, language: Language, methods: &'m [Method]) -> Vec<&'m Method> {
        let serves = |method: &Method| self.routes.iter().any(|route| method.label(route.name()).is_some());
        methods.iter().filter(|method| self.arguments.wants(language, method) && serves(method)).collect()
    }

    fn spawn(&mut self, language: Language, runtime: &str, method: &'static Method, command: Command, remedy: &str) {
        match Lane::spawn(language, runtime, method, self.pin, command) {
            Ok(lane) => self.lanes.push(lane),
            Err(error) => self.missing.push(missing(&format!("{runtime} · {}", method.name), &error, remedy)),
        }
    }

    /// Waits until every lane has said that it runs; puts those that do not to the missing ones.
    fn greet(mut self) -> (Vec<Lane>, Vec<Missing>) {
        let mut ready = Vec::new();
        for mut lane in self.lanes {
            match lane.greet() {
                Ok(()) => ready.push(lane),
                Err(error) => {
                    let name = format!("{} · {}", lane.runtime, lane.method.name);
                    let remedy = match lane.language {
                        Language::Rust => rust::REMEDY,
                        Language::Java => java::REMEDY,
                        Language::Python => python::remedy(lane.method),
                    };
                    self.missing.push(missing(&name, &error, remedy));
                }
            }
        }
        (ready, self.missing)
    }
}

/// Every method of a language's families.
pub fn of(language: Language) -> impl Iterator<Item = &'static Method> {
    let tables: &[&[Method]] = match language {
        Language::Rust => &[rust::METHODS, nginx::METHODS],
        Language::Java => &[java::METHODS, netty::METHODS, netty::ZERO_COPY],
        Language::Python => &[python::METHODS],
    };
    tables.iter().copied().flatten()
}

/// Every method of every family.
pub fn all() -> impl Iterator<Item = &'static Method> {
    Language::ALL.into_iter().flat_map(of)
}

fn missing(lane: &str, error: &anyhow::Error, remedy: &str) -> Missing {
    Missing { lane: lane.to_string(), reason: format!("{error:#}"), remedy: remedy.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    fn references(tables: &[&'static [Method]], route: &str, demo: bool) -> usize {
        let methods = tables.iter().copied().flatten().filter(|method| method.demo || !demo);
        methods.filter(|method| method.is_reference(route) && method.label(route).is_some()).count()
    }

    #[test]
    fn every_language_of_the_demo_has_a_reference_and_zcio() {
        for table in [rust::METHODS, java::METHODS, python::METHODS] {
            for route in routes::DEMO {
                assert!(references(&[table], route, true) >= 1, "{route}");
                assert!(table.iter().any(|method| method.demo && method.zcio && method.label(route).is_some()));
            }
        }
    }

    #[test]
    fn whoever_serves_a_route_has_a_reference_there() {
        for tables in [
            &[rust::METHODS, nginx::METHODS][..],
            &[java::METHODS, netty::METHODS, netty::ZERO_COPY],
            &[python::METHODS],
        ] {
            for route in routes::ALL {
                let serving = tables.iter().copied().flatten().filter(|method| method.label(route.name()).is_some());
                assert!(serving.count() == 0 || references(tables, route.name(), false) >= 1, "{route:?}");
            }
        }
    }

    #[test]
    fn every_language_has_a_control_on_every_route() {
        for table in [rust::METHODS, java::METHODS, python::METHODS] {
            for route in routes::ALL {
                let serving: Vec<_> = table.iter().filter(|method| method.label(route.name()).is_some()).collect();
                assert_eq!(serving.iter().filter(|method| method.control).count(), 1, "{route:?}");
                assert!(serving.iter().any(|method| method.zcio) || table != rust::METHODS, "{route:?}");
            }
        }
    }

    #[test]
    fn zcio_is_judged_among_its_like() {
        for method in all().filter(|method| method.zcio) {
            let is_like = |other: &&Method| !other.zcio && !other.control && other.kind == method.kind;
            assert!(all().any(|other| is_like(&other)), "{}", method.name);
        }
    }

    #[test]
    fn every_name_in_a_table_is_a_route() {
        for method in all() {
            let names = method.routes.iter().flat_map(|(names, _)| *names).chain(method.reference);
            names.for_each(|name| assert!(routes::named(name).is_some(), "{name}"));
        }
    }
}
