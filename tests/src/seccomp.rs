//! A seccomp filter that refuses one system call, as containers and service managers have them.
//!
//! A filter belongs to the thread that installs it, and to those it starts afterwards; there is no way back. So a test runs
//! what it wants to see refused on a thread of its own, and the harness around it keeps all its system calls.

use nix::errno::Errno;

/// Runs `body` on a new thread whose every call of `system_call` (`libc::SYS_…`) is answered with `errno`.
pub fn refusing<T: Send>(system_call: libc::c_long, errno: Errno, body: impl FnOnce() -> T + Send) -> T {
    behind(|| refuse(system_call, errno as i32), body)
}

/// Runs `body` on a new thread that cannot learn whether two descriptors are of one open file description: as in most
/// containers, which deny kcmp(2), before Linux 6.10, which made `F_DUPFD_QUERY`.
pub fn without_comparisons<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    const F_DUPFD_QUERY: u32 = 1027;
    let deny = || {
        refuse(libc::SYS_kcmp, Errno::EPERM as i32);
        refuse_command(libc::SYS_fcntl, Some(F_DUPFD_QUERY), Errno::EINVAL as i32);
    };
    behind(deny, body)
}

fn behind<T: Send>(deny: impl FnOnce() + Send, body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let filtered = scope.spawn(|| {
            deny();
            body()
        });
        filtered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// From now on this thread, and those it starts, are refused that system call with that error number. There is no way back.
///
/// The architecture is not looked at: this process makes native calls.
pub fn refuse(system_call: libc::c_long, errno: i32) {
    refuse_command(system_call, None, errno);
}

/// The same for calls with that second argument, if one is given.
///
/// `LD [nr]; JEQ system_call; LD [args[1]]; JEQ command; RET ERRNO; RET ALLOW`
fn refuse_command(system_call: libc::c_long, command: Option<u32>, errno: i32) {
    let statement = |code, k| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let load = |offset: usize| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32);
    // To the last statement, which allows it, unless it is equal.
    let is = |k, jf| libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf, k };
    let give_back = |k| statement(libc::BPF_RET | libc::BPF_K, k);
    // The lower half of an argument comes first on every machine that this runs on.
    let second = std::mem::offset_of!(libc::seccomp_data, args) + size_of::<u64>();
    let mut program = vec![load(std::mem::offset_of!(libc::seccomp_data, nr))];
    if let Some(command) = command {
        program.extend([is(system_call as u32, 3), load(second), is(command, 1)]);
    } else {
        program.push(is(system_call as u32, 1));
    }
    program.extend([give_back(libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()), give_back(libc::SECCOMP_RET_ALLOW)]);
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes no pointer.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0, "PR_SET_NO_NEW_PRIVS: {}", Errno::last());
    // SAFETY: the program and its instructions are locals that outlive the call; the kernel copies and verifies them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "PR_SET_SECCOMP: {}", Errno::last());
}
