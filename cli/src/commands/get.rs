//! `ropeline events get`: an event's settings, as a file that `apply` takes; with `--json` as the Worker says them.

use ropeline_queue::EventId;

use crate::client::Client;
use crate::failure::Failure;
use crate::options::Global;
use crate::{event_file, output};

/// Shows them.
pub async fn get(global: &Global, event: &EventId) -> Result<(), Failure> {
    let answer = Client::admin(global)?.event(event).await?;
    if global.json {
        return output::json(&answer.body);
    }
    output::write(&event_file::write(&answer.body)?)
}
