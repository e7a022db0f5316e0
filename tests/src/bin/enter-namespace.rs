//! Does at its start what every program does that is given no link: enters a namespace and makes a
//! TAP device there. Exit status 0, or 1 and one sentence.

use std::process::ExitCode;

use tapsock_tools::namespace::{self, NamespaceError};
use wsa::config::Configuration;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), NamespaceError> {
    let configuration = Configuration::default();
    namespace::enter()?;
    namespace::make_tap(namespace::DEVICE, configuration.mtu, &configuration.kernel_side())
}
