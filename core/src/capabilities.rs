//! What this kernel, this process and these file systems allow, with the reason for each no.
//!
//! Everything is found out by asking: a small, harmless call of the thing itself, on descriptors made for it and gone
//! afterwards. Nothing is changed outside them: no module is loaded, no limit moved, no named file left. A transfer does not
//! need any of this, because an automatic one meets a refusal and goes on; it is for people and programs that want to know
//! beforehand, and for the one who asks why a server is slower than a laptop.
//!
//! A seccomp filter that *kills* for a call instead of answering it kills here, too.

mod answer;
mod path;
mod probes;
mod reasons;

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use crate::error::Result;
use crate::mechanism::Mechanism;
use crate::sys::fork::PerProcess;
pub use answer::{Answer, Capability, Cause};

/// A list of answers. `Display` prints them as a plain table.
///
/// ```
/// use zcio::{Answer, Capabilities};
///
/// for capability in Capabilities::get().iter() {
///     if let Answer::No(cause) = capability.answer {
///         println!("{}: {} ({})", capability.name, capability.reason, cause.name());
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities(Vec<Capability>);

impl Capabilities {
    /// Asks for everything, now: about forty system calls, well under a millisecond.
    ///
    /// The answers are those of the calling thread: a seccomp filter can belong to one thread alone.
    pub fn probe() -> Self {
        Self(probes::all())
    }

    /// The answers of the first call in this process.
    pub fn get() -> &'static Self {
        static FIRST: PerProcess<OnceLock<Capabilities>> = PerProcess::new(OnceLock::new);
        FIRST.get().get_or_init(Self::probe)
    }

    /// What the file system at this path does: of a directory, or of the directory that a file is in.
    ///
    /// Works on two unnamed files in that directory, of one block at most, which are gone afterwards.
    ///
    /// # Errors
    ///
    /// That of open(2), with the path: files must be allowed there.
    pub fn of_path(path: impl AsRef<Path>) -> Result<Self> {
        path::all(path.as_ref()).map(Self)
    }

    /// The answers, mechanisms first.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.0.iter()
    }

    /// The answer about that name, if it was asked for.
    pub fn find(&self, name: &str) -> Option<&Capability> {
        self.0.iter().find(|capability| capability.name == name)
    }

    /// Whether a mechanism can be had here, as far as that does not depend on its two ends.
    pub fn allows(&self, mechanism: Mechanism) -> bool {
        self.find(mechanism.name()).is_none_or(|capability| !matches!(capability.answer, Answer::No(_)))
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Capability { name, answer, errno, reason } in &self.0 {
            let (word, cause) = match answer {
                Answer::Yes => ("yes", ""),
                Answer::No(cause) => ("no", cause.name()),
                Answer::AskPath => ("?", ""),
            };
            let errno = errno.map_or(String::new(), |errno| format!("(errno {errno})"));
            let line = format!("{name:<16} {word:<4} {cause:<15} {reason} {errno}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mechanism_is_asked_for_once() {
        let capabilities = Capabilities::probe();
        for mechanism in Mechanism::ALL {
            let count = capabilities.iter().filter(|capability| capability.name == mechanism.name()).count();
            assert_eq!(count, 1, "{mechanism}");
        }
        assert!(capabilities.allows(Mechanism::ReadWrite));
    }

    #[test]
    fn each_no_has_a_reason_and_the_table_says_it() {
        let directory = tempfile::tempdir().unwrap();
        for capabilities in [Capabilities::probe(), Capabilities::of_path(directory.path()).unwrap()] {
            let table = capabilities.to_string();
            println!("{table}");
            for capability in capabilities.iter() {
                let Answer::No(cause) = capability.answer else { continue };
                assert!(!capability.reason.is_empty(), "{}", capability.name);
                let line = table.lines().find(|line| line.starts_with(capability.name)).unwrap();
                assert!(line.contains(cause.name()) && line.contains(&capability.reason), "{line}");
            }
        }
    }

    #[test]
    fn a_path_is_asked_without_leaving_anything_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"untouched").unwrap();
        let capabilities = Capabilities::of_path(&file).unwrap();
        for name in ["reflink", "direct_io", "copy_file_range", "dioalign", "dontcache"] {
            assert!(!matches!(capabilities.find(name).unwrap().answer, Answer::AskPath), "{name}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read(&file).unwrap(), b"untouched");
        let missing = directory.path().join("missing").join("below");
        let error = Capabilities::of_path(&missing).unwrap_err();
        assert_eq!((error.kind(), error.path().is_some()), (crate::ErrorKind::NotFound, true));
    }
}
