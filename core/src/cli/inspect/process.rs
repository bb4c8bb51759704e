//! A process's memory for people and for programs: its groups of areas, its mapped files, its page tables.

use std::fs;
use std::io::{self, Write};

use indicatif::BinaryBytes;
use serde::Serialize;

use super::groups::group;
use super::summary::{self, FileSummary, GroupSummary, PageCounts};
use crate::cli::documents;
use crate::cli::failure::Failure;
use crate::memory::{Process, address_space, page_table_bytes};

/// How many mapped files are listed for people.
const FILES: usize = 12;

#[derive(Serialize)]
struct Document {
    pid: i32,
    command: Vec<String>,
    /// The path of libjvm.so, if the process is a Java virtual machine.
    jvm: Option<String>,
    groups: Vec<GroupSummary>,
    total: GroupSummary,
    mapped_files: Vec<FileSummary>,
    /// Bytes of the page tables themselves (`VmPTE`).
    page_table_bytes: Option<u64>,
    pages: Option<PageCounts>,
    transparent_huge_pages: HugePages,
    unseen: Vec<String>,
}

/// Transparent huge pages: the machine's setting, and whether this process may have them.
#[derive(Serialize)]
struct HugePages {
    setting: Option<String>,
    allowed: Option<bool>,
}

pub(super) fn run(pid: i32, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let document = look(pid)?;
    if json { documents::write(out, &document) } else { print(&document, out) }
}

fn look(pid: i32) -> io::Result<Document> {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}"));
    let Ok(status) = read("status") else {
        let failure = Failure::new("inspect", format!("there is no process {pid}"));
        return Err(failure.hint("a file whose name is a number is ./NUMBER").into());
    };
    let status = String::from_utf8_lossy(&status).into_owned();
    let mut command: Vec<_> = read("cmdline")
        .unwrap_or_default()
        .split(|&byte| byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    // Every word ends with a zero, unless the process has written over them.
    command.pop_if(|last| last.is_empty());
    let process = Process::Id(pid);
    let space = address_space(process).map_err(crate::Error::whole)?;
    let mut unseen = space.unseen.clone();
    let grouping = group(&space.areas, &stack_pointers(pid, &mut unseen), &command);
    let (groups, total) = summary::groups(&space, &grouping);
    Ok(Document {
        pid,
        command,
        groups,
        total,
        mapped_files: summary::files(&space, &grouping),
        jvm: grouping.jvm.map(|jvm| jvm.library),
        page_table_bytes: page_table_bytes(process).ok(),
        pages: summary::page_tables(process, &space, &mut unseen),
        transparent_huge_pages: HugePages {
            setting: setting(),
            allowed: field(&status, "THP_enabled").map(|value| value == "1"),
        },
        unseen,
    })
}

/// Where the stacks of the threads that sleep in a system call are (/proc/pid/task/tid/syscall: the last but one word).
fn stack_pointers(pid: i32, unseen: &mut Vec<String>) -> Vec<u64> {
    let (mut pointers, mut hidden) = (Vec::new(), 0);
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
        let pointer = text.split_whitespace().rev().nth(1).and_then(|word| word.strip_prefix("0x"));
        match pointer.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            Some(pointer) => pointers.push(pointer),
            None => hidden += 1,
        }
    }
    if hidden > 0 {
        unseen.push(format!("the stacks of {hidden} threads: running, or not to be traced by this user"));
    }
    pointers
}

/// The chosen one is in brackets: `always [madvise] never`.
fn setting() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(chosen, _)| chosen.to_owned())
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn print(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    // What another user's process calls itself must not move this terminal's cursor.
    let command = document.command.join(" ").replace(char::is_control, "?");
    writeln!(out, "process {}: {command}", document.pid)?;
    if let Some(library) = &document.jvm {
        writeln!(out, "a Java virtual machine: {library}")?;
    }
    let heads = ["areas", "virtual", "resident", "proportional", "swapped", "huge"];
    write!(out, "\n{:<14}", "")?;
    heads.iter().try_for_each(|head| write!(out, " {head:>12}"))?;
    writeln!(out)?;
    for group in document.groups.iter().chain([&document.total]) {
        write!(out, "{:<14} {:>12}", group.name, group.areas)?;
        for bytes in [group.reserved, group.resident, group.proportional, group.swapped, group.huge] {
            write!(out, " {:>12}", size(bytes))?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    for group in &document.groups {
        writeln!(out, "{:<14} {}", group.name, group.known_by)?;
        for [start, end] in &group.addresses {
            writeln!(out, "{:<14} {start:#x}–{end:#x}, {}", "", size(end - start))?;
        }
    }
    print_files(&document.mapped_files, out)?;
    print_pages(document, out)?;
    document.unseen.iter().try_for_each(|what| writeln!(out, "not seen: {what}"))
}

fn print_files(files: &[FileSummary], out: &mut dyn Write) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nmapped files ({} of {}, most in memory first)", files.len().min(FILES), files.len())?;
    for file in files.iter().take(FILES) {
        let how = match (file.shared, file.writable) {
            (true, true) => "shared, writable",
            (true, false) => "shared",
            (false, true) => "private, writable",
            (false, false) => "private",
        };
        let (reserved, resident) = (size(file.reserved), size(file.resident));
        let path = file.path.replace(char::is_control, "?");
        writeln!(out, "{reserved:>12} mapped {resident:>12} in memory  {path} ({how})")?;
    }
    Ok(())
}

fn print_pages(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    if let Some(bytes) = document.page_table_bytes {
        writeln!(out, "page tables: {}", size(bytes))?;
    }
    if let Some(pages) = &document.pages {
        let or_unknown = |count: Option<u64>| count.map_or("unknown".to_owned(), |count| count.to_string());
        let (huge, zero) = (or_unknown(pages.huge), or_unknown(pages.zero));
        let PageCounts { present, swapped, of_file, anonymous, exclusive, .. } = pages;
        writeln!(out, "pages: {present} present ({of_file} of files, {anonymous} anonymous), {swapped} in swap")?;
        writeln!(out, "       {exclusive} mapped only here, {huge} in huge pages, {zero} the page of zeroes")?;
    }
    let HugePages { setting, allowed } = &document.transparent_huge_pages;
    let setting = setting.as_deref().unwrap_or("unknown");
    let allowed = match allowed {
        Some(true) => "",
        Some(false) => ", switched off for this process",
        None => ", whether for this process is unknown",
    };
    writeln!(out, "transparent huge pages: {setting}{allowed}")
}

fn size(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}
