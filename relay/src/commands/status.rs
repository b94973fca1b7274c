//! `ropeline-relay status`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use ropeline_relay::operator::Sides;
use ropeline_relay::operator::status::{Found, Report, Row, Side, report};
use ropeline_relay::types::EventId;

use super::File;

/// Below the options.
pub const AFTER_HELP: &str = "\
Asks Worker and broker themselves, and takes no lease: it may be called at any time, beside any number of relays.

Exit code: 0 both answer and every event's log is where the line says, 1 something does not, 2 the settings are wrong.
Entries that wait (lag) are no error by themselves.";

/// What to show.
#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    file: File,
    /// This event only, also when all of its entries are acked
    #[arg(long, value_parser = super::replay::event_id)]
    event: Option<EventId>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Shows how far each event is.
pub fn status(args: &Status) -> ExitCode {
    let config = match args.file.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let (worker, kafka) = (config.settings.worker_base(), config.settings.kafka.bootstrap.join(","));
    let done = super::block_on(async {
        let sides = Sides::new(&config, super::random_name()?).map_err(|error| error.to_string())?;
        Ok(report(Arc::new(sides), worker, kafka, args.event.clone()).await)
    });
    let shown = done.and_then(|report| {
        match args.json {
            true => println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?),
            false => show(&report),
        }
        Ok(report.is_well())
    });
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            eprintln!("ropeline-relay: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn show(report: &Report) {
    let side = |side: &Side| match &side.trouble {
        None => format!("{} answers", side.at),
        Some(trouble) => format!("{} does not answer: {trouble}", side.at),
    };
    println!("worker  {}", side(&report.worker));
    println!("kafka   {}", side(&report.kafka));
    if report.events.is_empty() && report.worker.trouble.is_none() {
        println!("no event has entries that are not acked");
    }
    for row in &report.events {
        show_row(row);
    }
}

fn show_row(row: &Row) {
    let event = &row.event;
    if let Some(line) = &row.line {
        let relay = match &line.relay {
            Some(relay) => format!("relay {relay}, epoch {}, lease {} ms more", line.epoch, line.lease_ms),
            None => format!("no relay at the moment, last epoch {}", line.epoch),
        };
        println!("{event}: head {}, acked {}, lag {}; {relay}", line.head, line.acked_seq, line.lag);
        if let (Some(topic), Some(partition), Some(next)) = (&line.topic, line.partition, line.next_offset) {
            println!("  topic {topic}, partition {partition}, next offset {next}");
        }
    }
    let go_on = || {
        let most = row.line.as_ref().map_or(1, |line| line.acked_seq.next().0);
        format!("restore it, or `ropeline-relay replay --event {event} --from SEQ`, 1 … {most}")
    };
    match &row.log {
        Found::Agrees { end } => println!("  log: fine, ends at offset {end}"),
        Found::NotBegun => println!("  log: nothing sent yet"),
        Found::Missing => println!("  log: STOPPED, the topic or partition is not there: {}", go_on()),
        Found::Lost { end } => println!("  log: STOPPED, it ends at offset {end} already: {}", go_on()),
        Found::OtherRecord { offset } => {
            println!("  log: STOPPED, another record stands at offset {offset}: {}", go_on());
        }
        Found::Unknown => println!("  log: not looked at"),
    }
    if let Some(trouble) = &row.trouble {
        println!("  {event}: {trouble}");
    }
}
