//! A whole file from path to path: cloned where the file system can, holes kept as holes, and on request with mode and
//! times, durable, and in place of another file in one moment.
//!
//! The bytes go by [`Transfer`](crate::Transfer)s, one for each range of data; what is added here is what makes a copy of
//! a file more than its bytes. Nothing that exists is touched before the source has been opened, and whatever fails,
//! no half of a file is left that was not there before. The measure is cp(1): what it is careful about, a copy is too.

mod data;
mod report;
mod request;
mod run;
mod zeroes;

pub use report::CopyReport;
pub use request::{Copy, Reflink};
