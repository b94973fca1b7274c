//! The commands, one file each.

mod apply;
mod audit;
pub mod check;
mod completions;
mod confirm;
mod draw;
mod get;
pub mod keys;
mod list;
pub mod load;
mod purge;
mod status;
mod throw;
mod visitors;
mod watch;

use crate::failure::Failure;
use crate::options::{Cli, Command, Events};
use crate::switch::Switch;

/// Runs one.
pub async fn run(cli: &Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Events(events) => match events {
            Events::Apply { file, dry_run } => apply::apply(global, file, *dry_run).await,
            Events::List => list::list(global).await,
            Events::Get(one) => get::get(global, &one.event).await,
            Events::Status(one) => status::status(global, &one.event).await,
            Events::Watch(watch) => watch::watch(global, watch).await,
            Events::Open(one) => throw::throw(global, &one.event, Switch::Open).await,
            Events::Pause(one) => throw::throw(global, &one.event, Switch::Pause).await,
            Events::Suspend(one) => throw::throw(global, &one.event, Switch::Suspend).await,
            Events::Resume(one) => throw::throw(global, &one.event, Switch::Resume).await,
            Events::SoldOut { event, undo } => {
                throw::throw(global, event, if *undo { Switch::NotSoldOut } else { Switch::SoldOut }).await
            }
            Events::End(sure) => throw::end(global, sure).await,
            Events::Purge { sure, force } => purge::purge(global, sure, *force).await,
        },
        Command::Visitors(visitors) => visitors::run(global, visitors).await,
        Command::Audit { event } => audit::audit(global, event).await,
        Command::Keys(keys) => keys::run(global, keys),
        Command::Draw(draw) => draw::run(global, draw).await,
        Command::Check(check) => check::check(global, check).await,
        Command::Load(load) => load::load(global, load).await,
        Command::Completions { shell } => completions::completions(*shell),
    }
}
