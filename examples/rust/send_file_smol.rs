//! Sends a file over TCP from an async-io (smol) program: `cargo run -p zcio --example send_file_smol -- FILE HOST:PORT`
//!
//! zcio has no feature for it and needs none: a step that is blocked is a `WouldBlock` to async-io, which then waits for the
//! socket and steps again. So does tokio's `TcpStream::async_io`, for a step inside somebody else's loop.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};

use async_io::{Async, block_on};
use zcio::{Endpoint, Side, Step, Transfer};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, address] = arguments.as_slice() else {
        return Err("usage: send_file_smol FILE HOST:PORT".into());
    };
    let address = address.to_socket_addrs()?.next().ok_or("no address of that name")?;
    block_on(async {
        let socket = Async::<TcpStream>::connect(address).await?;
        let mut transfer = Transfer::new(Endpoint::open(file)?, Endpoint::new(&socket)?);
        loop {
            let step = socket.write_with(|_| match transfer.step() {
                Ok(Step::Blocked(Side::Sink)) => Err(ErrorKind::WouldBlock.into()),
                step => Ok(step),
            });
            // Each await between two steps is a place to stop at: with an exact count.
            if step.await?? == Step::Done {
                break;
            }
        }
        let report = transfer.report().ok_or("nothing was done")?;
        println!("{} bytes by {} in {} system calls", report.bytes, report.mechanism, report.system_calls);
        Ok(())
    })
}
