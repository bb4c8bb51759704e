//! Was it copied? Measured, on this machine, for each mechanism and route, beside what the well-known article says.
//!
//! The article's table counts copies by the CPU, copies by devices, system calls and switches between user and kernel mode
//! for five ways to send a file. It is right about an idea and wrong about details, and nobody has published a measured one.
//! [`Proof::run`] makes it: every cell says how it is known ([`Evidence`]), or why it is not.
//!
//! * Copies: the source is changed after the bytes were moved and before they are read. New bytes at the receiver mean that
//!   no copy has been made, old ones that at least one has. For mechanisms made of two system calls the experiment is
//!   repeated after each. A zero-copy send has the kernel's own verdict; shared blocks have the file system's list.
//! * Costs: counters of the kernel around a transfer of some megabytes, with the source in the page cache and not.
//!
//! As root, networks and, if need be, an XFS are made in namespaces that nobody else sees and that end with the process.
//! Without root those rows are unknown and say so. Nothing of the machine's is changed.
//!
//! ```
//! use zcio::Mechanism;
//! use zcio::proof::{Options, Route, Subject, examine};
//!
//! let row = examine(Route::FileToPipe, &Subject::engine(Mechanism::Sendfile), &Options::quick());
//! let copies = row.copies.value().ok_or(row.copies.reason().unwrap_or_default())?;
//! assert_eq!((copies.least, copies.most), (0, Some(0)));
//! # Ok::<(), String>(())
//! ```
//!
//! What is proven of a [`Subject`] is what it did in these experiments, with as many bytes as they move.

mod aliasing;
mod article;
mod blocks;
mod cell;
mod corrections;
mod cost;
mod counters;
mod ends;
mod hazard;
mod helper;
mod mapped;
mod network;
mod options;
mod privilege;
mod route;
mod row;
mod setting;
mod sharing;
mod subject;
mod table;
mod veth;
mod witness;

pub use aliasing::{Seen, Step};
pub use article::Article;
pub use blocks::Blocks;
pub use cell::{Cell, Evidence};
pub use cost::Cost;
pub use counters::{BlockBytes, Interrupts};
pub use hazard::{Arrival, Hazard, hazard};
pub use mapped::Mapped;
pub use options::Options;
pub use route::Route;
pub use row::{Claim, CopyCount, Row};
pub use subject::Subject;

use cost::Section;
use setting::Setting;

/// The whole table. `Display` prints it, in at most 120 columns.
///
/// ```
/// use zcio::proof::{Options, Proof};
///
/// let proof = Proof::run(&Options::default().size(1 << 20));
/// println!("{proof}");
/// assert_eq!(proof.contradictions().count(), 0);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Proof {
    /// The kernel's release.
    pub kernel: String,
    /// Bytes that a measured transfer moved.
    pub size: u64,
    /// Every mechanism on every route.
    pub rows: Vec<Row>,
    /// The snapshot hazard, or why it could not be shown.
    pub hazard: Cell<Hazard>,
}

impl Proof {
    /// Makes the table: some seconds. Nothing in it fails as a whole; what could not be found out says why.
    pub fn run(options: &Options) -> Self {
        Self::run_watched(options, |_| {})
    }

    /// The same, with a word before each route.
    pub fn run_watched(options: &Options, mut watch: impl FnMut(Route)) -> Self {
        let setting = Setting::new(options);
        let rows = Route::ALL.iter().flat_map(|&route| {
            watch(route);
            let subjects: Vec<_> = route.mechanisms().into_iter().map(Subject::engine).collect();
            rows(&setting, route, &subjects, options)
        });
        Self {
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim_end().to_string(),
            size: options.size,
            rows: rows.collect(),
            hazard: Cell::of(hazard(options), Evidence::Aliasing),
        }
    }

    /// The row of a subject on a route.
    pub fn find(&self, route: Route, subject: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.route == route && row.subject == subject)
    }

    /// The rows in which a claim and a measurement contradict each other; empty if all is as it should be.
    pub fn contradictions(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.contradiction.is_some())
    }

    /// The table as a JSON object.
    #[cfg(feature = "cli")]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names, numbers and lists have a form in JSON")
    }
}

/// Examines one subject on one route.
pub fn examine(route: Route, subject: &Subject, options: &Options) -> Row {
    let rows = rows(&Setting::new(options), route, std::slice::from_ref(subject), options);
    rows.into_iter().next().expect("one subject has one row")
}

fn rows(setting: &Setting, route: Route, subjects: &[Subject], options: &Options) -> Vec<Row> {
    let section = setting.sink(route, 1).and_then(|_| Section::new(setting, route, options.size));
    let row = |subject| match &section {
        Ok(section) => Row::of(setting, section, subject),
        Err(error) => Row::unknown(route, subject, error),
    };
    subjects.iter().map(row).collect()
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_every_row_with_its_evidence_or_a_reason() {
        let proof = Proof::run(&Options { size: 1 << 20, ..Options::default() });
        let json: serde_json::Value = serde_json::from_str(&proof.to_json()).unwrap();
        let rows = json["rows"].as_array().unwrap();
        assert_eq!(rows.len(), Route::ALL.iter().map(|route| route.mechanisms().len()).sum::<usize>());
        for row in rows {
            for cell in ["copies", "warm", "cold"] {
                let cell = &row[cell];
                assert!(
                    cell["known_by"].is_string() && !cell["value"].is_null() || cell["unknown"].is_string(),
                    "{row}"
                );
            }
        }
        let sendfile = rows.iter().find(|row| row["route"] == "file_to_tcp" && row["subject"] == "sendfile").unwrap();
        assert_eq!(
            (&sendfile["copies"]["value"]["most"], &sendfile["copies"]["known_by"]),
            (&0.into(), &"aliasing".into())
        );
        assert_eq!(
            (&sendfile["article"]["switches"], &sendfile["warm"]["value"]["bytes"]),
            (&2.into(), &(1 << 20).into())
        );
        assert_eq!(json["hazard"]["value"]["aliased"]["mechanism"], "sendfile");
        let received = rows.iter().find(|row| row["subject"] == "zerocopy_receive").unwrap();
        if received["warm"]["value"].is_object() {
            let mapped = &received["warm"]["value"]["mapped"];
            assert_eq!(mapped["bytes"] == 0, mapped["why_none"].is_string(), "{mapped}");
            assert!(
                mapped["why_none"].is_null() || proof.to_string().contains("mapped: nothing: the kernel maps"),
                "{proof}"
            );
        }
    }
}
