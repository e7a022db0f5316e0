//! `tapsock connect`.

use wsa::config::Configuration;

use crate::cli::ConnectArgs;
use crate::output::Failure;

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0.
pub fn main(
    _args: &ConnectArgs,
    _configuration: &Configuration,
    _json: bool,
) -> Result<(), Failure> {
    Err(Failure::Told("connect is not there yet".into()))
}
