//! `cargo xtask capacity`: how much this machine carries, and what a sale of any size asks of the platform.
//!
//! As with [`crate::soak`] what is measured is in the package of the end-to-end tests; what is reckoned is here.

mod plan;
mod table;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use self::plan::Sale;
use crate::bundle;
use crate::process::{self, Output, Process};
use crate::tools::{self, Tools};
use crate::ui::Ui;

/// The sales of docs/capacity.md.
const SALES: [Sale; 4] = [
    Sale { people: 10_000, rush_seconds: 60, per_minute: 300 },
    Sale { people: 1_000_000, rush_seconds: 60, per_minute: 3_000 },
    Sale { people: 10_000_000, rush_seconds: 60, per_minute: 20_000 },
    Sale { people: 10_000_000, rush_seconds: 300, per_minute: 20_000 },
];

/// What is reckoned instead.
#[derive(Debug, Subcommand)]
enum What {
    /// Lanes, limits, thresholds and dollars for a sale; without options for 10 thousand, 1 million and 10 million people
    Plan(PlanOptions),
}

/// Options of `cargo xtask capacity plan`.
#[derive(Debug, Args)]
struct PlanOptions {
    /// How many come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    people: Option<u64>,
    /// Within so many seconds
    #[arg(long, default_value_t = 60, value_name = "S", requires = "people", value_parser = clap::value_parser!(u64).range(1..))]
    rush_seconds: u64,
    /// How many the shop takes a minute
    #[arg(long, default_value_t = 600, value_name = "M", requires = "people", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    per_minute: u64,
}

/// Options of `cargo xtask capacity`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// Short steps: some three minutes in all
    #[arg(long)]
    quick: bool,
}

/// Builds what is needed and measures, or reckons; prints tables in Markdown.
///
/// # Errors
/// When something cannot be built, started or measured.
pub fn run(ui: &Ui, options: &Options) -> Result<()> {
    if let Some(What::Plan(options)) = &options.what {
        let &PlanOptions { people, rush_seconds, per_minute } = options;
        let sales = people.map_or(SALES.to_vec(), |people| vec![Sale { people, rush_seconds, per_minute }]);
        println!("{}", table::table(&sales));
        return Ok(());
    }
    process::stop_children_on_signals()?;
    tools::check_prerequisites(ui, false)?;
    bundle::worker(ui, &Tools::ensure(ui)?)?;
    let mut capacity = std::process::Command::new(bundle::generator(ui, "capacity")?);
    capacity.args(options.quick.then_some("--quick"));
    let status = Process::spawn("capacity", &mut capacity, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("not all could be measured: see above");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_plan_is_the_one_that_this_version_makes() {
        let page = std::fs::read_to_string(crate::paths::root().join("docs/capacity.md")).unwrap();
        let table = table::table(&SALES);
        assert!(page.contains(&table), "docs/capacity.md has another plan than `cargo xtask capacity plan`:\n{table}");
    }
}
