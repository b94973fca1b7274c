//! `GET /queue/metrics`: what the objects have counted, for Prometheus.
//!
//! Isolates share nothing, so nothing is counted here: the registry has the text, at most five seconds old. Only what the deployment says
//! of its keys is added.

use super::Context;
use crate::http::problem::Problem;
use crate::http::reply::Reply;
use crate::keyring::Role;
use crate::metrics::{self, CONTENT_TYPE};
use crate::objects::call::{Address, Message};
use crate::objects::command::RegistryCommand;

/// The metrics of all events.
pub async fn metrics(c: &Context) -> Result<Reply, Problem> {
    c.require(Role::Metrics)?;
    let answer = c.ask(Address::REGISTRY, Message::of(&RegistryCommand::Metrics)).await?;
    Ok(Reply::text(200, CONTENT_TYPE, answer.0 + &metrics::removals(&c.deployment.removals)))
}
