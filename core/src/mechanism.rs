//! The names of the ways the kernel can move bytes, as users write and read them.
//!
//! What there is to know of each one stands in its own file under `mechanisms/`; in which order they are tried, in
//! [`crate::plan`].

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
pub use crate::mechanisms::Mechanism;

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = Error;

    /// The mechanism of that name; [`ErrorKind::InvalidInput`] with the list of names otherwise.
    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|mechanism| mechanism.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|mechanism| mechanism.name()).collect();
            Error::new(
                ErrorKind::InvalidInput,
                format!("unknown mechanism {name:?}; the mechanisms are {}", names.join(", ")),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for &mechanism in Mechanism::ALL {
            assert_eq!(mechanism.name().parse::<Mechanism>().unwrap(), mechanism);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "teleport".parse::<Mechanism>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        for mechanism in Mechanism::ALL {
            assert!(error.to_string().contains(mechanism.name()), "{error}");
        }
    }
}
