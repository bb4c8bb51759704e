//! Starts every lane that can run here, and says of every other one why it cannot and what would help.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::arguments::Arguments;
use crate::java::{self, Jdk, Program};
use crate::lane::Lane;
use crate::roster::{Language, Method, WRONG};
use crate::route::Route;

/// The Python lane's program; carried along so that the one that runs is always the one that was built.
const PYTHON_LANE: &str = include_str!("../lanes/lane.py");

/// A lane, or all lanes of a language, that cannot run here.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// Which.
    pub lane: String,
    /// Why.
    pub reason: String,
    /// What would help.
    pub remedy: &'static str,
}

/// Lanes that have been spawned, and those that could not be.
struct Starting<'a> {
    routes: &'a [Route],
    lanes: Vec<Lane>,
    missing: Vec<Missing>,
}

/// Starts them. `folder` is for what the lanes need to run and must outlive them.
pub fn lanes(arguments: &Arguments, jdks: &[Jdk], folder: &Path) -> Result<(Vec<Lane>, Vec<Missing>)> {
    let mut starting = Starting { routes: &arguments.routes(), lanes: Vec::new(), missing: Vec::new() };
    for language in arguments.languages() {
        match language {
            Language::Rust => starting.rust(language.methods())?,
            Language::Java => starting.java(arguments, jdks, folder),
            Language::Python => starting.python(arguments, folder)?,
        }
    }
    if let Some(wrong) = &arguments.wrong {
        starting.rust(WRONG.iter().filter(|method| method.name == wrong))?;
    }
    Ok(starting.greet())
}

impl Starting<'_> {
    fn rust(&mut self, methods: impl IntoIterator<Item = &'static Method>) -> Result<()> {
        let this_program = env::current_exe().context("cannot find this program")?;
        for method in methods {
            let mut command = Command::new(&this_program);
            command.arg("lane").arg(method.name);
            self.spawn(Language::Rust, Language::Rust.name(), method, command);
        }
        Ok(())
    }

    fn java(&mut self, arguments: &Arguments, jdks: &[Jdk], folder: &Path) {
        if jdks.is_empty() {
            let reason = "no JDK of 17 or newer in /usr/lib/jvm, and none in JAVA_HOME".to_string();
            self.missing.push(all_missing(Language::Java, reason));
            return;
        }
        match Program::compile(jdks, arguments.jar.as_deref(), folder) {
            Ok(program) => {
                for (jdk, name) in jdks.iter().zip(java::names(jdks)) {
                    for method in Language::Java.methods() {
                        self.spawn(Language::Java, &name, method, jdk.lane(&program, method.name));
                    }
                }
            }
            Err(error) => self.missing.push(all_missing(Language::Java, format!("{error:#}"))),
        }
    }

    fn python(&mut self, arguments: &Arguments, folder: &Path) -> Result<()> {
        let interpreter = arguments.python.clone().unwrap_or_else(default_python);
        let program = folder.join("lane.py");
        fs::write(&program, PYTHON_LANE)?;
        for method in Language::Python.methods() {
            let mut command = Command::new(&interpreter);
            command.arg(&program).arg(method.name);
            self.spawn(Language::Python, Language::Python.name(), method, command);
        }
        Ok(())
    }

    fn spawn(&mut self, language: Language, runtime: &str, method: &'static Method, command: Command) {
        if !method.serves_any(self.routes) {
            return;
        }
        match Lane::spawn(language, runtime, method, command) {
            Ok(lane) => self.lanes.push(lane),
            Err(error) => self.missing.push(missing(language, runtime, method, &error)),
        }
    }

    /// Waits until every lane has said that it runs; puts those that do not to the missing ones.
    fn greet(mut self) -> (Vec<Lane>, Vec<Missing>) {
        let mut ready = Vec::new();
        for mut lane in self.lanes {
            match lane.greet() {
                Ok(()) => ready.push(lane),
                Err(error) => self.missing.push(missing(lane.language, &lane.runtime, lane.method, &error)),
            }
        }
        (ready, self.missing)
    }
}

fn all_missing(language: Language, reason: String) -> Missing {
    Missing { lane: language.name().to_string(), reason, remedy: remedy(language) }
}

fn missing(language: Language, runtime: &str, method: &Method, error: &anyhow::Error) -> Missing {
    Missing { lane: format!("{runtime} · {}", method.name), reason: format!("{error:#}"), remedy: remedy(language) }
}

const fn remedy(language: Language) -> &'static str {
    match language {
        Language::Rust => "build this program again",
        Language::Java => "install a JDK (Debian: openjdk-17-jdk-headless) and Maven, then `make jar`; or --jdk, --jar",
        Language::Python => "install Python 3.11 or newer, then `make venv`; or --python with zcio installed",
    }
}

fn default_python() -> PathBuf {
    let own = PathBuf::from(".venv/bin/python");
    if own.exists() { own } else { PathBuf::from("python3") }
}
