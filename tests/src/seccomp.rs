//! A seccomp filter that refuses system calls with an errno of choice, as a container's or a sandbox's does.

use std::process::Command;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// From now on that system call fails with that errno, in this thread and what it starts. There is no way back.
///
/// # Errors
///
/// What prctl(2) says, where filters are not to be had.
pub fn refuse(call: libc::c_long, errno: i32) -> std::io::Result<()> {
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(), 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, ALLOW, 0, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: plain numbers; the process only gives up privileges.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the program outlives the call, which copies it.
    if unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

/// Runs one test of this program again, in a process of its own, with that value in the environment as `ZCIO_TEST_CHILD`.
pub fn in_child(test: &str, value: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ZCIO_TEST_CHILD", value)
        .status()
        .unwrap();
    assert!(child.success(), "{test} failed in a process with {value}");
}
