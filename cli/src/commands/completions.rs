//! `ropeline completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::options::Cli;
use crate::output;

/// Prints the script of a shell.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ropeline", &mut script);
    output::write(&String::from_utf8_lossy(&script))
}
