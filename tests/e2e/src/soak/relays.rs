//! What comes after the admission log, in `cargo xtask soak --relay`: a real broker and relays that are killed at random, and how
//! long it takes until entries reach Kafka again.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use xtask::kafka::Kafka;
use xtask::services::{Relay, RelayOptions};

use super::check::Verdict;
use super::log::Log;
use crate::seed::Random;
use crate::world::{Role, World};
use crate::{Method, Value, broker, copies};

/// One works, the other stands by.
const RELAYS: usize = 2;
/// The console consumer has all of it, or it is an error.
const READING: Duration = Duration::from_secs(60);

/// What a round does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// `kill -9` of the Worker's runtime.
    Worker,
    /// `kill -9` of the broker, which stays away for so long. First it may be frozen for a while, so that a produce is under way.
    Broker {
        /// Frozen before.
        frozen: Duration,
        /// Away after.
        away: Duration,
    },
    /// `kill -9` of this relay, perhaps while the broker is frozen: what was under way is then appended after its death.
    Relay {
        /// Which.
        index: usize,
        /// The broker, before.
        frozen: Duration,
    },
    /// SIGTERM to this relay: nothing may be repeated for it.
    CleanStop(usize),
}

impl Blow {
    /// What the dice say: mostly broker and relay.
    pub fn by_chance(random: &mut Random) -> Self {
        let index = usize::try_from(random.below(RELAYS as u64)).unwrap_or(0);
        // Half of the time not at all; else longer than a relay waits between two drains.
        let frozen = Duration::from_millis(if random.below(2) == 0 { 0 } else { 100 + random.below(700) });
        match random.below(10) {
            0..=1 => Self::Worker,
            2..=5 => Self::Broker { frozen, away: Duration::from_millis(random.below(3_000)) },
            6..=8 => Self::Relay { index, frozen },
            _ => Self::CleanStop(index),
        }
    }

    /// Until something reaches Kafka again: what the relay promises for each, and a lease that has to run out.
    const fn bound(self) -> Duration {
        Duration::from_secs(match self {
            Self::Worker => 10,
            Self::Broker { .. } => 30,
            Self::Relay { .. } | Self::CleanStop(_) => 15,
        })
    }

    const fn index(self) -> usize {
        match self {
            Self::Worker => 0,
            Self::Broker { .. } => 1,
            Self::Relay { .. } => 2,
            Self::CleanStop(_) => 3,
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker => f.write_str("Worker killed"),
            Self::Broker { frozen, away } => {
                let (frozen, away) = (frozen.as_secs_f64(), away.as_secs_f64());
                write!(f, "broker frozen for {frozen:.1} s and killed, away for {away:.1} s")
            }
            Self::Relay { index, frozen } => {
                write!(f, "relay {index} killed, the broker frozen for {:.1} s", frozen.as_secs_f64())
            }
            Self::CleanStop(index) => write!(f, "relay {index} stopped"),
        }
    }
}

/// A relay's process, from its start to its end.
struct Life {
    log: PathBuf,
    killed: bool,
}

/// The broker and the relays.
pub struct Relays {
    kafka: Option<Kafka>,
    topic: String,
    running: Vec<(Relay, usize)>,
    lives: Vec<Life>,
    /// Per kind of blow: how many, and the longest time until something reached Kafka.
    returns: [(usize, Duration); 4],
    broken: Vec<String>,
}

impl Relays {
    /// Starts them for this Worker.
    ///
    /// # Panics
    /// When something is missing or does not come up.
    pub fn start(world: &World) -> Self {
        let kafka = broker::start("soak");
        let topic = broker::topic(&kafka, "soak");
        let mut relays = Self {
            kafka: Some(kafka),
            topic,
            running: Vec::new(),
            lives: Vec::new(),
            returns: [(0, Duration::ZERO); 4],
            broken: Vec::new(),
        };
        for _ in 0..RELAYS {
            let relay = relays.begin(world);
            relays.running.push(relay);
        }
        relays
    }

    fn kafka(&self) -> &Kafka {
        self.kafka.as_ref().expect("a broker that is being started again")
    }

    fn begin(&mut self, world: &World) -> (Relay, usize) {
        let life = self.lives.len();
        let log = world.dir.join(format!("logs/relay-{life}.log"));
        let options = RelayOptions::new(&world.issuer, &self.kafka().bootstrap(), &self.topic, &world.keys.relay, &log);
        let relay = Relay::start(&options).unwrap_or_else(|error| panic!("no relay: {error:#}"));
        self.lives.push(Life { log, killed: false });
        (relay, life)
    }

    /// Strikes broker or relay, and starts it again. The Worker is struck by the caller.
    ///
    /// # Panics
    /// When it does not come up again.
    pub async fn strike(&mut self, world: &World, blow: Blow) {
        match blow {
            Blow::Worker => {}
            Blow::Broker { frozen, away } => {
                self.freeze(frozen).await;
                let mut kafka = self.kafka.take().expect("a broker");
                kafka.kill9();
                tokio::time::sleep(away).await;
                let restarted = tokio::task::block_in_place(|| kafka.restart());
                self.kafka = Some(restarted.unwrap_or_else(|error| panic!("no broker after a restart: {error:#}")));
            }
            Blow::Relay { index, frozen } => {
                self.freeze(frozen).await;
                let (mut relay, life) = self.running.remove(index);
                relay.kill9();
                self.lives[life].killed = true;
                self.signal("-CONT");
                let relay = self.begin(world);
                self.running.insert(index, relay);
            }
            Blow::CleanStop(index) => {
                let (mut relay, life) = self.running.remove(index);
                let ended = tokio::task::block_in_place(|| relay.stop());
                let ended = ended.unwrap_or_else(|error| panic!("no end of a relay: {error:#}"));
                if !ended.success() {
                    // What it dropped may have been under way.
                    self.lives[life].killed = true;
                    self.broken.push(format!("relay life {life} did not stop cleanly ({ended})"));
                }
                let relay = self.begin(world);
                self.running.insert(index, relay);
            }
        }
    }

