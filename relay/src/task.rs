//! Carries out what one event's [`Machine`] says, and nothing else: one effect at a time, each with a time limit.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::broker::{Broker, BrokerClient, Log, limited};
use crate::health::{EventHealth, Health};
use crate::machine::{Around, BrokerFailure, Effect, Input, Machine, Note, Outcome, Rules};
use crate::telemetry;
use crate::types::{EventId, Mono};
use crate::worker::WorkerApi;

/// What all tasks share.
#[derive(Debug)]
pub struct Shared<W, B> {
    /// The Worker.
    pub worker: W,
    /// Kafka.
    pub broker: B,
    /// The machine's numbers.
    pub rules: Rules,
    /// The limit of one call to Kafka.
    pub kafka_timeout: Duration,
    /// Where this process's [`Mono`] starts.
    pub started: Instant,
    /// What the process knows of itself.
    pub health: Arc<Health>,
}

/// No request to the Worker may take longer: the upper bound of the setting.
const WORKER_LIMIT: Duration = Duration::from_secs(10);

impl<W, B> Shared<W, B> {
    fn now(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// One event's task.
pub struct EventTask<W, B: Broker> {
    shared: Arc<Shared<W, B>>,
    health: Arc<EventHealth>,
    machine: Machine,
    client: Option<B::Client>,
    log: Option<<B::Client as BrokerClient>::Log>,
}

impl<W: WorkerApi, B: Broker> EventTask<W, B> {
    /// A task for `event`; `seed` spreads its waits.
    pub fn new(shared: Arc<Shared<W, B>>, event: EventId, seed: u64) -> Self {
        let health = shared.health.event(&event);
        let machine = Machine::new(event, shared.rules.clone(), seed);
        Self { shared, health, machine, client: None, log: None }
    }

    /// Works until the event is done, lost to another relay, stopped, or `stop` turns true. `listed` tells whether the
    /// registry still calls the event busy; `taken` is told when the lease is this relay's.
    pub async fn run(
        mut self,
        listed: Arc<AtomicBool>,
        taken: Arc<Notify>,
        mut stop: watch::Receiver<bool>,
    ) -> Outcome {
        let mut input = Input::Start;
        loop {
            let around =
                Around { now: self.shared.now(), listed: listed.load(Ordering::Relaxed), stopping: *stop.borrow() };
            let step = self.machine.step(around, input);
            for note in &step.notes {
                telemetry::note(self.machine.event(), self.machine.epoch(), note);
                if matches!(note, Note::Taken { .. }) {
                    taken.notify_one();
                }
            }
            let due = self.due(&step.effect);
            self.shared.health.stepped(&self.health, self.machine.progress(), &step.notes, due);
            if matches!(step.effect, Effect::Drain(_)) {
                self.health.sound();
            }
            if let Effect::Done(outcome) = step.effect {
                self.health.ended(Instant::now(), &outcome);
                telemetry::outcome(self.machine.event(), self.machine.epoch(), &outcome);
                return outcome;
            }
            input = if self.machine.may_interrupt() {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => Input::Interrupted,
                    input = self.carry_out(step.effect) => input,
                }
            } else {
                self.carry_out(step.effect).await
            };
        }
    }

    /// By when an effect is carried out at the latest.
    fn due(&self, effect: &Effect) -> Instant {
        let kafka = self.shared.kafka_timeout;
        let now = Instant::now();
        match effect {
            Effect::Wait { until } => self.shared.started + Duration::from_millis(until.0),
            // Two calls.
            Effect::Connect { .. } => now + kafka * 2,
            Effect::Open { .. } | Effect::Bounds | Effect::Fetch { .. } | Effect::Produce { .. } => now + kafka,
            Effect::TakeLease
            | Effect::RenewLease { .. }
            | Effect::ReleaseLease { .. }
            | Effect::Drain(_)
            | Effect::Ack { .. } => now + WORKER_LIMIT,
            Effect::Done(_) => now,
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Input {
        let shared = Arc::clone(&self.shared);
        let event = self.machine.event().clone();
        let worker = &shared.worker;
        match effect {
            Effect::TakeLease => Input::Lease(worker.take(&event).await),
            Effect::RenewLease { epoch } => Input::Renewed(worker.renew(&event, epoch).await),
            Effect::ReleaseLease { epoch } => {
                // A lease that is not given back runs out by itself.
                if let Err(failure) = worker.release(&event, epoch).await {
                    tracing::debug!(%event, %epoch, %failure, "the lease was not given back");
                }
                Input::Released
            }
            Effect::Drain(request) => Input::Drained(worker.drain(&event, &request).await),
            Effect::Ack { epoch, mark } => Input::Acked(worker.ack(&event, epoch, mark).await),
            Effect::Connect { topic } => {
                self.log = None;
                self.client = None;
                Input::Connected(self.connect(&topic).await)
            }
            Effect::Open { topic, partition } => match &self.client {
                None => Input::Opened(Err(no_client())),
                Some(client) => match self.limited(client.open(&topic, partition)).await {
                    Ok(log) => {
                        self.log = Some(log);
                        Input::Opened(Ok(()))
                    }
                    Err(failure) => Input::Opened(Err(failure)),
                },
            },
            Effect::Bounds => Input::Bounds(match &self.log {
                None => Err(no_client()),
                Some(log) => self.limited(log.bounds()).await,
            }),
            Effect::Fetch { offset, max_bytes } => Input::Fetched(match &self.log {
                None => Err(no_client()),
                Some(log) => self.limited(log.fetch(&event, offset, max_bytes)).await,
            }),
            Effect::Produce { epoch, batch, not_after } => Input::Produced(match &self.log {
                None => Err(no_client()),
                Some(_) if shared.now() >= not_after => {
                    Err(BrokerFailure::Unknown { cause: "not sent: the lease was too near its end".to_owned() })
                }
                Some(log) => self.limited(log.produce(&event, epoch, &batch)).await,
            }),
            Effect::Wait { until } => {
                sleep_until(shared.started + Duration::from_millis(until.0)).await;
                Input::Woke
            }
            Effect::Done(_) => Input::Woke,
        }
    }

    async fn connect(&mut self, topic: &str) -> Result<Option<u32>, BrokerFailure> {
        let connecting = async {
            let client = self.shared.broker.connect().await?;
            let partitions = client.partitions(topic).await?;
            Ok((client, partitions))
        };
        let (client, partitions) = self.limited(connecting).await?;
        self.client = Some(client);
        Ok(partitions)
    }

    async fn limited<T>(&self, call: impl Future<Output = Result<T, BrokerFailure>>) -> Result<T, BrokerFailure> {
        let answer = limited(self.shared.kafka_timeout, call).await;
        self.shared.health.broker(answer.as_ref().map(drop));
        answer
    }
}

fn no_client() -> BrokerFailure {
    BrokerFailure::Unknown { cause: "no client".to_owned() }
}
