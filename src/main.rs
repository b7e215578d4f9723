//! Parse, run, print the error, return the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadrun::cli::main()
}
