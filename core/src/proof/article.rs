//! What the article says of a mechanism on a route.

use super::route::Route;
use crate::mechanism::Mechanism;

impl Route {
    /// The mechanisms that are tried on it.
    pub fn mechanisms(self) -> Vec<Mechanism> {
        Mechanism::ALL.iter().copied().filter(|mechanism| mechanism.proven_on().contains(&self)).collect()
    }

    /// What the article says about a mechanism here, if it says anything: it is about files sent to a network device.
    pub fn article(self, mechanism: Mechanism) -> Option<Article> {
        let gather = match self {
            Self::FileToTcp | Self::FileToTcpGather => true,
            Self::FileToTcpNoGather => false,
            _ => return None,
        };
        ARTICLE.into_iter().find(|article| {
            article.mechanism == mechanism && article.gather.is_none_or(|of_article| of_article == gather)
        })
    }
}

/// A line of the article's table.
///
/// ```
/// use zcio::Mechanism;
/// use zcio::proof::Route;
///
/// let article = Route::FileToTcp.article(Mechanism::Sendfile).unwrap();
/// assert_eq!((article.way, article.cpu_copies), ("sendfile + DMA gather copy", 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Article {
    /// What it calls the way.
    pub way: &'static str,
    /// Copies by the CPU.
    pub cpu_copies: u8,
    /// Copies by a device.
    pub dma_copies: u8,
    /// System calls.
    pub system_calls: u8,
    /// Switches between user and kernel mode.
    pub switches: u8,
    #[cfg_attr(feature = "cli", serde(skip))]
    mechanism: Mechanism,
    /// Whether the line is about a device with scatter-gather; `None`: it makes no difference to it.
    #[cfg_attr(feature = "cli", serde(skip))]
    gather: Option<bool>,
}

const ARTICLE: [Article; 5] = [
    line("read + write", 2, 2, Mechanism::ReadWrite, None),
    line("mmap + write", 1, 2, Mechanism::MmapWrite, None),
    line("sendfile", 1, 1, Mechanism::Sendfile, Some(false)),
    line("sendfile + DMA gather copy", 0, 1, Mechanism::Sendfile, Some(true)),
    line("splice", 0, 1, Mechanism::Splice, None),
];

const fn line(way: &'static str, cpu_copies: u8, calls: u8, mechanism: Mechanism, gather: Option<bool>) -> Article {
    Article { way, cpu_copies, dma_copies: 2, system_calls: calls, switches: 2 * calls, mechanism, gather }
}
