//! Loopback without a pacer. Where the host's congestion control is BBR it paces loopback too: two lanes of the same code
//! were then measured 13 % apart after 50 rounds, and sending reached half of what it reaches with cubic, the kernel's
//! default, where they agree within 2 %. A program cannot choose for the sockets of a Java lane, so everything runs in a
//! network namespace of its own, whose setting is nobody else's. Without the privilege the host's setting stays, and is
//! printed with the results.

use std::fs;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

const SETTING: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Moves this process, before it has threads or children, to a loopback without a pacer where the host's has one.
pub fn leave_pacer() {
    if congestion_control() != "bbr" {
        return;
    }
    if let Err(error) = own_loopback() {
        eprintln!("note: BBR paces this host's loopback, and a network namespace without it was refused: {error:#}");
    }
}

/// What TCP uses here: `cubic`, `bbr`, … Empty if the kernel does not say.
pub fn congestion_control() -> String {
    fs::read_to_string(SETTING).unwrap_or_default().trim().to_string()
}

fn own_loopback() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("unshare")?;
    raise_loopback().context("cannot bring its loopback up")?;
    // A namespace may choose what the host allows everybody, which need not be more than Reno.
    fs::write(SETTING, "cubic").or_else(|_| fs::write(SETTING, "reno")).context("cannot choose cubic or reno")
}

/// `ip link set lo up`, for machines without ip (netdevice(7)).
fn raise_loopback() -> nix::Result<()> {
    let any = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let request = libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags } };
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which outlives the call; every field it reads was set above.
    let result = unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    nix::errno::Errno::result(result).map(|_| ())
}
