//! `tapsock listen`.

use wsa::config::Configuration;

use crate::cli::ListenArgs;
use crate::output::Failure;

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0.
pub fn main(
    _args: &ListenArgs,
    _configuration: &Configuration,
    _json: bool,
) -> Result<(), Failure> {
    Err(Failure::Told("listen is not there yet".into()))
}
