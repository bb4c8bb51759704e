//! A stand-in that speaks the lanes' protocol for nginx, and says which process is to be measured.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::{next, say};
use crate::protocol::Message;

/// A running nginx: one process, so that all of its CPU time is the server's.
struct Server {
    process: Child,
    folder: TempDir,
    port: u16,
}

/// Serves jobs until standard input ends.
pub fn serve() -> Result<()> {
    let mut server = match Server::start() {
        Ok(server) => server,
        Err(error) => return super::fail(&error),
    };
    let hello = Message::new("hello").with("runtime", version()?)?.with("process", server.process.id())?;
    say(&hello)?;
    let mut requests = io::stdin().lock();
    while let Some(job) = next(&mut requests)? {
        match server.offer(Path::new(job.need("source")?)) {
            Ok(()) => say(&Message::new("ready").with("listening", format!("127.0.0.1:{}", server.port))?)?,
            Err(error) => super::fail(&error)?,
        }
    }
    // Whether it had ended already or not: it has now.
    let _ = server.process.kill();
    let _ = server.process.wait();
    Ok(())
}

fn version() -> Result<String> {
    let output = Command::new(program()).arg("-v").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(said.trim().rsplit(' ').next().unwrap_or("nginx").to_string())
}

/// Debian puts it where only root's PATH looks.
fn program() -> &'static str {
    if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
}

impl Server {
    fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("zcio-compare-nginx-").tempdir()?;
        // Free now; whoever takes it in between makes nginx fail, which is seen.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let root = folder.path().display();
        let user = if crate::host::is_root() { "user root;" } else { "" };
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {root}/t;"));
        let configuration = format!(
            "{user} daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log stderr crit;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; sendfile_max_chunk 0; tcp_nopush on; root {root}; {}\n\
             server {{ listen 127.0.0.1:{port} backlog=1024; }} }}\n",
            temporary.concat()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration)?;
        let process = Command::new(program())
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start nginx")?;
        let mut server = Self { process, folder, port };
        server.wait()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<()> {
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("nginx ended ({status})");
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        bail!("nginx does not answer")
    }

    /// Puts the file where it is served from, by its name.
    fn offer(&self, file: &Path) -> Result<()> {
        let name = file.file_name().context("a file has a name")?;
        let link: PathBuf = self.folder.path().join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(file, &link)?;
        }
        Ok(())
    }
}
