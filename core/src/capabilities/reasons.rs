//! From an errno to whose no it is. The same number means an old kernel on one machine and a filter on the next; the
//! kernel's release and the thread's seccomp mode tell them apart.

use nix::errno::Errno;

use super::answer::Cause;

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
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/thread-self/status");
        let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        Self {
            release: parse_release(&read("/proc/sys/kernel/osrelease")),
            filtered: mode.is_some_and(|mode| mode.trim() != "0"),
        }
    }

    /// Whose no this errno is, to something that the kernel has `since` that release; and the sentence that says so.
    pub fn explain(&self, errno: Errno, since: (u32, u32)) -> (Cause, String) {
        let (major, minor) = since;
        if let Some(release) = self.release.filter(|&release| release < since)
            && !matches!(errno, Errno::EPERM | Errno::EACCES)
        {
            return (
                Cause::KernelTooOld,
                format!("needs Linux {major}.{minor}, and this is {}.{}", release.0, release.1),
            );
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

fn parse_release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        assert_eq!(parse_release("6.18.44-something\n"), Some((6, 18)));
        assert_eq!(parse_release("5.4\n"), Some((5, 4)));
        assert_eq!(parse_release(""), None);
    }

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
