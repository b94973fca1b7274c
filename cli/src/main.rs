//! The `ropeline` program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ropeline::main()
}
