//! Takes each of Ropeline's admissions from Kafka exactly once, in order (docs/kafka.md).
//!
//! The rule: a record is dropped when its `seq` is not greater than the last one taken of its event. What is known and what was
//! done are one file, the [`journal`]: each line is one admission taken, so that `seq` and work cannot part. This client knows no
//! consumer groups; the journal is locked, so that two processes never take the same admissions.

mod admission;
mod journal;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::RecordAndOffset;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use admission::Admission;
use journal::{Journal, Taken};

const FETCH_BYTES: i32 = 1024 * 1024;
const FETCH_WAIT_MS: i32 = 500;
/// The client itself waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);
const GAP_EXIT: u8 = 3;

/// Takes each of Ropeline's admissions from Kafka exactly once, in order.
#[derive(Parser)]
struct Options {
    /// host:port,…
    #[arg(long, value_delimiter = ',')]
    bootstrap: Vec<String>,
    #[arg(long)]
    topic: String,
    /// The journal
    #[arg(long)]
    state: PathBuf,
    /// What to do when admissions are missing
    #[arg(long, default_value = "stop")]
    on_gap: OnGap,
    /// End when nothing came for so long; 0: never
    #[arg(long, default_value_t = 0)]
    idle_seconds: u64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum OnGap {
    Stop,
    Continue,
}

/// Records of one partition, in order.
type Batch = (i32, Vec<RecordAndOffset>);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let mut journal = Journal::open(&options.state)?;
    let (mut repeats, mut foreign, mut code) = (0u64, 0u64, ExitCode::SUCCESS);
    let mut batches = read(&options, &journal).await?;
    let mut stop = signal(SignalKind::terminate())?;
    let idle = if options.idle_seconds == 0 { Duration::MAX } else { Duration::from_secs(options.idle_seconds) };
    loop {
        let (partition, records) = tokio::select! {
            biased;
            _ = stop.recv() => break,
            batch = timeout(idle, batches.recv()) => match batch {
                Ok(batch) => batch.context("the readers ended")??,
                Err(_) => break,
            },
        };
        let mut gap = false;
        for found in &records {
            match Admission::read(partition, found) {
                None => foreign += 1,
                Some(admission) => match journal.take(admission, options.on_gap == OnGap::Continue) {
                    Taken::New => {}
                    Taken::Repeat => repeats += 1,
                    Taken::Gap => {
                        gap = true;
                        break;
                    }
                },
            }
        }
        // The work of the whole batch and its seqs become durable together. Yours would be a transaction of your database.
        journal.commit()?;
        if gap {
            code = ExitCode::from(GAP_EXIT);
            break;
        }
    }
    println!("run: {}", serde_json::json!({ "foreign": foreign, "repeats": repeats }));
    println!("verdict: {}", journal.verdict());
    Ok(code)
}

/// One reader for each partition, from where the journal ends there.
async fn read(options: &Options, journal: &Journal) -> Result<mpsc::Receiver<Result<Batch>>> {
    let client = timeout(PATIENCE, ClientBuilder::new(options.bootstrap.clone()).build()).await??;
    let (send, batches) = mpsc::channel(1);
    for partition in partitions(&client, &options.topic).await? {
        let log = client.partition_client(&options.topic, partition, UnknownTopicHandling::Error);
        let log = timeout(PATIENCE, log).await??;
        let from = journal.next_offset(partition);
        let send = send.clone();
        tokio::spawn(async move {
            if let Err(error) = follow(log, partition, from, &send).await {
                let _ = send.send(Err(error)).await;
            }
        });
    }
    Ok(batches)
}

async fn partitions(client: &Client, topic: &str) -> Result<Vec<i32>> {
    let topics = timeout(PATIENCE, client.list_topics()).await??;
    let topic = topics.into_iter().find(|known| known.name == topic).with_context(|| format!("no topic {topic}"))?;
    Ok(topic.partitions.into_iter().collect())
}

async fn follow(log: PartitionClient, partition: i32, from: i64, send: &mpsc::Sender<Result<Batch>>) -> Result<()> {
    // What retention has removed meanwhile shows as a gap in seq.
    let earliest = timeout(PATIENCE, log.get_offset(OffsetAt::Earliest)).await??;
    let mut at = from.max(earliest);
    loop {
        let (records, _) = timeout(PATIENCE, log.fetch_records(at, 1..FETCH_BYTES, FETCH_WAIT_MS)).await??;
        let Some(last) = records.last() else { continue };
        at = last.offset + 1;
        if send.send(Ok((partition, records))).await.is_err() {
            return Ok(());
        }
    }
}
