//! Tests that run once more, in a process of their own.

/// Runs one test of this program again, in a process of its own, with that value in the environment as `ZCIO_TEST_CHILD`.
pub fn in_child(test: &str, value: &str) {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ZCIO_TEST_CHILD", value)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    // A test that is called otherwise by now would pass by not being there.
    let ran = child.status.success() && said.contains("1 passed");
    assert!(ran, "{test} in a process with {value}: {said}{}", String::from_utf8_lossy(&child.stderr));
}

/// Runs that test again as the only one of a process, whose descriptors and mappings are its own; true in that process.
pub fn is_alone(test: &str) -> bool {
    let alone = std::env::var_os("ZCIO_TEST_CHILD").is_some();
    if !alone {
        in_child(test, "1");
    }
    alone
}
