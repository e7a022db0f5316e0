//! `tapsock errors`.

use wsa::config::Configuration;

use crate::cli::ErrorsArgs;
use crate::output::Failure;

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0.
pub fn main(
    _args: &ErrorsArgs,
    _configuration: &Configuration,
    _json: bool,
) -> Result<(), Failure> {
    Err(Failure::Told("errors is not there yet".into()))
}
