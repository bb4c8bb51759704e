//! The program behind `make demo`.
fn main() {}
