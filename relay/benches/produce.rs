//! How much of what raw `rskafka` can do the relay's produce stage reaches, with the same batches on the same broker.
//!
//! `raw` produces records that are ready beforehand, one batch after the other. `relay` is the relay's own task, machine and Kafka code,
//! fed by a Worker that lives in memory; its time goes from the first drain to the one that acks the last batch. Rounds alternate.
//! `cargo xtask bench relay` starts a broker and runs this; it prints one line of JSON.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use ropeline_relay::broker::Kafka;
use ropeline_relay::config::Config;
use ropeline_relay::entry::Entry;
use ropeline_relay::health::Health;
use ropeline_relay::machine::{DrainRequest, Drained, Lease, Mark, Outcome, Rules, WorkerFailure};
use ropeline_relay::record;
use ropeline_relay::task::{EventTask, Shared};
use ropeline_relay::types::{Epoch, EventId, Seq};
use ropeline_relay::worker::WorkerApi;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use tokio::sync::watch;

type Failure = Box<dyn std::error::Error>;

/// Speed of the relay's produce stage beside raw rskafka.
#[derive(Parser)]
struct Options {
    /// `host:port` of a broker
    #[arg(long)]
    bootstrap: String,
    /// A topic of one partition, for what raw rskafka produces
    #[arg(long)]
    raw: String,
    /// Another one, for the relay
    #[arg(long)]
    relay: String,
    /// Records of one round
    #[arg(long, default_value_t = 50_000)]
    records: u64,
    /// Rounds of both
    #[arg(long, default_value_t = 6)]
    rounds: u32,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// A whole admission log in memory, and when it was read.
struct Memory {
    entries: Vec<Entry>,
    acked: AtomicU64,
    began: Mutex<Option<Instant>>,
    took: Mutex<Option<Duration>>,
}

impl Memory {
    fn new(event: &EventId, records: u64) -> Result<Self, Failure> {
        let entries = (1..=records).map(|seq| entry(event, seq)).collect::<Result<_, _>>()?;
        Ok(Self { entries, acked: AtomicU64::new(0), began: Mutex::new(None), took: Mutex::new(None) })
    }

    fn head(&self) -> Seq {
        Seq(self.entries.len() as u64)
    }

    fn note(&self, mark: Mark) {
        self.acked.store(mark.seq.0, Ordering::Relaxed);
        if mark.seq == self.head()
            && let (Ok(began), Ok(mut took)) = (self.began.lock(), self.took.lock())
        {
            *took = began.map(|began| began.elapsed());
        }
    }
}

impl WorkerApi for Memory {
    async fn busy_events(&self) -> Result<Vec<EventId>, WorkerFailure> {
        Ok(Vec::new())
    }

    async fn take(&self, _: &EventId) -> Result<Lease, WorkerFailure> {
        Ok(Lease {
            epoch: Epoch(1),
            lease_ms: 10_000,
            head: self.head(),
            drained_seq: Seq(0),
            acked_seq: Seq(0),
            oldest_unix_ms: None,
            pin: None,
            configured_topic: None,
            test: false,
            replay_from: None,
        })
    }

    async fn renew(&self, _: &EventId, _: Epoch) -> Result<u64, WorkerFailure> {
        Ok(10_000)
    }

    async fn release(&self, _: &EventId, _: Epoch) -> Result<(), WorkerFailure> {
        Ok(())
    }

    async fn drain(&self, _: &EventId, request: &DrainRequest) -> Result<Drained, WorkerFailure> {
        if let Ok(mut began) = self.began.lock() {
            began.get_or_insert_with(Instant::now);
        }
        if let Some(mark) = request.ack {
            self.note(mark);
        }
        let after = usize::try_from(request.after.0).unwrap_or(usize::MAX);
        let entries = self.entries.iter().skip(after).take(request.limit).cloned().collect();
        Ok(Drained { entries, head: self.head() })
    }

    async fn ack(&self, _: &EventId, _: Epoch, mark: Mark) -> Result<(), WorkerFailure> {
        self.note(mark);
        Ok(())
    }
}

/// As long as a real one.
fn entry(event: &EventId, seq: u64) -> Result<Entry, Failure> {
    let text = format!(
        r#"{{"event":"{event}","seq":{seq},"number":{seq},"position":{seq},"visitor":"dmlzaXRvcnZpc2{seq:07}A","entered_at":"2026-11-22T19:33:44.123Z","called_at":"2026-11-22T19:34:00.000Z","admitted_at":"2026-11-22T19:34:01.250Z","session_expires_at":"2026-11-22T19:39:01.250Z","jti":"{event}/{seq}"}}"#
    );
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&text)?;
    Ok(Entry::parse(event, &raw)?)
}

async fn raw(options: &Options, event: &EventId) -> Result<f64, Failure> {
    let client = ClientBuilder::new(vec![options.bootstrap.clone()]).build().await?;
    let partition = client.partition_client(&options.raw, 0, UnknownTopicHandling::Error).await?;
    let memory = Memory::new(event, options.records)?;
    let rows = Rules::default().batch_rows;
    let batches: Vec<Vec<_>> = memory
        .entries
        .chunks(rows)
        .map(|batch| batch.iter().map(|entry| record::encode(event, Epoch(1), entry)).collect())
        .collect();
    let began = Instant::now();
    for batch in batches {
        partition.produce(batch, Compression::NoCompression).await?;
    }
    Ok(began.elapsed().as_secs_f64())
}

async fn relay(options: &Options, event: &EventId) -> Result<f64, Failure> {
    let config = Config::load(None, |name| match name {
        "ROPELINE_RELAY_KEY" => Some("the-worker-is-in-memory".to_owned()),
        "ROPELINE_RELAY_WORKER_URL" => Some("http://127.0.0.1:1".to_owned()),
        "ROPELINE_RELAY_KAFKA_BOOTSTRAP" => Some(options.bootstrap.clone()),
        "ROPELINE_RELAY_TOPIC" => Some(options.relay.clone()),
        _ => None,
    })?;
    let shared = Arc::new(Shared {
        worker: Memory::new(event, options.records)?,
        broker: Kafka::new(config.kafka.clone(), config.settings.kafka.compression),
        rules: Rules { linger_ms: 0, idle_ms: 10, ..config.settings.rules() },
        kafka_timeout: Duration::from_secs(10),
        started: tokio::time::Instant::now(),
        health: Arc::new(Health::new(config.settings.health_rules())),
    });
    let (_stop, stopped) = watch::channel(false);
    let listed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let task = tokio::spawn(EventTask::new(Arc::clone(&shared), event.clone(), 1).run(listed, Arc::default(), stopped));
    let outcome = task.await?;
    if outcome != Outcome::Idle || shared.worker.acked.load(Ordering::Relaxed) != options.records {
        return Err(format!("the relay ended with {outcome:?}").into());
    }
    let took = shared.worker.took.lock().map_err(|error| error.to_string())?;
    Ok(took.ok_or("nothing was acked")?.as_secs_f64())
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut rounds = Vec::new();
    // The first of each warms the broker up.
    for round in 0..=options.rounds {
        let event = EventId::new(format!("produce-{round}")).ok_or("no event")?;
        let raw = runtime.block_on(raw(&options, &event))?;
        let relay = runtime.block_on(relay(&options, &event))?;
        if round > 0 {
            rounds.push(serde_json::json!({ "raw": raw, "relay": relay }));
        }
    }
    println!("{}", serde_json::json!({ "records": options.records, "rounds": rounds }));
    Ok(())
}
