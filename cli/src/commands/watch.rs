//! `ropeline events watch`: how an event is doing, again and again. On a terminal a picture that is drawn over itself, else one line
//! for each look.
//!
//! Invariant: a Worker that does not answer is shown as such, and the watch goes on; only a refusal ends it.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::alerts::Alertmanager;
use crate::client::Client;
use crate::failure::Failure;
use crate::options::{Global, Watch};
use crate::output;
use crate::screen::{View, redraw};
use crate::snapshot::Snapshot;

/// Watches until Ctrl-C, or as often as asked.
pub async fn watch(global: &Global, options: &Watch) -> Result<(), Failure> {
    let client = Client::admin(global)?;
    let alertmanager = match &options.alertmanager {
        Some(address) => Some(Alertmanager::new(address, Duration::from_secs(global.timeout))?),
        None => None,
    };
    tokio::select! {
        done = looks(global, options, &client, alertmanager.as_ref()) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn looks(
    global: &Global,
    options: &Watch,
    client: &Client,
    alertmanager: Option<&Alertmanager>,
) -> Result<(), Failure> {
    let event = options.event.as_str();
    let is_picture = output::is_terminal() && !global.json;
    let mut ticks = interval(Duration::from_secs_f64(options.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut rates, mut drawn, mut seen): (Option<Snapshot>, _, _, u64) = (None, None, 0, 0);
    loop {
        ticks.tick().await;
        let trouble = match Snapshot::take(client, &options.event).await {
            Ok(look) => {
                rates = last.as_ref().and_then(|before| look.rates_since(before));
                last = Some(look);
                None
            }
            Err(failure @ Failure::Unreachable { .. }) => Some(failure),
            Err(failure) => return Err(failure),
        };
        let alerts = match alertmanager {
            Some(alertmanager) => Some(alertmanager.firing(event).await),
            None => None,
        };
        let text = trouble.as_ref().map(ToString::to_string);
        let view = View { event, last: last.as_ref(), rates, trouble: text.as_deref(), alerts: alerts.as_ref() };
        if is_picture {
            let lines = view.picture();
            output::write(&redraw(drawn, &lines))?;
            drawn = lines.len();
        } else if global.json {
            output::say(view.to_json())?;
        } else {
            output::say(view.line())?;
        }
        seen += 1;
        if options.count.is_some_and(|count| seen >= count) {
            // Never seen is no success for a script.
            return trouble.filter(|_| last.is_none()).map_or(Ok(()), Err);
        }
    }
}
