//! The native half of `io.zcio`.
