//! A seccomp filter that refuses one system call, as containers and service managers have them.
//!
//! A filter belongs to the thread that installs it, and to those it starts afterwards; there is no way back. So a test runs
//! what it wants to see refused on a thread of its own, and the harness around it keeps all its system calls.

use nix::errno::Errno;

/// Runs `body` on a new thread whose every call of `system_call` (`libc::SYS_…`) is answered with `errno`.
pub fn refusing<T: Send>(system_call: libc::c_long, errno: Errno, body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let filtered = scope.spawn(|| {
            refuse(system_call, errno as i32);
            body()
        });
        filtered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// From now on this thread, and those it starts, are refused that system call with that error number. There is no way back.
///
/// `LD [nr]; JEQ system_call; RET ERRNO; RET ALLOW`. The architecture is not looked at: this process makes native calls.
pub fn refuse(system_call: libc::c_long, errno: i32) {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let mut program = [
        statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, number),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: system_call as u32,
        },
        statement((libc::BPF_RET | libc::BPF_K) as u16, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()),
        statement((libc::BPF_RET | libc::BPF_K) as u16, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes no pointer.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0, "PR_SET_NO_NEW_PRIVS: {}", Errno::last());
    // SAFETY: the program and its instructions are locals that outlive the call; the kernel copies and verifies them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "PR_SET_SECCOMP: {}", Errno::last());
}

/// Runs one test of this program again, in a process of its own, with that value in the environment as `ZCIO_TEST_CHILD`.
pub fn in_child(test: &str, value: &str) {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ZCIO_TEST_CHILD", value)
        .status()
        .unwrap();
    assert!(child.success(), "{test} failed in a process with {value}");
}
