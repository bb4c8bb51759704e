//! Which ways of moving bytes are compared: a table of languages, methods and routes, and no code that runs them.
//!
//! A method is measured only on the routes where it means something; its label says what the program of that language
//! calls there. One method per language and route is the *reference*: the best the language does without zcio, as its own
//! documentation recommends it. Ratios are taken against it and never across languages.

use serde::Serialize;

use crate::route::Route;
use Route::{FileToFile, FileToTcp, TcpToFile};

/// A language with lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// The core, and the standard library beside it.
    Rust,
    /// On each JDK that is installed.
    Java,
    /// One interpreter.
    Python,
}

/// A way of moving bytes, served by one lane process.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// The argument that a lane process is started with.
    pub name: &'static str,
    /// The routes it serves, and what it is called there.
    pub routes: &'static [(Route, &'static str)],
    /// The routes on which the other methods of its language are measured against it.
    pub reference: &'static [Route],
}

/// The name of the method that is being judged.
pub const ZCIO: &str = "zcio";

const RUST: &[Method] = &[
    Method {
        name: "std",
        routes: &[(FileToTcp, "std::io::copy"), (TcpToFile, "std::io::copy"), (FileToFile, "std::io::copy")],
        reference: &Route::ALL,
    },
    Method { name: ZCIO, routes: &[(FileToTcp, ZCIO), (TcpToFile, ZCIO), (FileToFile, ZCIO)], reference: &[] },
];

const JAVA: &[Method] = &[
    Method {
        name: "streams",
        routes: &[(FileToTcp, "streams, 8 KiB"), (TcpToFile, "streams, 8 KiB"), (FileToFile, "streams, 8 KiB")],
        reference: &[],
    },
    Method {
        name: "transfer_to",
        routes: &[(FileToTcp, "NIO transferTo"), (FileToFile, "NIO transferTo")],
        reference: &[FileToTcp, FileToFile],
    },
    Method {
        name: "transfer_from",
        routes: &[(TcpToFile, "NIO transferFrom"), (FileToFile, "NIO transferFrom")],
        reference: &[TcpToFile],
    },
    Method {
        name: "map_write",
        routes: &[(FileToTcp, "NIO map + write"), (FileToFile, "NIO map + write")],
        reference: &[],
    },
    Method { name: ZCIO, routes: &[(FileToTcp, ZCIO), (TcpToFile, ZCIO), (FileToFile, ZCIO)], reference: &[] },
];

const PYTHON: &[Method] = &[
    Method {
        name: "loop",
        routes: &[
            (FileToTcp, "read + sendall, 64 KiB"),
            (TcpToFile, "recv + write, 64 KiB"),
            (FileToFile, "read + write, 64 KiB"),
        ],
        reference: &[],
    },
    Method {
        name: "stdlib",
        routes: &[
            (FileToTcp, "socket.sendfile"),
            (TcpToFile, "recv_into + write, 256 KiB"),
            (FileToFile, "shutil.copyfile"),
        ],
        reference: &Route::ALL,
    },
    Method { name: ZCIO, routes: &[(FileToTcp, ZCIO), (TcpToFile, ZCIO), (FileToFile, ZCIO)], reference: &[] },
];

/// A Rust lane that changes one byte. Only tests ask for it.
pub const WRONG_BYTE: &str = "wrong_byte";
/// A Rust lane that, after its first job, leaves the last byte out and denies it. Only tests ask for it.
pub const WRONG_COUNT: &str = "wrong_count";

/// What [`WRONG_BYTE`] and [`WRONG_COUNT`] name.
pub const WRONG: &[Method] = &[
    Method {
        name: WRONG_BYTE,
        routes: &[(FileToTcp, WRONG_BYTE), (TcpToFile, WRONG_BYTE), (FileToFile, WRONG_BYTE)],
        reference: &[],
    },
    Method {
        name: WRONG_COUNT,
        routes: &[(FileToTcp, WRONG_COUNT), (TcpToFile, WRONG_COUNT), (FileToFile, WRONG_COUNT)],
        reference: &[],
    },
];

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

    /// The methods that are compared in this language, in the order in which they are printed.
    pub const fn methods(self) -> &'static [Method] {
        match self {
            Self::Rust => RUST,
            Self::Java => JAVA,
            Self::Python => PYTHON,
        }
    }
}

impl Method {
    /// What it is called on that route, if it serves it.
    pub fn label(&self, route: Route) -> Option<&'static str> {
        self.routes.iter().find(|(served, _)| *served == route).map(|(_, label)| *label)
    }

    /// Whether it serves one of those routes.
    pub fn serves_any(&self, routes: &[Route]) -> bool {
        routes.iter().any(|&route| self.label(route).is_some())
    }

    /// Whether its language is measured against it on that route.
    pub fn is_reference(&self, route: Route) -> bool {
        self.reference.contains(&route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_one_reference_and_zcio_on_every_route() {
        for language in Language::ALL {
            for route in Route::ALL {
                let serving: Vec<_> = language.methods().iter().filter(|m| m.label(route).is_some()).collect();
                assert_eq!(serving.iter().filter(|m| m.is_reference(route)).count(), 1, "{language:?} {route}");
                assert_eq!(serving.iter().filter(|m| m.name == ZCIO).count(), 1, "{language:?} {route}");
            }
        }
    }
}
