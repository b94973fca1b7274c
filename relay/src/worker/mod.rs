//! The Worker's relay routes, as the relay sees them.
//!
//! Invariant: whatever comes back, the caller gets a [`WorkerFailure`] it can act on; no answer is trusted further than its
//! type says, and none is read beyond its bound.

mod http;
mod wire;

use std::future::Future;

pub use http::{BuildError, Busy, HttpWorker};

use crate::machine::{DrainRequest, Drained, Lease, Mark, WorkerFailure};
use crate::types::{Epoch, EventId};

/// What the relay asks of the Worker. [`HttpWorker`] is the real one; tests have their own.
pub trait WorkerApi: Send + Sync + 'static {
    /// Which events have entries that are not acked.
    fn busy_events(&self) -> impl Future<Output = Result<Vec<EventId>, WorkerFailure>> + Send;

    /// Becomes the relay of `event`.
    fn take(&self, event: &EventId) -> impl Future<Output = Result<Lease, WorkerFailure>> + Send;

    /// Stays the relay; returns the lease's length in milliseconds.
    fn renew(&self, event: &EventId, epoch: Epoch) -> impl Future<Output = Result<u64, WorkerFailure>> + Send;

    /// Leaves `event` to others.
    fn release(&self, event: &EventId, epoch: Epoch) -> impl Future<Output = Result<(), WorkerFailure>> + Send;

    /// Entries after a seq, and the ack of the last batch.
    fn drain(
        &self,
        event: &EventId,
        request: &DrainRequest,
    ) -> impl Future<Output = Result<Drained, WorkerFailure>> + Send;

    /// Everything up to `mark` is in Kafka.
    fn ack(&self, event: &EventId, epoch: Epoch, mark: Mark) -> impl Future<Output = Result<(), WorkerFailure>> + Send;
}
