//! What cannot be taken back is asked about.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::Failure;
use crate::options::Sure;
use crate::output::plain;

/// Whether it is meant: `--yes`, or the event's id typed in on a terminal.
pub fn confirm(sure: &Sure, what: &str) -> Result<(), Failure> {
    if sure.yes {
        return Ok(());
    }
    let event = sure.event.as_str();
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(format!("{what}; there is no terminal to ask on: give --yes if that is meant")));
    }
    let asked =
        write!(io::stderr(), "{}. Type the event's id to go on: ", plain(what)).and_then(|()| io::stderr().flush());
    let mut answer = String::new();
    asked
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|error| Failure::Failed(format!("cannot ask: {error}")))?;
    if answer.trim() == event { Ok(()) } else { Err(Failure::Failed("not confirmed: nothing was sent".to_owned())) }
}
