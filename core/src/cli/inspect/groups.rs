//! What each area of an address space is for, as far as that can be told from outside, and by which fact it is told.
//!
//! The kernel knows files, the first heap and the first stack. The rest is inferred, and the result says from what: a
//! reader must be able to see a guess as one.

use std::collections::HashSet;
use std::ops::Range;

use super::jvm;
use crate::memory::{Area, AreaKind};

/// What an area is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Group {
    JavaHeap,
    CodeCache,
    RuntimeCode,
    Heap,
    Anonymous,
    Stack,
    ThreadStacks,
    SharedMemory,
    MappedFiles,
    Libraries,
    Program,
    Kernel,
    Reserved,
}

impl Group {
    /// In the order they are shown.
    pub const ALL: [Self; 13] = [
        Self::JavaHeap,
        Self::CodeCache,
        Self::RuntimeCode,
        Self::Heap,
        Self::Anonymous,
        Self::Stack,
        Self::ThreadStacks,
        Self::SharedMemory,
        Self::MappedFiles,
        Self::Libraries,
        Self::Program,
        Self::Kernel,
        Self::Reserved,
    ];

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JavaHeap => "java_heap",
            Self::CodeCache => "code_cache",
            Self::RuntimeCode => "runtime_code",
            Self::Heap => "heap",
            Self::Anonymous => "anonymous",
            Self::Stack => "stack",
            Self::ThreadStacks => "thread_stacks",
            Self::SharedMemory => "shared_memory",
            Self::MappedFiles => "mapped_files",
            Self::Libraries => "libraries",
            Self::Program => "program",
            Self::Kernel => "kernel",
            Self::Reserved => "reserved",
        }
    }

    /// How an area is known to belong to it.
    pub const fn known_by(self) -> &'static str {
        match self {
            // The Java heap has its own sentence.
            Self::JavaHeap => "",
            Self::CodeCache => "executable memory of no file in a JVM, with what is reserved beside it",
            Self::RuntimeCode => "executable memory of no file: code made at run time",
            Self::Heap => "the kernel's name for it: what brk(2) moved the end of",
            Self::Anonymous => "writable memory of no file: allocators, arenas, whatever has no other name",
            Self::Stack => "the kernel's name for it",
            Self::ThreadStacks => "a thread's stack pointer is in it",
            Self::SharedMemory => "memfd, /dev/shm, System V, shared anonymous",
            Self::MappedFiles => "files of which nothing is executable",
            Self::Libraries => "files of which something is executable",
            Self::Program => "the program's own file",
            Self::Kernel => "the kernel's name for it: vdso, vvar and others",
            Self::Reserved => "addresses without any right, kept for later",
        }
    }
}

/// The group of each area, and what is known of the runtime.
pub(super) struct Grouping {
    /// One for each area.
    pub groups: Vec<Group>,
    /// The Java virtual machine's part, if it is one.
    pub jvm: Option<jvm::Findings>,
}

/// Tells what the areas are for. `stacks` are the stack pointers of threads that are known, `command` the process's
/// arguments.
pub(super) fn group(areas: &[Area], stacks: &[u64], command: &[String]) -> Grouping {
    let is_executable = |area: &&Area| area.kind == AreaKind::File && area.executable;
    let libraries: HashSet<&str> = areas.iter().filter(is_executable).map(|area| area.name.as_str()).collect();
    let mut groups: Vec<_> = areas.iter().map(|area| of_one(area, &libraries, stacks)).collect();
    let jvm = jvm::find(areas, command);
    if let Some(jvm) = &jvm {
        let mut claim = |places: &[Range<usize>], group| {
            places.iter().cloned().flatten().for_each(|place| groups[place] = group);
        };
        claim(&jvm.code_cache, Group::CodeCache);
        claim(&jvm.heap, Group::JavaHeap);
    }
    Grouping { groups, jvm }
}

fn of_one(area: &Area, libraries: &HashSet<&str>, stacks: &[u64]) -> Group {
    match area.kind {
        AreaKind::Text | AreaKind::ReadOnlyData | AreaKind::Data | AreaKind::Bss => Group::Program,
        AreaKind::Heap => Group::Heap,
        AreaKind::Stack => Group::Stack,
        AreaKind::SharedMemory => Group::SharedMemory,
        AreaKind::File if libraries.contains(area.name.as_str()) => Group::Libraries,
        AreaKind::File => Group::MappedFiles,
        AreaKind::Anonymous if area.executable => Group::RuntimeCode,
        AreaKind::Anonymous if !area.readable && !area.writable => Group::Reserved,
        AreaKind::Anonymous if stacks.iter().any(|pointer| area.addresses.contains(pointer)) => Group::ThreadStacks,
        AreaKind::Anonymous => Group::Anonymous,
        AreaKind::Vdso | AreaKind::Vvar | AreaKind::Vsyscall | AreaKind::Special => Group::Kernel,
    }
}
