//! The price of sharing pages, shown: a file that is changed in flight arrives changed, unless a snapshot was asked for.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use super::ends::{self, Sink};
use super::network::Network;
use super::options::Options;
use crate::endpoint::Endpoint;
use crate::mechanism::Mechanism;
use crate::step::Visibility;
use crate::transfer::Transfer;

/// What was in the file, what it was changed to after the transfer had returned, and what arrived.
///
/// ```
/// use zcio::proof::{Options, hazard};
///
/// if let Ok(hazard) = hazard(&Options::quick()) {
///     assert_eq!(hazard.snapshot.text, hazard.sent);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Hazard {
    /// What the file said when it was sent.
    pub sent: String,
    /// What it was changed to afterwards, before the receiver read.
    pub changed_to: String,
    /// What arrived with [`Visibility::Aliased`], the default.
    pub aliased: Arrival,
    /// What arrived with [`Visibility::Snapshot`].
    pub snapshot: Arrival,
}

/// What a receiver got.
///
/// ```
/// use zcio::proof::{Options, hazard};
///
/// if let Ok(hazard) = hazard(&Options::quick()) {
///     println!("{:?} by {}", hazard.aliased.text, hazard.aliased.mechanism);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Arrival {
    /// The mechanism that was chosen.
    #[cfg_attr(feature = "cli", serde(serialize_with = "by_name"))]
    pub mechanism: Mechanism,
    /// The bytes that arrived.
    pub text: String,
}

const SENT: &str = "pay 100 to Alice";
const CHANGED: &str = "pay 999 to Trudy";

/// Sends a small file over loopback TCP twice, once each way, and changes it each time after the transfer has returned.
pub fn hazard(options: &Options) -> io::Result<Hazard> {
    Ok(Hazard {
        sent: SENT.into(),
        changed_to: CHANGED.into(),
        aliased: arrival(options, Visibility::Aliased)?,
        snapshot: arrival(options, Visibility::Snapshot)?,
    })
}

fn arrival(options: &Options, visibility: Visibility) -> io::Result<Arrival> {
    let file = ends::nameless(&options.directory)?;
    file.write_all_at(SENT.as_bytes(), 0)?;
    let mut sink = Sink::tcp(&Network::loopback())?;
    let report = Transfer::new(Endpoint::new(file.as_fd()).map_err(crate::Error::whole)?, sink.end()?)
        .visibility(visibility)
        .run()
        .map_err(crate::Error::whole)?;
    file.write_all_at(CHANGED.as_bytes(), 0)?;
    let received = sink.receive(SENT.len())?;
    Ok(Arrival { mechanism: report.mechanism, text: String::from_utf8_lossy(&received).into_owned() })
}

/// Mechanisms are written by name.
#[cfg(feature = "cli")]
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
fn by_name<S: serde::Serializer>(mechanism: &crate::Mechanism, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mechanism.name())
}
