//! Where the parts of a program lie: addresses of this one, each in the area that has it.

use std::fmt::Write;
use std::io;
use std::sync::atomic::AtomicU64;

use serde::Serialize;

use super::lesson::{Lesson, seen};
use crate::memory::{AddressSpace, AreaKind, Process, address_space};
use crate::proof::Options;
use crate::region::Region;

static CONSTANT: [u8; 64] = [7; 64];
static INITIALISED: AtomicU64 = AtomicU64::new(0x1234);
/// Larger than a page, so that its end is not in the data's last one.
static ZEROES: [AtomicU64; 2048] = [const { AtomicU64::new(0) }; 2048];

#[derive(Serialize)]
struct Figures {
    /// From high addresses to low ones.
    places: Vec<Place>,
    areas: usize,
    /// In bytes; `None` if there is none.
    stack_limit: Option<u64>,
}

#[derive(Serialize)]
struct Place {
    what: &'static str,
    address: String,
    /// The kind of the area that has it.
    kind: &'static str,
    /// Its file, or the kernel's name.
    name: String,
    rights: String,
    bytes: u64,
}

pub(super) fn look(_: &Options) -> io::Result<Lesson> {
    let (local, small) = (0_u8, Box::new([0_u8; 64]));
    let region = Region::anonymous(1 << 20).map_err(crate::Error::whole)?;
    let view = region.view(..).map_err(crate::Error::whole)?;
    let space = address_space(Process::Own).map_err(crate::Error::whole)?;
    let vdso = space.of_kind(AreaKind::Vdso).next().map(|area| area.addresses.start);
    let mut places: Vec<_> = [
        ("a local variable", Some(&raw const local as u64)),
        ("code of the kernel's for programs", vdso),
        ("memory mapped now", Some(view.as_ptr() as u64)),
        ("a little memory allocated now", Some(small.as_ptr() as u64)),
        ("a variable that begins as zero", Some(&raw const ZEROES[ZEROES.len() - 1] as u64)),
        ("a variable with a value", Some(&raw const INITIALISED as u64)),
        ("a constant", Some(CONSTANT.as_ptr() as u64)),
        ("a function", Some(look as *const () as u64)),
    ]
    .into_iter()
    .filter_map(|(what, address)| Some((what, address?)))
    .collect();
    places.sort_by_key(|&(_, address)| std::cmp::Reverse(address));
    let mut unseen = Vec::new();
    let limits = seen("the limit of the stack", std::fs::read_to_string("/proc/self/limits"), &mut unseen);
    let stack_limit = limits.as_deref().and_then(stack_limit);
    let places = places.into_iter().filter_map(|(what, address)| place(&space, what, address)).collect();
    let figures = Figures { places, areas: space.areas.len(), stack_limit };
    let differs = "The order is the article's where zcio is a program. In the packages of Java and Python it is a library, and \
                   its parts are in the area of mappings; a thread that is not the first has its stack there, too. Where each \
                   begins is chosen at random at every start, and the vdso is the kernel's addition.";
    Ok(Lesson::new(&figures, draw(&figures), differs)?.without(unseen))
}

/// `Max stack size             8388608              unlimited            bytes`
fn stack_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max stack size"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn place(space: &AddressSpace, what: &'static str, address: u64) -> Option<Place> {
    let area = space.area_at(address)?;
    let right = |allowed: bool, letter| if allowed { letter } else { '-' };
    Some(Place {
        what,
        address: format!("{address:#x}"),
        kind: area.kind.name(),
        name: area.name.rsplit('/').next().unwrap_or_default().to_owned(),
        rights: [right(area.readable, 'r'), right(area.writable, 'w'), right(area.executable, 'x')].iter().collect(),
        bytes: area.len(),
    })
}

fn draw(figures: &Figures) -> String {
    let mut drawing = format!("{:<16} {:<34} {:<16} {:<4} {:>14}\n", "address", "", "area", "may", "bytes");
    for Place { what, address, kind, rights, bytes, .. } in &figures.places {
        let _ = writeln!(drawing, "{address:<16} {what:<34} {kind:<16} {rights:<4} {bytes:>14}");
    }
    let _ = writeln!(drawing, "\n{} areas in all (zcio inspect lists those of any process)", figures.areas);
    if let Some(limit) = figures.stack_limit {
        let _ = writeln!(drawing, "the stack may grow to {limit} bytes");
    }
    drawing
}