    /// Freezes the broker for so long; it stays frozen.
    async fn freeze(&self, frozen: Duration) {
        if !frozen.is_zero() {
            self.signal("-STOP");
            tokio::time::sleep(frozen).await;
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.kafka().id().to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal} to the broker");
    }

    /// Waits until more is known to be in Kafka than `before`, or all there is.
    pub async fn until_progress(&mut self, world: &World, blow: Blow, events: &[&str], before: u64) -> Duration {
        let since = Instant::now();
        loop {
            let (head, acked) = counts(world, events).await;
            if acked > before || (acked == head && head > 0 && since.elapsed() > Duration::from_secs(5)) {
                break;
            }
            if since.elapsed() > 4 * blow.bound() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = since.elapsed();
        let (count, longest) = &mut self.returns[blow.index()];
        (*count, *longest) = (*count + 1, took.max(*longest));
        if took > blow.bound() {
            self.broken.push(format!("{blow}: nothing reached Kafka for {:.1} s after its return", took.as_secs_f64()));
        }
        took
    }

    /// Waits until everything is in Kafka, and stops the relays.
    pub async fn finish(&mut self, world: &World, events: &[&str]) {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let (head, acked) = counts(world, events).await;
            if head == acked && head > 0 {
                break;
            }
            if Instant::now() > until {
                self.broken.push(format!("{acked} of {head} admissions are known to be in Kafka at the end"));
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for (mut relay, life) in std::mem::take(&mut self.running) {
            let ended = tokio::task::block_in_place(|| relay.stop());
            if !ended.is_ok_and(|status| status.success()) {
                self.broken.push(format!("relay life {life} did not stop cleanly at the end"));
            }
        }
    }

    /// What stands in Kafka, against the admission logs.
    #[must_use]
    pub fn check(mut self, logs: &[(&str, &Log)]) -> Verdict {
        let mut verdict = Verdict::new("7 every admission reaches Kafka");
        let lines: Vec<(String, bool)> = self
            .lives
            .iter()
            .map(|life| (std::fs::read_to_string(&life.log).unwrap_or_default(), life.killed))
            .collect();
        let said = |text: &str| lines.iter().map(|(lines, _)| lines.matches(text).count()).sum::<usize>();
        let (unknown, read_back) = (said("batch not clean"), said("log read back"));
        let records = self.kafka().end_offsets(&self.topic).and_then(|ends| {
            let all = usize::try_from(ends.iter().sum::<u64>())?;
            let records = self.kafka().consume(&self.topic, all, READING)?;
            anyhow::ensure!(records.len() == all, "the consumer read {} of {all} records", records.len());
            Ok(records)
        });
        let records = records.unwrap_or_else(|error| {
            self.broken.push(format!("{error:#}"));
            Vec::new()
        });
        let (mut admissions, mut repeats) = (0, 0);
        for (event, log) in logs {
            let mut of_event: Vec<_> = records.iter().filter(|record| record.key == *event).cloned().collect();
            of_event.sort_by_key(|record| (record.partition, record.offset));
            let copies = copies::check(event, &of_event, log.values());
            let excuses: Vec<RangeInclusive<u64>> =
                lines.iter().flat_map(|(lines, killed)| copies::excuses(lines, event, *killed)).collect();
            let for_nothing = copies.repeated_for_nothing(&excuses);
            if let (Some(from), Some(to)) = (for_nothing.first(), for_nothing.last()) {
                let count = for_nothing.len();
                self.broken.push(format!("{event}: {count} between seq {from} and {to} were repeated for nothing"));
            }
            admissions += log.values().len();
            repeats += copies.repeats();
            self.broken.extend(copies.broken);
        }
        let ms = |longest: Duration| usize::try_from(longest.as_millis()).unwrap_or(usize::MAX);
        let [worker, broker, relay, stop] = self.returns;
        verdict.looked_at = vec![
            (admissions, "admissions"),
            (repeats, "records repeated"),
            (unknown, "unknown outcomes"),
            (read_back, "logs read back"),
            (worker.0, "kills of the Worker"),
            (ms(worker.1), "ms to progress at most"),
            (broker.0, "of the broker"),
            (ms(broker.1), "ms"),
            (relay.0, "of a relay"),
            (ms(relay.1), "ms"),
            (stop.0, "clean stops of one"),
            (ms(stop.1), "ms"),
        ];
        verdict.broken = self.broken;
        verdict
    }
}

/// `head_seq` and `acked_seq` of all events together; zeros while the Worker cannot be asked.
pub async fn counts(world: &World, events: &[&str]) -> (u64, u64) {
    let (mut head, mut acked) = (0, 0);
    for event in events {
        let path = format!("/queue/admin/events/{event}/stats");
        let Some(stats) = world.ask(Role::Admin, Method::GET, &path, &Value::Null).await else { return (0, 0) };
        let count = |name: &str| stats[name].as_u64().unwrap_or_default();
        head += count("head_seq");
        acked += count("acked_seq");
    }
    (head, acked)
}
