//! How much of what `zerocopy_receive` moved was mapped, and why nothing was: what the kernel asks of a page, beside what the
//! queues of this machine have.

use std::fmt;
use std::os::fd::BorrowedFd;

use crate::report::Report;
use crate::sys::laboratory::segment;
use crate::sys::memory::page_size;

/// Whether the kernel takes single pages for what is sent: it is a setting of the whole machine.
const SINGLE_PAGES: &str = "/proc/sys/net/core/high_order_alloc_disable";

/// What became of the pages of a socket's queue.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::{Options, Route, Subject, examine};
///
/// let row = examine(Route::TcpToRegion, &Subject::engine(Mechanism::ZerocopyReceive), &Options::quick());
/// if let Some(mapped) = row.warm.value().and_then(|cost| cost.mapped.as_ref()) {
///     assert_eq!(mapped.bytes == 0, mapped.why_none.is_some());
///     println!("{mapped}");
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Mapped {
    /// Bytes that were mapped; the others were copied.
    pub bytes: u64,
    /// Why none was, in a sentence.
    pub why_none: Option<String>,
}

impl Mapped {
    /// Of what came from that socket.
    pub(super) fn of(report: &Report, socket: BorrowedFd<'_>) -> Self {
        let why_none = || {
            let single = std::fs::read_to_string(SINGLE_PAGES).ok().map(|text| text.trim() != "0");
            why_none(single, segment::received(socket).ok(), page_size())
        };
        Self { bytes: report.mapped, why_none: (report.mapped == 0).then(why_none) }
    }
}

/// `single`: whether buffers are single pages, `segment`: the length of a segment in bytes, as far as they are known.
fn why_none(single: Option<bool>, segment: Option<usize>, page: usize) -> String {
    let buffers = match single {
        Some(true) => None,
        Some(false) => {
            Some("its buffers are of several pages each (net.core.high_order_alloc_disable is 0)".to_string())
        }
        None => Some(format!("this process cannot see whether its buffers are single ones ({SINGLE_PAGES})")),
    };
    let segments = segment.filter(|segment| !segment.is_multiple_of(page)).map(|segment| {
        format!("its segments of {segment} bytes, which follow from the device's MTU, are no whole pages")
    });
    let reasons: Vec<_> = [buffers, segments].into_iter().flatten().collect();
    let found =
        if reasons.is_empty() { "it had none although it could have".to_string() } else { reasons.join(", and ") };
    format!("the kernel maps single whole pages of {page} bytes from a socket's queue; {found}")
}

impl fmt::Display for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why_none {
            Some(reason) => write!(f, "nothing: {reason}"),
            None => write!(f, "{} bytes", self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_said_and_none_that_is_not_known() {
        for (single, segment, said) in [
            (Some(false), Some(65483), vec!["several pages", "65483"]),
            (Some(true), Some(65483), vec!["65483"]),
            (Some(false), Some(61440), vec!["several pages"]),
            (Some(true), Some(61440), vec!["although it could"]),
            (None, None, vec!["cannot see"]),
        ] {
            let sentence = why_none(single, segment, 4096);
            for word in ["several pages", "65483", "although it could", "cannot see"] {
                assert_eq!(sentence.contains(word), said.contains(&word), "{sentence}");
            }
        }
    }
}
