//! Opens a TAP device as the offloading link does, says so, and waits to be killed.
//!
//! `hold-device DEVICE`. Ends by itself when its standard input does.

use std::io::{self, Read};
use std::process::ExitCode;

use tapsock_stack::link::tap::Tap;

fn main() -> ExitCode {
    let Some(device) = std::env::args().nth(1) else {
        eprintln!("usage: hold-device DEVICE");
        return ExitCode::FAILURE;
    };
    match Tap::open_offloading(&device) {
        Ok(_tap) => {
            println!("open");
            // Whatever comes, or nothing.
            let _ = io::stdin().read(&mut [0]);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("hold-device: {error}");
            ExitCode::FAILURE
        }
    }
}
