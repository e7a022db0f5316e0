//! The program `tapsock`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapsock_tools::cli::main()
}
