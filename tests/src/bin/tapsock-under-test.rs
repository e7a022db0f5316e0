//! The program `tapsock` under a name of its own: cargo builds the programs of a package for that
//! package's tests only, and these tests need the kernel as a peer as well.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapsock_tools::cli::main()
}
