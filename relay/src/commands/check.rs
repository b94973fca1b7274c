//! `ropeline-relay check`

use std::process::ExitCode;

use clap::Args;

use super::File;

/// Below the options.
pub const AFTER_HELP: &str = "\
One line for each thing: the settings, certificates, every broker by itself (DNS, connect, TLS, SASL), the topic and the one of
rehearsals (\".test\"), their settings and permissions, the Worker with the relay key, and the clocks. What is not \"ok\" says what to
do: \"FAIL\" keeps the relay from its work or admissions from staying in Kafka, \"warn\" may do harm later, \"note\" is of no harm.
It changes nothing, takes no lease, creates no topic, and takes less than a minute.

Exit code: 0 nothing FAILs, 1 something does, 2 the settings are wrong (nothing else was looked at then).";

/// What to look at.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    file: File,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Looks at all that the relay needs.
pub fn check(args: &Check) -> ExitCode {
    let config = match args.file.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let shown = super::block_on(async { Ok(ropeline_relay::check::check(&config).await) }).and_then(|report| {
        match args.json {
            true => println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?),
            false => println!("{report}"),
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
