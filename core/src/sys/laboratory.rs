//! What only the experiments ask of the kernel (cargo feature `laboratory`): counters, children, namespaces, page tables.

pub(crate) mod child;
pub(crate) mod fiemap;
pub(crate) mod namespace;
pub(crate) mod page_table;
pub(crate) mod pages;
pub(crate) mod segment;
pub(crate) mod tracepoint;
pub(crate) mod usage;
