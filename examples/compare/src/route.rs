//! The routes a transfer can take: which end is a file and which is a TCP connection.
//!
//! A route knows nothing of languages; how each language serves it is in [`crate::roster`].

use std::fmt;

use serde::Serialize;

/// Where the bytes come from and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Route {
    /// From a file to a TCP receiver, until the receiver has taken the last byte.
    FileToTcp,
    /// From a TCP sender to a new file, until the last byte is in the page cache.
    TcpToFile,
    /// From a file to a new file, until the last byte is in the page cache.
    FileToFile,
}

impl Route {
    /// Every route, in the order in which they are measured and printed.
    pub const ALL: [Self; 3] = [Self::FileToTcp, Self::TcpToFile, Self::FileToFile];

    /// The name used on the command line, in the protocol and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FileToTcp => "file_to_tcp",
            Self::TcpToFile => "tcp_to_file",
            Self::FileToFile => "file_to_file",
        }
    }

    /// The inverse of [`Route::name`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.name() == name)
    }
}

/// As it stands above a table.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileToTcp => "file → TCP",
            Self::TcpToFile => "TCP → file",
            Self::FileToFile => "file → file",
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn one_name_on_the_command_line_in_the_protocol_and_in_json() {
        for route in Route::ALL {
            assert_eq!(Route::named(route.name()), Some(route));
            assert_eq!(route.to_possible_value().unwrap().get_name(), route.name());
            assert_eq!(serde_json::to_value(route).unwrap(), route.name());
        }
    }
}
