//! `ropeline events status`: how an event is doing, once.

use ropeline_queue::EventId;

use crate::client::Client;
use crate::failure::Failure;
use crate::options::Global;
use crate::output;
use crate::screen::picture_of;
use crate::snapshot::Snapshot;

/// Shows it.
pub async fn status(global: &Global, event: &EventId) -> Result<(), Failure> {
    let look = Snapshot::take(&Client::admin(global)?, event).await?;
    if global.json {
        return output::json(&look);
    }
    output::say(picture_of(&look, None).join("\n"))
}
