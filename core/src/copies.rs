//! How often the CPU copied each byte, and how that is known.

/// How often the CPU copied each byte on its way, and how that is known.
///
/// ```
/// use zcio::{Endpoint, KnownBy, Transfer};
///
/// let (_reader, writer) = std::io::pipe()?;
/// let report = Transfer::new(Endpoint::bytes(b"a few bytes"), Endpoint::new(&writer)?).run()?;
/// assert_eq!((report.copies.count, report.copies.known_by), (Some(1), KnownBy::Model));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copies {
    /// Copies by the CPU between the source's pages and the sink's; `None` where it cannot be known from here.
    pub count: Option<u8>,
    /// Where the knowledge comes from.
    pub known_by: KnownBy,
}

/// Where the knowledge about copies comes from.
///
/// ```
/// use zcio::KnownBy;
///
/// let names: Vec<_> = KnownBy::ALL.iter().map(|known_by| known_by.name()).collect();
/// assert_eq!(names, ["model", "kernel", "unknown"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownBy {
    /// The way the mechanism works between these kinds of ends.
    Model,
    /// The kernel said so (the notification of a zero-copy send).
    Kernel,
    /// Not known: it depends on the network device (scatter-gather) or on the file system (shared blocks).
    Unknown,
}

impl KnownBy {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Model, Self::Kernel, Self::Unknown];

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Kernel => "kernel",
            Self::Unknown => "unknown",
        }
    }
}

impl Copies {
    /// What follows from the way a mechanism works; `None` where that does not tell.
    pub(crate) const fn by_model(count: Option<u8>) -> Self {
        Self { count, known_by: if count.is_some() { KnownBy::Model } else { KnownBy::Unknown } }
    }
}
