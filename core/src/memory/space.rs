//! The address space of a process, area by area, as /proc/pid/smaps (or maps, where smaps is missing) tells it.
//!
//! The kernel names heap, stack and vdso; text, data and BSS are found by the program's own file, as its loader laid it
//! out: what is executable, what is writable, and the anonymous memory that follows directly upon the writable part.

use std::fs;

use super::area::{Area, AreaKind, Usage};
use super::{Process, unreadable};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::laboratory::pages;
use crate::sys::memory;

/// The address space of a process at one moment.
///
/// ```
/// use zcio::memory::{Process, address_space};
///
/// let space = address_space(Process::Own)?;
/// for area in &space.areas {
///     println!("{:x?} {} {}", area.addresses, area.kind.name(), area.name);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddressSpace {
    /// From the lowest address to the highest.
    pub areas: Vec<Area>,
    /// The first address that no program can map: found by asking for pages below and above it.
    pub end_of_user_space: u64,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
}

impl AddressSpace {
    /// The area that has this address.
    pub fn area_at(&self, address: u64) -> Option<&Area> {
        self.areas.iter().find(|area| area.addresses.contains(&address))
    }

    /// The areas of one kind.
    pub fn of_kind(&self, kind: AreaKind) -> impl Iterator<Item = &Area> {
        self.areas.iter().filter(move |area| area.kind == kind)
    }
}

/// The address space of a process. [`ErrorKind::PermissionDenied`] for one that the caller may not trace.
pub fn address_space(process: Process) -> Result<AddressSpace> {
    let mut unseen = Vec::new();
    let text = match fs::read(process.file("smaps")) {
        Ok(text) => text,
        Err(error) => {
            unseen.push(format!("what each area has in memory: /proc/pid/smaps cannot be read: {error}"));
            let path = process.file("maps");
            fs::read(&path).map_err(|error| unreadable(&error, &path))?
        }
    };
    let program = match fs::read_link(process.file("exe")) {
        Ok(path) => Some(path.to_string_lossy().into_owned()),
        Err(error) => {
            unseen.push(format!("which areas are the program's own: /proc/pid/exe cannot be read: {error}"));
            None
        }
    };
    let mut areas = parse(&String::from_utf8_lossy(&text))?;
    classify(&mut areas, program.as_deref());
    Ok(AddressSpace { areas, end_of_user_space: end_of_user_space(), unseen })
}

/// Reads the lines of smaps, or of maps, which are the same less the sizes.
fn parse(text: &str) -> Result<Vec<Area>> {
    let mut areas: Vec<Area> = Vec::new();
    for line in text.lines() {
        if let Some(area) = parse_area(line) {
            areas.push(area);
        } else if let Some(area) = areas.last_mut() {
            note_size(area.usage.get_or_insert_default(), line);
        } else {
            return Err(Error::new(ErrorKind::Os, format!("not a line of /proc/pid/maps: {line:?}")).during("read"));
        }
    }
    Ok(areas)
}

/// `7f12a000-7f12c000 rw-p 00001000 fd:00 1234   /a/file name`
fn parse_area(line: &str) -> Option<Area> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        field
    };
    let (start, end) = field().split_once('-')?;
    let addresses = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    let rights = field().as_bytes();
    let offset = u64::from_str_radix(field(), 16).ok()?;
    let _device = field();
    let inode = field().parse().ok()?;
    let right = |place: usize, letter: u8| rights.get(place) == Some(&letter);
    Some(Area {
        addresses,
        readable: right(0, b'r'),
        writable: right(1, b'w'),
        executable: right(2, b'x'),
        shared: right(3, b's'),
        offset,
        inode,
        name: rest.trim_start().to_owned(),
        kind: AreaKind::Anonymous,
        usage: None,
    })
}

