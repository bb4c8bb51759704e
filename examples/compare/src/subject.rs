//! The files that are moved: one that was named, or one of each size, made once on each file system.
//!
//! Content is pseudo-random, so that nothing on the way can compress it or find a repeated page, and a byte at the wrong
//! place is seen. What ought to arrive is worked out here, from the file, before any lane touches it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::places::{Place, Places};

/// Bytes per read when content is looked at.
const BLOCK: usize = 1 << 20;

/// A file that is moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its size in bytes, never 0.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What arrived at a receiving end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal, where they were looked at.
    pub sha256: Option<String>,
}

impl Content {
    /// Only counted.
    pub fn counted(bytes: u64) -> Self {
        Self { bytes, sha256: None }
    }

    /// That this is what ought to have arrived.
    pub fn expect(&self, wanted: &Self) -> Result<()> {
        ensure!(self.bytes == wanted.bytes, "{} bytes arrived instead of {}", self.bytes, wanted.bytes);
        if let (Some(sha256), Some(wanted)) = (&self.sha256, &wanted.sha256) {
            ensure!(sha256 == wanted, "other bytes arrived: SHA-256 {sha256} instead of {wanted}");
        }
        Ok(())
    }
}

impl Subject {
    /// Reads the whole file, which also brings it into the page cache.
    pub fn open(path: &Path) -> Result<Self> {
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        ensure!(path.is_file(), "{} is not a regular file", path.display());
        let opened = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let content = hash(opened)?;
        ensure!(content.bytes > 0, "{} is empty: there is nothing to measure", path.display());
        Ok(Self { path, bytes: content.bytes, sha256: content.sha256.unwrap_or_default() })
    }

    /// The path as text, which the lanes' protocol is.
    pub fn text(&self) -> Result<&str> {
        path_text(&self.path)
    }

    /// What arrives when it is sent that often.
    pub fn content(&self, times: u64) -> Result<Content> {
        if times == 1 {
            return Ok(Content { bytes: self.bytes, sha256: Some(self.sha256.clone()) });
        }
        let mut hasher = Sha256::new();
        let bytes = fs::read(&self.path)?;
        (0..times).for_each(|_| hasher.update(&bytes));
        Ok(Content { bytes: self.bytes * times, sha256: Some(hexadecimal(&hasher.finalize())) })
    }

    /// CRC-32 of the whole file, as zlib computes it.
    pub fn crc32(&self) -> Result<u32> {
        let mut hasher = crc32fast::Hasher::new();
        let mut source = File::open(&self.path)?;
        let mut block = vec![0; BLOCK];
        loop {
            match source.read(&mut block)? {
                0 => return Ok(hasher.finalize()),
                count => hasher.update(&block[..count]),
            }
        }
    }
}

/// Every file of a run.
pub struct Subjects<'a> {
    places: &'a Places,
    given: Option<Subject>,
    made: RefCell<HashMap<(Place, u64), Subject>>,
}

impl<'a> Subjects<'a> {
    /// `given` is moved on every route; without it there is a file of each size.
    pub fn new(places: &'a Places, given: Option<Subject>) -> Self {
        Self { places, given, made: RefCell::default() }
    }

    /// The one file of this run, if it was named.
    pub fn given(&self) -> Option<&Subject> {
        self.given.as_ref()
    }

    /// The file of that size at that place.
    pub fn get(&self, place: Place, bytes: u64) -> Result<Subject> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        if let Some(subject) = self.made.borrow().get(&(place, bytes)) {
            return Ok(subject.clone());
        }
        let path = self.places.folder(place)?.join(format!("subject-{bytes}"));
        fill(&path, bytes).with_context(|| format!("cannot make {}", path.display()))?;
        let subject = Subject::open(&path)?;
        self.made.borrow_mut().insert((place, bytes), subject.clone());
        Ok(subject)
    }
}

/// Writes pseudo-random bytes (splitmix64) and waits until they are on the disk, so that no write-back disturbs a run.
pub fn fill(path: &Path, bytes: u64) -> Result<()> {
    let mut out = BufWriter::with_capacity(BLOCK, File::create(path)?);
    let mut state = bytes;
    let mut left = bytes;
    while left > 0 {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let count = left.min(8) as usize;
        out.write_all(&(word ^ (word >> 31)).to_le_bytes()[..count])?;
        left -= count as u64;
    }
    Ok(out.into_inner()?.sync_all()?)
}

/// Reads until the end and hashes every byte.
pub fn hash(mut source: impl Read) -> Result<Content> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        match source.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&block[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read what is to be checked"),
        }
    }
    Ok(Content { bytes, sha256: Some(hexadecimal(&hasher.finalize())) })
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A path for the lanes' protocol.
pub fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8, which the lanes' protocol is", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_are_accepted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"abc").unwrap();
        let subject = Subject::open(file.path()).unwrap();
        let wanted = subject.content(1).unwrap();
        // The first example of FIPS 180-4, and the check value of CRC-32 for it.
        assert_eq!(subject.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(subject.crc32().unwrap(), 0x3524_41C2);
        let hashed = |bytes: &[u8]| hash(bytes).unwrap();
        assert!(hashed(b"abc").expect(&wanted).is_ok());
        assert!(hashed(b"abd").expect(&wanted).unwrap_err().to_string().contains("other bytes arrived"));
        assert!(hashed(b"ab").expect(&wanted).is_err());
        assert!(Content::counted(3).expect(&wanted).is_ok());
        assert!(Content::counted(2).expect(&wanted).is_err());
        assert!(hashed(b"abcabc").expect(&subject.content(2).unwrap()).is_ok());
    }

    #[test]
    fn an_empty_or_a_missing_file_or_a_folder_cannot_be_measured() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, b"").unwrap();
        for path in [empty.as_path(), folder.path(), &folder.path().join("missing")] {
            assert!(Subject::open(path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn a_made_file_has_its_size_and_no_repeated_page() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fill(file.path(), 12_291).unwrap();
        let bytes = fs::read(file.path()).unwrap();
        assert_eq!(bytes.len(), 12_291);
        assert_ne!(bytes[..4096], bytes[4096..8192]);
    }
}
