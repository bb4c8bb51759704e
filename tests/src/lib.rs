//! Ends of every kind, for the tests beside this crate.
