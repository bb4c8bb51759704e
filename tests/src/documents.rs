//! What people read: the Rust examples in it are documentation tests.

/// The project's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The guide's page on Rust.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/en/rust.md")]
pub struct Guide;

/// The same page in Chinese.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/zh/rust.md")]
pub struct GuideInChinese;
