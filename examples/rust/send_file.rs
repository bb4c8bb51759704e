//! Sends a file over TCP and says how: `cargo run -p zcio --example send_file -- FILE HOST:PORT`
//!
//! To receive it: `nc -l PORT > copy`. The report names the mechanism that was chosen; `system_calls` shows what it spared.

use std::env;
use std::error::Error;
use std::net::TcpStream;

use zcio::{Endpoint, Transfer};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, address] = arguments.as_slice() else {
        return Err("usage: send_file FILE HOST:PORT".into());
    };
    let socket = TcpStream::connect(address)?;
    let report = Transfer::new(Endpoint::open(file)?, Endpoint::new(&socket)?).run()?;
    println!("{} bytes by {} in {} system calls", report.bytes, report.mechanism, report.system_calls);
    Ok(())
}
