//! `ropeline check`

use std::path::PathBuf;

use clap::Args;

use crate::check::{Keys, Plan, check as look};
use crate::failure::Failure;
use crate::options::Global;
use crate::output;
use crate::secret::{ADMIN, METRICS, ORIGIN, RELAY, Secret};

/// Below the options.
pub const AFTER_HELP: &str = "\
One line for each thing: name and certificate, the Worker and its version, the clocks, the published keys, each key that is given in its
role, the settings of each event, and whether admissions reach Kafka. What is not \"ok\" says what to do: \"FAIL\" keeps the product from
its work, \"warn\" may do harm later, \"note\" is of no harm. It changes nothing.

Keys that are not given are not looked at: ROPELINE_ADMIN_KEY, ROPELINE_ORIGIN_KEY, ROPELINE_RELAY_KEY, ROPELINE_METRICS_KEY, or the
files of the options.

Exit code: 0 nothing FAILs, 1 something does, 2 the command line or a key cannot be used.";

/// What to look at.
#[derive(Debug, Args)]
pub struct Check {
    /// A file with the origin key; goes before ROPELINE_ORIGIN_KEY
    #[arg(long, value_name = "FILE")]
    origin_key_file: Option<PathBuf>,
    /// A file with the relay key; goes before ROPELINE_RELAY_KEY
    #[arg(long, value_name = "FILE")]
    relay_key_file: Option<PathBuf>,
    /// A file with the metrics key; goes before ROPELINE_METRICS_KEY
    #[arg(long, value_name = "FILE")]
    metrics_key_file: Option<PathBuf>,
    /// How many are expected to enter in the busiest second; says whether an event's lanes are enough
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    peak_per_second: Option<u64>,
}

/// Looks at everything.
pub async fn check(global: &Global, options: &Check) -> Result<(), Failure> {
    let keys = Keys {
        admin: Secret::find(global.key_file.as_deref(), ADMIN)?,
        origin: Secret::find(options.origin_key_file.as_deref(), ORIGIN)?,
        relay: Secret::find(options.relay_key_file.as_deref(), RELAY)?,
        metrics: Secret::find(options.metrics_key_file.as_deref(), METRICS)?,
    };
    let report = look(global, &Plan { keys, peak_per_second: options.peak_per_second }).await?;
    if global.json {
        output::json(&report)?;
    } else {
        output::say(&report)?;
    }
    match report.failures {
        0 => Ok(()),
        failures => Err(Failure::Failed(format!("{failures} FAIL"))),
    }
}
