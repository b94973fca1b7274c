//! `ropeline-relay replay`

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::Args;
use ropeline_relay::operator::Sides;
use ropeline_relay::operator::replay::{Plan, ReplayError, carry_out, plan};
use ropeline_relay::types::{EventId, Seq};

use super::File;

/// Below the options.
pub const AFTER_HELP: &str = "\
For a stopped event whose topic cannot be restored (docs/kafka.md, \"A stopped event\"). The entries from SEQ on are sent
again, to the topic as it is now, in order and without a gap; the relay that runs does that by itself, within
intervals.stopped_retry_seconds. Nothing is lost: the line keeps every entry until the event is purged.

Refused without --force where consumers that read the partition from its beginning would drop or miss entries.

Exit code: 0 done (or could be done, with --dry-run), 1 refused or failed, 2 the settings or the command line are wrong.";

/// What to replay.
#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    file: File,
    /// The event
    #[arg(long, value_parser = event_id)]
    event: EventId,
    /// The first entry to send: 1 … acked_seq + 1
    #[arg(long, value_name = "SEQ")]
    from: u64,
    /// Where to send them from now on; it must exist. Without it: the event's topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Also where consumers would drop or miss entries
    #[arg(long)]
    force: bool,
}

pub(super) fn event_id(text: &str) -> Result<EventId, String> {
    EventId::new(text).ok_or_else(|| "not an event id: 1 to 64 characters of a-z, 0-9 and '-'".to_owned())
}

/// Lets an event begin anew.
pub fn replay(args: &Replay) -> ExitCode {
    let config = match args.file.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let done = super::block_on(async {
        let sides = Sides::new(&config, super::random_name()?).map_err(|error| error.to_string())?;
        let plan = plan(&sides, &config.settings.scan, &args.event, Seq(args.from), args.topic.as_deref()).await;
        let plan = plan.map_err(|error: ReplayError| error.to_string())?;
        show(&plan);
        let objections = plan.objections();
        for objection in &objections {
            println!("against it: {objection}");
        }
        if !objections.is_empty() && !args.force {
            return Err("nothing was changed; --force does it all the same".to_owned());
        }
        if args.dry_run {
            println!("a dry run: nothing was changed");
            return Ok(());
        }
        if !args.yes {
            confirm()?;
        }
        let lease = carry_out(&sides, &plan).await.map_err(|error| error.to_string())?;
        println!(
            "done, under epoch {}: the relay that runs goes on with seq {} within {} s; see `ropeline-relay status`",
            lease.epoch, args.from, config.settings.intervals.stopped_retry_seconds
        );
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("ropeline-relay: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn show(plan: &Plan) {
    let Plan { event, from, now, to, .. } = plan;
    let entries = plan.entries();
    println!("event      {event}: {} entries, acked up to seq {}", now.head, now.acked_seq);
    if let Some(pin) = &now.pin {
        println!("so far     topic {}, partition {}, next offset {}", pin.topic, pin.partition, pin.next_offset);
    }
    println!("from then  topic {}, partition {}, from offset {}", to.topic, to.partition, to.next_offset);
    match entries {
        0 => println!("to send    nothing now; seq {from} and on as they come"),
        _ => println!("to send    seq {from} … {}: {entries} entries, then what comes", now.head),
    }
    for remark in plan.remarks() {
        println!("note       {remark}");
    }
}

/// Asks on the terminal.
fn confirm() -> Result<(), String> {
    if !std::io::stdin().is_terminal() {
        return Err("nobody to ask on this terminal; --yes does it without asking. Nothing was changed".to_owned());
    }
    print!("Replay? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdout().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        Ok(_) => Err("nothing was changed".to_owned()),
        Err(error) => Err(format!("cannot ask: {error}; nothing was changed")),
    }
}
