//! `ropeline-relay check`

use std::process::ExitCode;

use super::File;

/// Reads and checks the settings.
pub fn check(file: &File) -> ExitCode {
    match file.load() {
        Ok(_) => {
            println!("the settings are fine");
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}
