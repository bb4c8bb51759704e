//! The JDKs that are installed, and zcio's jar.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Language;
use crate::arguments::Arguments;

/// The oldest Java that zcio supports.
pub const OLDEST: u32 = 17;

/// A JDK that can run the lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jdk {
    /// Its folder, symbolic links resolved.
    pub home: PathBuf,
    /// `JAVA_VERSION` of its `release` file: `17.0.15`.
    pub version: String,
    /// The version's first number.
    pub major: u32,
}

impl Jdk {
    /// Reads `HOME/release`, which every JDK since 7 has.
    fn at(home: &Path) -> Result<Self> {
        let home = home.canonicalize().with_context(|| format!("no JDK at {}", home.display()))?;
        ensure!(home.join("bin/java").is_file(), "{} has no bin/java", home.display());
        let release = fs::read_to_string(home.join("release"))
            .with_context(|| format!("{} has no `release` file", home.display()))?;
        let version = version_of(&release).with_context(|| format!("no JAVA_VERSION in {}/release", home.display()))?;
        let major = version.split(['.', '-', '+']).next().unwrap_or_default().parse().context("JAVA_VERSION")?;
        ensure!(major >= OLDEST, "{} is Java {major}; zcio needs {OLDEST} or newer", home.display());
        Ok(Self { version: version.to_string(), major, home })
    }

    /// A real file of over 100 MB that every JDK brings along.
    pub fn modules(&self) -> PathBuf {
        self.home.join("lib/modules")
    }

    /// The command that runs Java, without a class yet.
    pub fn java(&self) -> Command {
        let mut command = Command::new(self.home.join("bin/java"));
        // Without it a JDK from 24 on warns of every native library (JEP 472); 17 knows it as an incubating option.
        if self.major >= 22 {
            command.arg("--enable-native-access=ALL-UNNAMED");
        }
        // Likewise of `sun.misc.Unsafe` (JEP 498), by which NIO's mappings can be closed.
        if self.major >= 23 {
            command.arg("--sun-misc-unsafe-memory-access=allow");
        }
        command
    }
}

fn version_of(release: &str) -> Option<&str> {
    release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=")).map(|value| value.trim().trim_matches('"'))
}

/// The JDKs to measure, oldest first: those that were named, or all that are found.
pub fn jdks(arguments: &Arguments) -> Result<Vec<Jdk>> {
    let mut jdks = if arguments.jdk.is_empty() {
        // What is not a JDK, or is too old, was not asked for either.
        places().iter().filter_map(|home| Jdk::at(home).ok()).collect()
    } else {
        arguments.jdk.iter().map(|home| Jdk::at(home)).collect::<Result<Vec<_>>>()?
    };
    jdks.sort_by_key(|jdk| (jdk.major, jdk.home.clone()));
    jdks.dedup();
    Ok(jdks)
}

fn places() -> Vec<PathBuf> {
    let installed = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().map(|entry| entry.path());
    installed.chain(env::var_os("JAVA_HOME").map(PathBuf::from)).collect()
}

/// Short names that tell JDKs apart: the first number of the version where that is enough, the whole of it otherwise.
pub fn names(jdks: &[Jdk]) -> Vec<String> {
    let mut of_major: BTreeMap<u32, u32> = BTreeMap::new();
    for jdk in jdks {
        *of_major.entry(jdk.major).or_default() += 1;
    }
    let name = |jdk: &Jdk| if of_major[&jdk.major] == 1 { jdk.major.to_string() } else { jdk.version.clone() };
    jdks.iter().map(|jdk| format!("{} {}", Language::Java.name(), name(jdk))).collect()
}

/// The jar of zcio that was built last.
pub fn newest_jar(folder: &Path) -> Result<PathBuf> {
    let is_jar = |path: &PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let extra = ["-sources", "-javadoc", "-tests"].iter().any(|end| name.ends_with(end));
        path.extension().is_some_and(|extension| extension == "jar") && name.starts_with("zcio-") && !extra
    };
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(is_jar)
        .max_by_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
        .with_context(|| format!("no jar of zcio in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jdk(version: &str) -> Jdk {
        let major = version.split('.').next().unwrap().parse().unwrap();
        Jdk { home: PathBuf::from(version), version: version.to_string(), major }
    }

    #[test]
    fn the_version_is_read_from_the_release_file() {
        assert_eq!(version_of("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\nOS_NAME=\"Linux\"\n"), Some("17.0.15"));
        assert_eq!(version_of("IMPLEMENTOR=\"x\"\n"), None);
    }

    #[test]
    fn names_tell_jdks_apart() {
        assert_eq!(names(&[jdk("17.0.15"), jdk("25.0.3")]), ["Java 17", "Java 25"]);
        assert_eq!(names(&[jdk("17.0.1"), jdk("17.0.2"), jdk("25")]), ["Java 17.0.1", "Java 17.0.2", "Java 25"]);
    }

    #[test]
    fn sources_and_javadoc_are_not_taken_for_the_jar() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest_jar(folder.path()).is_err());
        for name in ["zcio-1.jar", "zcio-1-sources.jar", "zcio-1-javadoc.jar", "other-1.jar"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(newest_jar(folder.path()).unwrap(), folder.path().join("zcio-1.jar"));
    }
}
