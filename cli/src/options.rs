//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ropeline_keys::document::Role;
use ropeline_queue::EventId;

use crate::commands::{check, keys, load};

const AFTER_HELP: &str = "\
Environment: ROPELINE_URL (--url), ROPELINE_ADMIN_KEY (the admin's bearer secret; no option takes a key itself). `check` also takes
ROPELINE_ORIGIN_KEY, ROPELINE_RELAY_KEY and ROPELINE_METRICS_KEY. An empty variable counts as absent.

Exit code: 0 done, 1 failed or a check has a FAIL, 2 wrong command line, file or key, 3 refused by the Worker, 4 the event was changed
by somebody else meanwhile, 5 no answer. docs/cli.md has an example of every command.";

/// Runs sales on a deployment of Ropeline: sets events up, watches and steers them.
#[derive(Debug, Parser)]
#[command(name = "ropeline", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// For all commands.
    #[command(flatten)]
    pub global: Global,
    /// Which one.
    #[command(subcommand)]
    pub command: Command,
}

/// For all commands.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Where the Worker is, such as `https://queue.example.com`
    #[arg(long, global = true, env = "ROPELINE_URL", value_name = "URL")]
    pub url: Option<String>,
    /// What its paths start with: its ROPELINE_PREFIX
    #[arg(long, global = true, default_value = "/queue", value_name = "PATH")]
    pub prefix: String,
    /// A file with the admin key in one line; goes before ROPELINE_ADMIN_KEY
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// JSON on standard output, errors too (on standard error)
    #[arg(long, global = true)]
    pub json: bool,
    /// The limit of one request
    #[arg(long, global = true, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Events: set up, look at, steer
    #[command(subcommand)]
    Events(Events),
    /// One visitor, for support
    #[command(subcommand)]
    Visitors(Visitors),
    /// Who changed what in an event, and when
    Audit {
        /// The event's id
        #[arg(value_parser = event_id)]
        event: EventId,
    },
    /// Keys of a deployment: make, list, rotate; nothing is sent
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The drawn order of an event
    #[command(subcommand)]
    Draw(Draw),
    /// Looks at a deployment from outside, changes nothing, and says what to do where something is wrong
    #[command(after_help = check::AFTER_HELP)]
    Check(check::Check),
    /// Lets a load scenario loose on a deployment, by k6
    Load(load::Load),
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// `ropeline events`
#[derive(Debug, Subcommand)]
pub enum Events {
    /// Creates an event or changes it to what a file says, after showing the difference
    Apply {
        /// The event file, TOML; '-' is standard input
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        /// Only show the difference
        #[arg(long)]
        dry_run: bool,
    },
    /// All events
    List,
    /// An event's settings, as an event file that `apply` takes
    Get(One),
    /// How an event is doing, once
    Status(One),
    /// How an event is doing, again and again until Ctrl-C
    Watch(Watch),
    /// Opens an event now, which was to open later
    Open(One),
    /// Holds the line: nobody is called or admitted, places are still given (setting queue_all)
    Pause(One),
    /// Takes the queue away: everybody passes (setting suspended)
    Suspend(One),
    /// Takes back `pause` and `suspend`
    Resume(One),
    /// Tells everybody that it is sold out; nobody is let in any more
    SoldOut {
        /// The event's id
        #[arg(value_parser = event_id)]
        event: EventId,
        /// There is something left after all
        #[arg(long)]
        undo: bool,
    },
    /// Ends an event now; that cannot be taken back
    End(Sure),
    /// Gives back an event's storage for good; its id is never used again
    Purge {
        /// Which event
        #[command(flatten)]
        sure: Sure,
        /// Also when it has not ended, or has admissions that are not in Kafka
        #[arg(long)]
        force: bool,
    },
}

/// One event.
#[derive(Debug, Args)]
pub struct One {
    /// The event's id
    #[arg(value_parser = event_id)]
    pub event: EventId,
}

/// One event, and something that cannot be taken back.
#[derive(Debug, Args)]
pub struct Sure {
    /// The event's id
    #[arg(value_parser = event_id)]
    pub event: EventId,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub yes: bool,
}

/// `ropeline events watch`
#[derive(Debug, Args)]
pub struct Watch {
    /// The event's id
    #[arg(value_parser = event_id)]
    pub event: EventId,
    /// How often to look
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS", value_parser = interval)]
    pub interval: f64,
    /// End after this many looks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Also show what this Alertmanager has to say, such as `http://alertmanager:9093`
    #[arg(long, value_name = "URL")]
    pub alertmanager: Option<String>,
}

/// `ropeline visitors`
#[derive(Debug, Subcommand)]
pub enum Visitors {
    /// The history of one place; never its ticket
    Show {
        /// The event's id
        #[arg(value_parser = event_id)]
        event: EventId,
        /// The number that the visitor sees
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        number: u64,
    },
    /// Throws one visitor out: claim and renew are refused at once
    EndSession {
        /// The event's id
        #[arg(value_parser = event_id)]
        event: EventId,
        /// Whose session
        #[command(flatten)]
        whose: Whose,
    },
}

/// By number, or by pass.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Whose {
    /// The number that the visitor sees
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub number: Option<u64>,
    /// The `jti` of the pass: {event}/{seq}
    #[arg(long)]
    pub jti: Option<String>,
}

/// `ropeline draw`
#[derive(Debug, Subcommand)]
pub enum Draw {
    /// Recomputes the draw from its published proof: does the seed fit the commitment?
    Verify {
        /// The event's id
        #[arg(value_parser = event_id)]
        event: EventId,
        /// Also tell the position of this number; may be repeated
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        number: Vec<u64>,
        /// The commitment as it was noted before the opening
        #[arg(long, value_name = "HEX")]
        commitment: Option<String>,
    },
}

/// An event's id.
pub(crate) fn event_id(text: &str) -> Result<EventId, String> {
    EventId::parse(text).map_err(|error| error.to_string())
}

/// A role that has keys.
pub(crate) fn role(text: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::as_str).join(", ");
    Role::parse(text).ok_or_else(|| format!("must be one of {names}"))
}

fn interval(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.1..=3_600.0).contains(seconds));
    seconds.ok_or_else(|| "must be a number from 0.1 to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_no_contradictions() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_takes_a_key() {
        for bad in [["--key", "5ecret"], ["--admin-key", "5ecret"], ["--token", "5ecret"]] {
            let line = ["ropeline", "events", "list"].into_iter().chain(bad);
            assert!(Cli::try_parse_from(line).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn whose_session_is_said_once() {
        let parse = |more: &[&str]| {
            Cli::try_parse_from(["ropeline", "visitors", "end-session", "demo"].into_iter().chain(more.iter().copied()))
        };
        assert!(parse(&["--number", "1"]).is_ok() && parse(&["--jti", "demo/1"]).is_ok());
        assert!(parse(&[]).is_err() && parse(&["--number", "1", "--jti", "demo/1"]).is_err());
        assert!(parse(&["--number", "0"]).is_err());
    }
}
