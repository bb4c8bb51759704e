//! The table for a terminal.

use std::fmt;

use super::Proof;

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(f, "{:?} {} {:?} {:?} {:?} {:?}", row.route, row.subject, row.claim, row.copies, row.calls, row.contradiction)?;
            writeln!(f, "    {:?}\n    {:?}", row.warm, row.cold)?;
        }
        writeln!(f, "{:?}", self.hazard)
    }
}
