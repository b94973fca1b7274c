//! What operators get in `ops/`: alerts that fire when they should and only then, messages that say what to do, and a recovery that looks
//! before it acts; with the real Prometheus and Alertmanager.
//!
//! * `alerts`: rules, their histories, the runbook, the catalogue of metrics.
//! * `brake`: what slows a sale down by itself.
//! * `canary`: the relay's visitor.
//! * `dashboard`: Grafana's.
//! * `recovery`: the script behind the webhook.
//! * `drill`: faults, from the fault to the message and back; the short form of `cargo xtask drill`.

mod alerts;
mod brake;
mod canary;
mod dashboard;
mod drill;
mod recovery;
