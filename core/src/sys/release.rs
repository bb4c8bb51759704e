//! Which Linux this is, for the words of a no. What can be asked for is asked for, and no number decides.

/// Major and minor number of the kernel; `None` if /proc does not say.
pub(crate) fn of_kernel() -> Option<(u32, u32)> {
    parse(&std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default())
}

/// "needs Linux 6.0, and this is 5.10": the reason, if `this` is before what brought the thing.
pub(crate) fn too_old(this: Option<(u32, u32)>, since: (u32, u32)) -> Option<String> {
    let (major, minor) = this.filter(|&this| this < since)?;
    Some(format!("needs Linux {}.{}, and this is {major}.{minor}", since.0, since.1))
}

fn parse(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        assert_eq!(parse("6.18.44-something\n"), Some((6, 18)));
        assert_eq!(parse("5.4\n"), Some((5, 4)));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn only_an_older_kernel_is_too_old() {
        assert_eq!(too_old(Some((5, 10)), (6, 0)).unwrap(), "needs Linux 6.0, and this is 5.10");
        assert_eq!(too_old(Some((6, 0)), (6, 0)), None);
        assert_eq!(too_old(None, (6, 0)), None);
    }
}
