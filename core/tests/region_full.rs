//! A process that has nearly all the mappings that it may have: whatever a region is asked for then is done or not done, and
//! its content is what it was.

mod support;

use support::*;
use zcio::region::{Access, Advice, Protection, Region, RegionOptions, Seals, SharedRegion};

const PAGES: usize = 64;

/// Mappings that only fill the process, as many as can be had.
#[derive(Default)]
struct Filler(Vec<*mut libc::c_void>);

impl Filler {
    /// Leaves room for so many.
    fn fill_but(&mut self, slack: usize) {
        loop {
            // Neighbours of different rights stay two mappings.
            let rights = if self.0.len().is_multiple_of(2) { libc::PROT_READ } else { libc::PROT_NONE };
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: a new mapping touches none that exists.
            let mapped = unsafe { libc::mmap(std::ptr::null_mut(), page(), rights, flags, -1, 0) };
            if mapped == libc::MAP_FAILED {
                break;
            }
            self.0.push(mapped);
        }
        self.free(slack);
    }

    fn free(&mut self, number: usize) {
        for mapped in self.0.drain(self.0.len() - number..) {
            // SAFETY: a page of its own, which nobody uses.
            assert_eq!(unsafe { libc::munmap(mapped, page()) }, 0);
        }
    }
}

enum Held {
    Alone(Region),
    Shared(SharedRegion),
}

impl Held {
    fn region(&self) -> &Region {
        match self {
            Self::Alone(region) => region,
            Self::Shared(shared) => shared.region(),
        }
    }
}

type Operation = fn(&Held) -> zcio::error::Result<()>;

/// What moves a region, with whether a view exists meanwhile, or one has been shown before.
const OPERATIONS: [(&str, bool, bool, Operation); 6] = [
    ("longer", false, false, longer),
    ("longer, shown", false, true, longer),
    ("shorter, shown", false, true, |held| held.region().resize(2 * page() as u64)),
    ("leave views", true, false, |held| held.region().leave_views()),
    ("protect or seal", false, false, seal),
    ("protect or seal, shown", false, true, seal),
];

fn longer(held: &Held) -> zcio::error::Result<()> {
    let length = (2 * PAGES * page()) as u64;
    match held {
        Held::Alone(region) => region.resize(length),
        Held::Shared(shared) => shared.grow(length),
    }
}

fn seal(held: &Held) -> zcio::error::Result<()> {
    match held {
        Held::Alone(region) => region.protect(.., Protection::Read),
        Held::Shared(shared) => shared.seal(Seals::WRITE),
    }
}

fn make(sort: usize, bytes: &[u8]) -> Held {
    let held = match sort {
        0 => Held::Alone(Region::anonymous(bytes.len() as u64).unwrap()),
        1 => {
            let file = file_with(&vec![1; 2 * bytes.len()]);
            let options = RegionOptions::new().access(Access::Private).length(bytes.len() as u64);
            Held::Alone(options.map(std::os::fd::AsFd::as_fd(&file)).unwrap())
        }
        _ => Held::Shared(SharedRegion::create(bytes.len() as u64).unwrap()),
    };
    held.region().write_at(0, bytes).unwrap();
    held
}

/// Every operation on a region of one mapping, or several, or many, with room for none to more than all of them. Each in a
/// process of its own, because a region is refused when the process has so many, which is looked at now and then.
#[test]
fn a_region_survives_what_there_are_no_mappings_for() {
    // Moving leaves a mapping behind; older kernels can do that with anonymous memory alone.
    let sorts = if has("mremap_dontunmap") { 0..3 } else { 0..1 };
    if let Some(role) = role() {
        return try_out(OPERATIONS.iter().find(|(name, ..)| *name == role).unwrap(), sorts);
    }
    for (name, ..) in OPERATIONS {
        let output = child("a_region_survives_what_there_are_no_mappings_for", name).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

fn try_out((name, viewed, shown, operation): &(&str, bool, bool, Operation), sorts: std::ops::Range<usize>) {
    let bytes = pattern(PAGES * page());
    let mut found = vec![0; bytes.len()];
    let mut filler = Filler::default();
    let (mut done, mut refused) = (0, 0);
    for (sort, parts) in sorts.flat_map(|sort| [1, 2, 5, 12].map(|parts| (sort, parts))) {
        for slack in 0..80 {
            let held = make(sort, &bytes);
            let region = held.region();
            for part in 1..parts {
                let from = (part * 4 * page()) as u64;
                region.advise(from..from + page() as u64, Advice::DontFork).unwrap();
            }
            let view = viewed.then(|| region.view(..).unwrap());
            if *shown {
                drop(region.lasting_view(..).unwrap());
            }
            filler.fill_but(slack);
            let result = operation(&held);
            filler.free(150);
            let case = format!("{name}, sort {sort}, {parts} parts, room for {slack}: {result:?}");
            let length = bytes.len().min(region.len() as usize);
            region.read_at(0, &mut found[..length]).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(found[..length] == bytes[..length], "{case}: the content");
            if let Err(error) = result {
                refused += 1;
                assert_eq!(error.errno(), Some(libc::ENOMEM), "{case}");
                assert_eq!(region.len(), bytes.len() as u64, "{case}");
                region.write_at(0, &bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
                // SAFETY: inside the view; the region's content is nobody else's.
                let seen = |at| view.as_ref().map(|view| unsafe { view.as_ptr().add(at).read_volatile() });
                assert!(view.is_none() || seen(5 * page()) == Some(bytes[5 * page()]), "{case}: the view");
            } else {
                done += 1;
            }
        }
    }
    assert!(done > 50 && refused > 50, "{name}: {done} done, {refused} refused");
}
