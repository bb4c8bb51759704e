//! Serves the files of a folder with tokio: `cargo run -p zcio --features tokio --example serve_files -- FOLDER PORT`
//!
//! A client sends a name and a newline, and gets the file: `printf 'NAME\n' | nc localhost PORT`. One that stops reading is
//! given up after ten seconds, and the count that is printed is exact all the same.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use zcio::{Endpoint, Transfer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, port] = arguments.as_slice() else {
        return Err("usage: serve_files FOLDER PORT".into());
    };
    let folder: Arc<Path> = Path::new(folder).into();
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (client, address) = listener.accept().await?;
        let folder = Arc::clone(&folder);
        tokio::spawn(async move {
            match serve(&folder, client).await {
                Ok(said) => println!("{address}: {said}"),
                Err(error) => println!("{address}: {error}"),
            }
        });
    }
}

async fn serve(folder: &Path, mut client: TcpStream) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut name = String::new();
    BufReader::new(&mut client).read_line(&mut name).await?;
    let name = Path::new(name.trim_end()).file_name().ok_or("no name")?;
    let mut transfer = Transfer::new(Endpoint::open(folder.join(name))?, Endpoint::new(&client)?);
    // Dropped by the timeout, the future leaves the transfer, which knows what the client has got.
    match tokio::time::timeout(Duration::from_secs(10), zcio::tokio::transfer(&mut transfer)).await {
        Ok(report) => {
            report.map(|report| format!("{} bytes by {}", report.bytes, report.mechanism)).map_err(Into::into)
        }
        Err(_late) => Ok(format!("given up after {} bytes", transfer.report().map_or(0, |report| report.bytes))),
    }
}
