//! nginx, which serves static files by `sendfile`: what a whole server makes of the same routes.
//!
//! It is started through this same program ([`crate::rust_lane::nginx`]), which speaks the lanes' protocol for it; the
//! process that is measured is nginx itself, and the client that asks it keeps the time.

use std::env;
use std::process::Command;

use super::{Language, Method, PLAIN, Starting};
use crate::routes::{FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS};

const REMEDY: &str = "install nginx (Debian: nginx-light)";

/// One worker.
pub const METHODS: &[Method] = &[Method {
    name: "nginx",
    is_server: true,
    routes: &[(&[FILE_TO_TCP, FILE_TO_TCP_CONNECTIONS], "nginx, one worker")],
    ..PLAIN
}];

/// Starts it, where it is installed.
pub fn start(starting: &mut Starting<'_>) {
    for method in starting.wanted(Language::Rust, METHODS) {
        let Ok(program) = env::current_exe() else { return };
        let mut command = Command::new(program);
        command.arg("lane").arg(method.name);
        starting.spawn(Language::Rust, Language::Rust.name(), method, command, REMEDY);
    }
}
