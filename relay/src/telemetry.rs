//! What the relay says: one structured line per thing that happened, JSON unless text is asked for.
//!
//! Invariant: never a key, never an entry's content. A line has the event, the epoch, the seq range and the cause.

use std::io;

use tracing::{debug, error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};
use crate::machine::{Cause, Note, Outcome};
use crate::types::{Epoch, EventId};

/// The filter for `level`: the Kafka library's own lines only when everything is asked for, for every error it reports
/// comes back to us and is said with its event.
///
/// # Errors
/// When `level` is no filter.
pub fn filter(level: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(level)?;
    if level.contains("rskafka") || level == "debug" || level == "trace" {
        return Ok(filter);
    }
    EnvFilter::try_new(format!("{level},rskafka=off"))
}

/// Starts logging to standard error. Does nothing when a logger is there already.
pub fn start(settings: &LogSettings) {
    // The level was checked with the configuration.
    let filter = filter(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.with_ansi(false).try_init(),
    };
    if started.is_err() {
        debug!("logging was started before");
    }
}

/// One line for what a machine noticed.
pub fn note(event: &EventId, epoch: Option<Epoch>, note: &Note) {
    let epoch = epoch.map_or(0, |epoch| epoch.0);
    match note {
        Note::Taken { acked, drained, head } => {
            info!(%event, epoch, acked = acked.0, drained = drained.0, head = head.0, "lease taken");
        }
        Note::Produced { first, last, offset } => {
            info!(%event, epoch, first = first.0, last = last.0, offset = offset.0, "batch in Kafka");
        }
        // The common case in a partition that events share.
        Note::Recovering { cause: cause @ Cause::Shifted { .. }, batch: Some((first, last)) } => {
            debug!(%event, epoch, first = first.0, last = last.0, %cause, "batch further on than expected: confirming it");
        }
        Note::Recovering { cause: cause @ Cause::TooLarge { .. }, batch: Some((first, last)) } => {
            warn!(%event, epoch, first = first.0, last = last.0, %cause, "batch too large for the topic: smaller ones");
        }
        Note::Recovering { cause, batch: Some((first, last)) } => {
            warn!(%event, epoch, first = first.0, last = last.0, %cause, "batch not clean: looking into the log");
        }
        Note::Recovering { cause, batch: None } => {
            warn!(%event, epoch, %cause, "Kafka call failed: new client");
        }
        Note::Scanned { known, drained, records, repeats } => {
            info!(%event, epoch, known = known.0, drained = drained.0, records, repeats, "log read back");
        }
        Note::ScanBound { known, drained } => {
            warn!(%event, epoch, first = known.next().0, last = drained.0, "the read-back met its bound: these may be sent again");
        }
        Note::NotVisible { offset, high_watermark } => {
            warn!(%event, epoch, offset = offset.0, high_watermark = high_watermark.0, "records not visible yet (an open transaction of another producer?): waiting");
        }
        Note::Retention { earliest } => {
            info!(%event, epoch, earliest = earliest.0, "retention has removed the last acked record");
        }
        Note::SeemsLost { expected, times } => {
            warn!(%event, epoch, offset = expected.0, times, "the log seems to end before the last acked record: asking again");
        }
        Note::Discarding { topic } => {
            warn!(%event, epoch, topic, "a test event, and its topic is not there: its admissions are acked without being sent to Kafka");
        }
        Note::Discarded { first, last } => {
            info!(%event, epoch, first = first.0, last = last.0, "acked without being sent: a test event without a topic");
        }
        Note::TooLate => {
            warn!(%event, epoch, "the lease was too near its end to produce: draining again");
        }
        Note::WorkerTrouble { cause, retry_ms } => {
            warn!(%event, epoch, %cause, retry_ms, "call to the Worker failed");
        }
    }
}

/// One line for how the work on an event ended.
pub fn outcome(event: &EventId, epoch: Option<Epoch>, outcome: &Outcome) {
    let epoch = epoch.map_or(0, |epoch| epoch.0);
    match outcome {
        Outcome::Idle => info!(%event, epoch, "everything acked: lease given back"),
        Outcome::Shutdown => info!(%event, epoch, "stopping: lease given back"),
        Outcome::Held { retry_after_ms } => {
            debug!(%event, retry_after_ms, "another relay has the lease: standing by");
        }
        Outcome::Stale => warn!(%event, epoch, "another relay has taken over"),
        Outcome::Gone => info!(%event, epoch, "the event is gone"),
        Outcome::GaveUp { cause } => {
            error!(%event, epoch, %cause, "too many failures in a row: left to another relay, and tried again soon");
        }
        Outcome::Stopped(cause) => {
            error!(%event, epoch, %cause, "event stopped; other events go on, this one is looked at again from time to time");
        }
    }
}
