//! `ropeline-relay check`: whether the relay could do its work here and now, each thing by itself, with what to do where not.
//!
//! Invariants: it changes nothing, and creates no topic even where brokers would; whatever fails, all that can still be
//! looked at is; every call is bounded, and the whole by less than a minute; no secret is shown.

mod brokers;
pub mod certificates;
mod events;
mod remedy;
mod settings;
mod topic;
mod wire;
pub mod worker;

pub use ropeline_report as report;

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use remedy::Tools;
use report::{Level, Line, Report};

use crate::config::Config;
use crate::machine::TEST_SUFFIX;

/// Looks at everything.
pub async fn check(config: &Config) -> Report {
    let mut lines = configuration(config);
    lines.extend(certificates::check(&config.settings.kafka.tls, now()));
    let (kafka, worker, events) = tokio::join!(kafka(config), worker::check(config), events::check(config));
    lines.extend(kafka);
    lines.extend(worker);
    lines.extend(events);
    Report::new(lines)
}

/// By this machine's clock.
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn configuration(config: &Config) -> Vec<Line> {
    const CHECK: &str = "configuration";
    let mut lines = vec![Line::ok(CHECK, "all settings", "can be used, with the secrets they name")];
    let warnings = config.warnings();
    lines.extend(
        warnings.iter().map(|warning| Line::new(Level::Warn, CHECK, warning.setting, warning.what, warning.remedy)),
    );
    lines
}

async fn kafka(config: &Config) -> Vec<Line> {
    let settings = &config.settings;
    let tools = Tools::new(&settings.kafka);
    let names = [settings.kafka.topic.clone(), format!("{}{TEST_SUFFIX}", settings.kafka.topic)];
    let (mut lines, reached) = brokers::check(&config.kafka, &names).await;
    let Some(mut reached) = reached else {
        let remedy = "mend one of the brokers' lines above, and check again";
        lines.push(Line::new(Level::Note, "topic", &settings.kafka.topic, "not looked at: no broker answers", remedy));
        return lines;
    };
    for (name, rehearsals) in names.iter().zip([false, true]) {
        let (found, topic) = topic::check(&reached.metadata, name, rehearsals, &tools);
        lines.extend(found);
        if let Some(topic) = topic {
            lines.extend(settings::check(&mut reached.connection, &topic, &settings.batch, &tools).await);
        }
    }
    lines
}