/// `Rss:                 128 kB`
fn note_size(usage: &mut Usage, line: &str) {
    let Some((name, value)) = line.split_once(':') else { return };
    let Some(bytes) = value.trim().strip_suffix("kB").and_then(|count| count.trim().parse::<u64>().ok()) else {
        return;
    };
    let bytes = bytes * 1024;
    match name {
        "Rss" => usage.resident = bytes,
        "Pss" => usage.proportional = bytes,
        "Shared_Clean" => usage.shared_clean = bytes,
        "Shared_Dirty" => usage.shared_dirty = bytes,
        "Private_Clean" => usage.private_clean = bytes,
        "Private_Dirty" => usage.private_dirty = bytes,
        "Anonymous" => usage.anonymous = bytes,
        "AnonHugePages" | "ShmemPmdMapped" | "FilePmdMapped" => usage.huge += bytes,
        "Swap" => usage.swapped = bytes,
        "Locked" => usage.locked = bytes,
        "KernelPageSize" => usage.page_size = bytes,
        _ => {}
    }
}

fn classify(areas: &mut [Area], program: Option<&str>) {
    let mut data_end = None;
    for area in areas {
        let of_program = program.is_some_and(|program| program == area.name);
        area.kind = match area.name.as_str() {
            _ if of_program && area.executable => AreaKind::Text,
            _ if of_program && area.writable => AreaKind::Data,
            _ if of_program => AreaKind::ReadOnlyData,
            // Pages of the data that are made read-only after relocation may stand before; the last writable one counts.
            "" if area.writable && data_end == Some(area.addresses.start) => AreaKind::Bss,
            "" => AreaKind::Anonymous,
            "[heap]" => AreaKind::Heap,
            "[stack]" => AreaKind::Stack,
            "[vdso]" => AreaKind::Vdso,
            "[vsyscall]" => AreaKind::Vsyscall,
            name if name.starts_with("[vvar") => AreaKind::Vvar,
            name if name.starts_with("[anon:") => AreaKind::Anonymous,
            name if name.starts_with('[') => AreaKind::Special,
            name if ["/memfd:", "/dev/shm/", "/SYSV", "/dev/zero"].iter().any(|start| name.starts_with(start)) => {
                AreaKind::SharedMemory
            }
            _ => AreaKind::File,
        };
        if area.kind == AreaKind::Data {
            data_end = Some(area.addresses.end);
        }
    }
}

/// Where user space ends for this kernel and architecture: by halving between an address that is surely inside and one
/// that is surely not. Addresses up to there can be mapped on request, also where the kernel would not choose them itself
/// (five-level page tables).
fn end_of_user_space() -> u64 {
    let page = memory::page_size() as u64;
    let (mut inside, mut outside) = ((1 << 30) / page, (1 << 63) / page);
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        if pages::is_user_space((middle * page) as usize) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    outside * page
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0c0000000-55d0c0010000 r--p 00000000 fd:00 42                         /usr/bin/a program
Rss:                  64 kB
55d0c0010000-55d0c0020000 r-xp 00010000 fd:00 42                         /usr/bin/a program
55d0c0020000-55d0c0021000 rw-p 00020000 fd:00 42                         /usr/bin/a program
Size:                  4 kB
KernelPageSize:        4 kB
Rss:                   4 kB
Private_Dirty:         4 kB
VmFlags: rd wr mr mw me ac
55d0c0021000-55d0c0029000 rw-p 00000000 00:00 0
55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rw-s 00000000 00:01 7                          /memfd:zcio (deleted)
7f0000002000-7f0000003000 rw-p 00000000 00:00 0
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
";

    #[test]
    fn areas_are_read_and_classified() {
        let mut areas = parse(SMAPS).unwrap();
        classify(&mut areas, Some("/usr/bin/a program"));
        let kinds: Vec<_> = areas.iter().map(|area| area.kind.name()).collect();
        let expected = ["read_only_data", "text", "data", "bss", "heap", "shared_memory", "anonymous", "stack"];
        assert_eq!(kinds, expected);
        let usage = areas[2].usage.unwrap();
        assert_eq!((usage.resident, usage.private_dirty, usage.page_size), (4096, 4096, 4096));
        assert_eq!((areas[1].offset, areas[1].inode, areas[1].usage), (0x10000, 42, None));
        assert!(areas[5].shared && areas[5].writable && !areas[5].executable);
        assert_eq!(areas[5].len(), 4096);
    }

    #[test]
    fn without_the_program_its_areas_are_files() {
        let mut areas = parse(SMAPS).unwrap();
        classify(&mut areas, None);
        assert_eq!(areas.iter().filter(|area| area.kind == AreaKind::File).count(), 3);
        assert!(parse("nonsense").is_err());
    }
}
