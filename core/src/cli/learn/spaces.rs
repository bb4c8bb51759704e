//! The two halves of an address space, and the kernel's word about its own.

use std::io;

use nix::errno::Errno;
use serde::Serialize;

use super::lesson::Lesson;
use crate::memory::experiments::spaces;
use crate::memory::{AreaKind, Process, address_space};
use crate::proof::Options;

/// Whether page tables of programs have the kernel in them at all.
const ISOLATION: &str = "/sys/devices/system/cpu/vulnerabilities/meltdown";

#[derive(Serialize)]
struct Figures {
    first_address: String,
    end_of_user_space: String,
    beginning_of_kernel_space: String,
    last_address: String,
    /// The highest area of this process.
    highest: String,
    highest_ends: String,
    /// write(2) from the first address of the kernel's half.
    errno: i32,
    refused: &'static str,
    page_table_isolation: Option<String>,
}

pub(super) fn look(_: &Options) -> io::Result<Lesson> {
    let found = spaces().map_err(crate::Error::whole)?;
    let space = address_space(Process::Own).map_err(crate::Error::whole)?;
    // Vsyscall's address is in the kernel's half.
    let highest = space.areas.iter().rfind(|area| area.kind != AreaKind::Vsyscall);
    let hexadecimal = |address: u64| format!("{address:#018x}");
    let figures = Figures {
        first_address: hexadecimal(0),
        end_of_user_space: hexadecimal(found.end_of_user_space),
        beginning_of_kernel_space: hexadecimal(found.beginning_of_kernel_space),
        last_address: hexadecimal(u64::MAX),
        highest: highest.map_or(String::new(), |area| area.name.clone()),
        highest_ends: hexadecimal(highest.map_or(0, |area| area.addresses.end)),
        errno: found.refused,
        refused: Errno::from_raw(found.refused).desc(),
        page_table_isolation: std::fs::read_to_string(ISOLATION).ok().map(|text| text.trim_end().to_owned()),
    };
    let differs = "The picture is right, and its 4 GiB are those of 32-bit machines. Between the halves are addresses that no \
                   pointer may have. Since Meltdown the kernel need not be mapped in the page table a program runs with. So \
                   bytes of the page cache come to a program by a copy or a mapping, or stay where they are: zero-copy.";
    let unseen = figures.page_table_isolation.is_none().then(|| format!("page-table isolation: no {ISOLATION}"));
    Ok(Lesson::new(&figures, draw(&figures), differs)?.without(unseen))
}

fn draw(figures: &Figures) -> String {
    let Figures { first_address, end_of_user_space, beginning_of_kernel_space, last_address, .. } = figures;
    let Figures { highest, highest_ends, errno, refused, .. } = figures;
    let isolation = figures.page_table_isolation.as_deref().unwrap_or("?");
    let highest = if highest.is_empty() { "an area" } else { highest };
    format!(
        "\
{last_address}  ┌────────────────┐
                    │  kernel space  │  a write from here: {refused} (errno {errno})
{beginning_of_kernel_space}  ├────────────────┤
                    │  no addresses  │
{end_of_user_space}  ├────────────────┤  nothing can be mapped from here on (asked)
                    │                │
{highest_ends}  │ ─ ─ ─ ─ ─ ─ ─  │  the end of this process's highest area, {highest}
                    │   user space   │
{first_address}  └────────────────┘

meltdown: {isolation}
"
    )
}
