//! The `ropeline-relay` program: which subcommand, see `commands/`.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{File, check, replay, run, status};

const AFTER_HELP: &str = "\
The relay asks the Worker once a second which events have admissions that are not in Kafka yet, takes a lease on each,
and carries their entries into one partition per event, in order and without a gap. Several relays may run: one works on
an event, the others stand by. It keeps no state of its own and may be stopped, killed and started again at any time.

The topic must exist: the relay never creates one (docs/kafka.md).

Environment (takes precedence over the file; an empty variable counts as absent):
  ROPELINE_RELAY_KEY              the relay key: a bearer secret whose SHA-256 the Worker has under \"relay\"
  ROPELINE_RELAY_WORKER_URL       worker.url, like https://queue.example.com
  ROPELINE_RELAY_KAFKA_BOOTSTRAP  kafka.bootstrap, like broker-1:9092,broker-2:9092
  ROPELINE_RELAY_TOPIC            kafka.topic
  ROPELINE_RELAY_HEALTH_LISTEN    health.listen, like 127.0.0.1:9464
  ROPELINE_RELAY_KAFKA_PASSWORD   the SASL password, instead of kafka.sasl.password_file
  ROPELINE_RELAY_CANARY_KEY       the canary's visitor key, instead of canary.visitor_key_file

SIGTERM and SIGINT: finish and ack the batch under way, give the leases back, exit with 0 (at most 15 seconds; 1 when
that was not enough). A second signal ends it at once. Nothing is lost either way. Exit code 2: the settings are wrong.";

/// Carries Ropeline's admission logs into Apache Kafka, in order.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the relay until it is told to stop
    #[command(after_help = AFTER_HELP)]
    Run(File),
    /// Looks at all that the relay needs, changes nothing, and says what to do where something is wrong
    #[command(after_help = check::AFTER_HELP)]
    Check(check::Check),
    /// Shows how far each event is, and whether its log is where it was
    #[command(after_help = status::AFTER_HELP)]
    Status(status::Status),
    /// Lets an event whose log was lost begin anew at a seq
    #[command(after_help = replay::AFTER_HELP)]
    Replay(replay::Replay),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(file) => run::run(&file),
        Command::Check(args) => check::check(&args),
        Command::Status(args) => status::status(&args),
        Command::Replay(args) => replay::replay(&args),
    }
}
