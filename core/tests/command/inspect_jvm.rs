//! `zcio inspect` of a Java virtual machine, against what the JVM says of itself.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{document, folder, pattern, quiet, run, skip};

const PROGRAM: &str = r#"
import java.nio.channels.FileChannel;
import java.nio.file.Path;

public class Sleeper {
    public static void main(String[] arguments) throws Exception {
        try (FileChannel file = FileChannel.open(Path.of(arguments[0]))) {
            var map = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size()).load();
            System.out.println("ready " + map.capacity());
            System.in.read();
        }
    }
}
"#;

/// The Java launchers of this machine, each once.
fn launchers() -> Vec<PathBuf> {
    let homes = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().map(|entry| entry.path());
    let homes = homes.chain(std::env::var_os("JAVA_HOME").map(PathBuf::from));
    let mut found: Vec<_> = homes.filter_map(|home| home.join("bin/java").canonicalize().ok()).collect();
    found.sort();
    found.dedup();
    found.retain(|java| java.with_file_name("javac").exists());
    found
}

/// A JVM that sleeps until its standard input ends, and where it says its heap is.
struct Jvm {
    child: Child,
    heap: Option<[u64; 2]>,
}

impl Jvm {
    fn start(java: &Path, program: &Path, mapped: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(java)
            .args(["-Xmx64m", "-Xlog:gc+heap+coops=debug"])
            .args(options)
            .args([program, mapped])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut heap = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.starts_with("ready") {
                return Self { child, heap };
            }
            // `Heap address: 0x00000000fc000000, size: 64 MB, …`
            if let Some((_, rest)) = line.split_once("Heap address: 0x") {
                let (address, rest) = rest.split_once(", size: ").unwrap();
                let start = u64::from_str_radix(address, 16).unwrap();
                let size: u64 = rest.split(' ').next().unwrap().parse().unwrap();
                heap = Some([start, start + (size << 20)]);
            }
        }
        panic!("{} ended before it was ready: {:?}", java.display(), child.wait());
    }

    /// Where the code cache's parts are, by the JVM's own diagnostics: `bounds [start, committed, end]`.
    fn code_cache(&self, java: &Path) -> Vec<[u64; 2]> {
        let jcmd = java.with_file_name("jcmd");
        // It gives up on a JVM that has not answered within ten seconds, as on a busy machine.
        let output = Command::new(jcmd)
            .arg("-J-Dsun.tools.attach.attachTimeout=120000")
            .args([&self.child.id().to_string(), "Compiler.codecache"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let bounds = text.lines().filter_map(|line| line.trim().strip_prefix("bounds [")?.strip_suffix(']'));
        let parse = |word: &str| u64::from_str_radix(word.trim().trim_start_matches("0x"), 16).unwrap();
        let parts: Vec<_> = bounds
            .map(|bounds| {
                let words: Vec<_> = bounds.split(',').map(parse).collect();
                [words[0], words[2]]
            })
            .collect();
        assert!(!parts.is_empty(), "{text}");
        parts
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn group<'a>(report: &'a Value, name: &str) -> &'a Value {
    let groups = report["groups"].as_array().unwrap();
    groups.iter().find(|group| group["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

fn ranges(group: &Value) -> Vec<[u64; 2]> {
    let end = |range: &Value, place: usize| range[place].as_u64().unwrap();
    group["addresses"].as_array().unwrap().iter().map(|range| [end(range, 0), end(range, 1)]).collect()
}

#[test]
fn heap_code_cache_and_mappings_are_where_the_jvm_says() {
    let launchers = launchers();
    if launchers.is_empty() {
        return skip("heap_code_cache_and_mappings_are_where_the_jvm_says", "there is no JDK in /usr/lib/jvm");
    }
    let (folder, mapped) = folder(&pattern(5 << 20));
    let program = folder.path().join("Sleeper.java");
    std::fs::write(&program, PROGRAM).unwrap();
    let collectors: &[&[&str]] = if std::env::var_os("ZCIO_LARGE").is_some() {
        &[&["-XX:+UseG1GC"], &["-XX:+UseSerialGC"], &["-XX:+UseParallelGC"], &["-XX:+UseZGC"], &["-Xms16m"]]
    } else {
        &[&[]]
    };
    for java in &launchers {
        for options in collectors {
            println!("{} {options:?}", java.display());
            look(&Jvm::start(java, &program, &mapped, options), java, &mapped);
        }
    }
}

fn look(jvm: &Jvm, java: &Path, mapped: &Path) {
    let id = jvm.child.id().to_string();
    let output = run(&["inspect", &id, "--json"]);
    let report = document(quiet(&output));
    assert!(report["jvm"].as_str().unwrap().ends_with("/libjvm.so"));

    let heap = group(&report, "java_heap");
    println!("{heap}");
    if let Some(said) = jvm.heap {
        assert_eq!(ranges(heap), [said]);
        assert!(heap["known_by"].as_str().unwrap().contains("-Xmx64m"), "{heap}");
    } else {
        // ZGC has no compressed pointers to log the heap's address for.
        assert!(heap["known_by"].as_str().unwrap().contains("memfd:java_heap"), "{heap}");
    }
    assert!(heap["resident"].as_u64().unwrap() > 1 << 20);

    let code = ranges(group(&report, "code_cache"));
    for [start, end] in jvm.code_cache(java) {
        assert!(code.iter().any(|range| range[0] <= start && end <= range[1]), "{start:#x}-{end:#x} in {code:x?}");
    }
    assert!(group(&report, "thread_stacks")["areas"].as_u64().unwrap() > 5);

    let files = report["mapped_files"].as_array().unwrap();
    let ours = files.iter().find(|file| file["path"] == mapped.to_str().unwrap()).unwrap();
    assert_eq!((&ours["virtual"], &ours["resident"]), (&(5 << 20).into(), &(5 << 20).into()));

    let text = run(&["inspect", &id]);
    let text = String::from_utf8(quiet(&text).to_vec()).unwrap();
    for word in ["java_heap", "code_cache", "a Java virtual machine", mapped.to_str().unwrap()] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
