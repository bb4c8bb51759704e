//! From an errno to whose no it is. The same number means an old kernel on one machine and a filter on the next; the
//! kernel's release and the thread's seccomp mode tell them apart.

use nix::errno::Errno;

use super::answer::Cause;
use crate::sys::release;

/// What is known about the kernel and this thread without asking for any feature.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// Major and minor number of the kernel; `None` if /proc does not say.
    pub release: Option<(u32, u32)>,
    /// Whether a seccomp filter stands before this thread's system calls.
    pub filtered: bool,
}

impl Surroundings {
    pub fn look() -> Self {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        Self { release: release::of_kernel(), filtered: mode.is_some_and(|mode| mode.trim() != "0") }
    }

    /// Whether the kernel is older than that release.
    pub fn is_before(&self, since: (u32, u32)) -> bool {
        self.release.is_some_and(|release| release < since)
    }

    /// Whose no this errno is, to something that the kernel has `since` that release; and the sentence that says so.
    pub fn explain(&self, errno: Errno, since: (u32, u32)) -> (Cause, String) {
        if !matches!(errno, Errno::EPERM | Errno::EACCES)
            && let Some(reason) = release::too_old(self.release, since)
        {
            return (Cause::KernelTooOld, reason);
        }
        match errno {
            Errno::ENOSYS | Errno::EPERM | Errno::EACCES if self.filtered => {
                (Cause::Filter, format!("a seccomp filter of this process answers {errno:?}"))
            }
            Errno::EPERM | Errno::EACCES => (Cause::Forbidden, "this process may not use it".into()),
            Errno::ENOSYS | Errno::EINVAL | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP | Errno::ENOTTY | Errno::ENOENT => {
                (Cause::NotConfigured, format!("this kernel was built without it: {}", errno.desc()))
            }
            Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS => (Cause::Limit, errno.desc().into()),
            _ => (Cause::Other, errno.desc().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_errno_has_different_causes() {
        let new = Surroundings { release: Some((6, 18)), ..Surroundings::default() };
        let old = Surroundings { release: Some((4, 4)), ..Surroundings::default() };
        let filtered = Surroundings { filtered: true, ..new.clone() };
        let cause = |surroundings: &Surroundings, errno| surroundings.explain(errno, (5, 1)).0;
        assert_eq!(cause(&new, Errno::ENOSYS), Cause::NotConfigured);
        assert_eq!(cause(&old, Errno::ENOSYS), Cause::KernelTooOld);
        assert_eq!(cause(&filtered, Errno::ENOSYS), Cause::Filter);
        assert_eq!(cause(&filtered, Errno::EPERM), Cause::Filter);
        assert_eq!(cause(&new, Errno::EPERM), Cause::Forbidden);
        assert_eq!(cause(&new, Errno::EMFILE), Cause::Limit);
        assert!(old.explain(Errno::ENOSYS, (5, 1)).1.contains("needs Linux 5.1, and this is 4.4"));
    }
}
