//! The promises against the real runtime, under load, with `kill -9` at moments that the seed chooses.
//!
//! * `crowd`: clients that enter, poll, claim, renew, leave, complete and come again, in four events with different lanes and limits;
//!   they hang up, ask twice at once, and ask again after a lost answer. They never pause for a kill.
//! * `caller`: sends a call and takes down when it was sent and answered, and with what: the [`history`].
//! * After each kill everybody who was answered in the last second before it is asked for again, and some of all the others.
//! * [`relays`], when asked for: a real broker and two relays, which are killed, too.
//! * [`check`] goes through the history and the admission logs in the end, and gives a verdict per promise.

mod caller;
pub mod check;
mod crowd;
pub mod history;
pub mod log;
pub mod relays;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use self::caller::{Caller, Target};
use self::check::{Counts, Verdict};
use self::crowd::Member;
use self::history::{Clock, Event, History, Kill, Outcome, Person, Recorder, What};
use self::relays::{Blow, Relays};
use crate::seed::Random;
use crate::world::World;

/// Two events with room for everybody, one where slots bind, one where the minute does.
const EVENTS: [Event; 4] = [
    event("wide", 8, 1_000_000, 1_000_000, 300),
    event("one-lane", 1, 1_000_000, 6_000, 300),
    event("few-slots", 2, 5, 600, 10),
    event("slow", 4, 1_000, 8, 20),
];

/// How far back from a kill everybody is asked for again.
const LAST_SECOND: Duration = Duration::from_secs(1);
/// How many of all earlier visitors are asked for again after each kill.
const SAMPLE: usize = 60;
/// How many ask for them at once.
const AUDITORS: usize = 16;
/// An answer must be had after so long, however often it is asked for.
const INSISTING: Duration = Duration::from_secs(30);
/// Of those who were not told what came of their call, so many of a hundred never find out.
const NEVER_FIND_OUT: u64 = 3;
/// Visitors at the end, who make every lane speak: ranges that a kill has lost are voided then.
const LAST_VISITORS_PER_LANE: u64 = 25;
/// The stream of dice for the kills; clients have those from 0 on.
const KILLS: u64 = u64::MAX;

const fn event(
    name: &'static str,
    lanes: u64,
    total_active_users: u64,
    new_users_per_minute: u64,
    session_duration_seconds: u64,
) -> Event {
    Event { name, lanes, total_active_users, new_users_per_minute, session_duration_seconds }
}

/// How long and how hard.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Kills, at least.
    pub rounds: u32,
    /// Answered entries, at least.
    pub entries: usize,
    /// Clients.
    pub clients: u64,
    /// After so long it ends, with fewer kills and entries if need be: what was seen by then is checked.
    pub at_most: Duration,
    /// What decides who does what, and when the kills come.
    pub seed: u64,
    /// With a broker and relays, which are killed like the runtime; once, in the middle, the broker stays away for so long.
    pub outage: Option<Duration>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// One verdict per promise.
    pub verdicts: Vec<Verdict>,
    /// Rounds, each with a kill or two.
    pub rounds: u32,
    /// Kills of the runtime.
    pub kills: usize,
    /// Visitors who were told a place.
    pub entries: usize,
    /// Where the runtime's state and log are kept, if a promise was broken.
    pub dir: PathBuf,
}

impl Report {
    /// Whether all promises hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(Verdict::holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.verdicts {
            writeln!(f, "{verdict}")?;
        }
        if !self.holds() {
            writeln!(f, "state and logs are in {}", self.dir.display())?;
        }
        Ok(())
    }
}

/// A run under way.
struct Soak {
    options: Options,
    /// Dropped first: they ask the Worker.
    relays: Option<Relays>,
    world: World,
    target: Arc<Target>,
    recorder: Arc<Recorder>,
    random: Random,
    clock: Clock,
    kills: Vec<Kill>,
    /// Who has no answer although it was insisted on.
    unanswered: Vec<Person>,
}

/// Starts a Worker, runs the clients and kills, and checks what they saw. `progress` is told a line now and then.
///
/// # Panics
/// When something is missing or the runtime does not come up again.
pub async fn run(options: Options, mut progress: impl FnMut(&str)) -> Report {
    progress(&format!("ROPELINE_SEED={}", options.seed));
    let mut soak = Soak::start(options).await;
    let stop = Arc::new(AtomicBool::new(false));
    let members = (0..options.clients).map(|index| Member::new(index, &soak.target, &soak.recorder));
    let members = JoinSet::from_iter(members.map(|member| member.go(Arc::clone(&stop))));
    let (began, mut round) = (Instant::now(), 0);
    while (round < options.rounds || soak.recorder.placed() < options.entries) && began.elapsed() < options.at_most {
        let what = soak.round(round).await;
        round += 1;
        let (rounds, placed) = (options.rounds.max(round), soak.recorder.placed());
        progress(&format!("kill {round} of {rounds}: {what}; {placed} answered entries so far"));
    }
    stop.store(true, Ordering::SeqCst);
    members.join_all().await;
    progress("the last answers");
    soak.find_out().await;
    soak.finish(round).await
}

impl Soak {
    async fn start(options: Options) -> Self {
        let world = World::start();
        for event in EVENTS {
            let settings = json!({
                "lanes": event.lanes, "total_active_users": event.total_active_users,
                "new_users_per_minute": event.new_users_per_minute,
                "session_duration_seconds": event.session_duration_seconds,
            });
            world.create(event.name, &settings).await;
        }
        let target = Target {
            authority: world.authority.clone(),
            events: EVENTS.iter().map(|event| event.name).collect(),
            origin: world.keys.origin.clone(),
            seed: options.seed,
        };
        let relays = options.outage.map(|_| tokio::task::block_in_place(|| Relays::start(&world)));
        Self {
            options,
            relays,
            world,
            target: Arc::new(target),
            recorder: Arc::default(),
            random: Random::stream(options.seed, KILLS),
            clock: Clock::now(),
            kills: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// Lets the crowd work, kills, and asks for those who had an answer. Says what it did.
    async fn round(&mut self, round: u32) -> String {
        // A line that has started may admit nobody for three seconds: some rounds are longer.
        let calm = match (round % 4, &self.relays) {
            (1, None) => 6_000 + self.random.below(4_000),
            (1, Some(_)) => 3_000 + self.random.below(2_000),
            _ => self.random.below(1_500),
        };
        tokio::time::sleep(Duration::from_millis(calm)).await;
        let names: Vec<&str> = self.target.events.clone();
        let blow = match (&self.relays, self.options.outage) {
            (None, _) | (_, None) => Blow::Worker,
            (_, Some(outage)) if round + 1 == self.options.rounds.div_ceil(2) => {
                Blow::Broker { frozen: Duration::ZERO, away: outage }
            }
            _ => Blow::by_chance(&mut self.random),
        };
        let (_, mut before) = relays::counts(&self.world, &names).await;
        let mut what = blow.to_string();
        match &mut self.relays {
            Some(relays) if blow != Blow::Worker => {
                relays.strike(&self.world, blow).await;
                before = relays::counts(&self.world, &names).await.1;
            }
            _ => {
                let looked_at = self.kill_worker().await;
                what = format!("{what}, {looked_at} looked at again");
            }
        }
        if let Some(relays) = &mut self.relays {
            let took = relays.until_progress(&self.world, blow, &names, before).await;
            what = format!("{what}, progress after {:.1} s", took.as_secs_f64());
        }
        what
    }

    /// Kills the runtime and asks for those who had an answer. Gives how many.
    async fn kill_worker(&mut self) -> usize {
        let mut look_at = self.kill();
        // And some kills come while everybody is still coming back.
        if self.random.below(5) == 0 {
            tokio::time::sleep(Duration::from_millis(self.random.below(150))).await;
            look_at.extend(self.kill());
        }
        let count = look_at.len();
        self.ask_for(look_at).await;
        count
    }

    /// Gives those to look at again.
    fn kill(&mut self) -> BTreeSet<Person> {
        let each = self.recorder.placed() as u64 / self.options.clients;
        let somebody = |random: &mut Random| {
            let id = random.below(self.options.clients) * crowd::IDS + random.below(each + 1);
            Person { event: usize::try_from(random.below(EVENTS.len() as u64)).unwrap_or(0), id }
        };
        let sample: Vec<Person> = (0..SAMPLE).map(|_| somebody(&mut self.random)).collect();
        let killed = Instant::now();
        self.world.kill9();
        let look_at = self.recorder.to_look_at(killed - LAST_SECOND, &sample);
        tokio::task::block_in_place(|| self.world.restart());
        self.kills.push(Kill { killed, back: Instant::now() });
        look_at
    }

    /// Enters as each of them until there is an answer; who was let in says so by claiming.
    async fn ask_for(&mut self, people: BTreeSet<Person>) {
        let people: Vec<Person> = people.into_iter().collect();
        let auditors = people.chunks(people.len().div_ceil(AUDITORS).max(1)).map(|people| {
            let (mut caller, recorder) = (Caller::new(&self.target, &self.recorder), Arc::clone(&self.recorder));
            let people = people.to_vec();
            async move {
                let mut unanswered = Vec::new();
                for person in people {
                    let what = What::Enter { claim: recorder.was_admitted(person), again: false };
                    let until = Instant::now() + INSISTING;
                    while matches!(
                        caller.call(person, what, None, None).await,
                        Outcome::Later | Outcome::Broken(_) | Outcome::HungUp
                    ) {
                        if Instant::now() > until {
                            unanswered.push(person);
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
                unanswered
            }
        });
        let unanswered = JoinSet::from_iter(auditors).join_all().await;
        self.unanswered.extend(unanswered.into_iter().flatten());
    }

    /// Nothing is under way any more. After a last kill most of those who were not told what came of their call ask once more, and every
    /// lane speaks once more.
    async fn find_out(&mut self) {
        let mut people = self.recorder.not_told();
        people.retain(|_| self.random.below(100) >= NEVER_FIND_OUT);
        people.extend(self.kill());
        let first = self.options.clients * crowd::IDS;
        for (index, event) in EVENTS.iter().enumerate() {
            let last = (0..event.lanes * LAST_VISITORS_PER_LANE).map(|id| Person { event: index, id: first + id });
            people.extend(last);
        }
        self.ask_for(people).await;
    }

    async fn finish(mut self, rounds: u32) -> Report {
        let names: Vec<&str> = self.target.events.clone();
        if let Some(relays) = &mut self.relays {
            relays.finish(&self.world, &names).await;
        }
        let (mut counts, mut logs, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for event in EVENTS {
            let stats = self.world.stats(event.name).await;
            let count = |name: &str| stats[name].as_u64().unwrap_or_default();
            counts.push(Counts { entered: count("entered"), voided: count("voided") });
            let read = (log::read(&self.world, event.name).await, log::read(&self.world, event.name).await);
            match read {
                (Ok(log), Ok(again)) => {
                    wrong.extend(again.changed_since(&log));
                    if again.entries.len() as u64 != count("head_seq") {
                        wrong.push(format!("{} entries in the log of {}: {stats}", again.entries.len(), event.name));
                    }
                    logs.push(again);
                }
                (read, again) => wrong.extend([read.err(), again.err()].into_iter().flatten()),
            }
        }
        let entries = self.recorder.placed();
        let history =
            History { events: EVENTS.to_vec(), calls: self.recorder.take(), kills: self.kills, clock: self.clock };
        let carried = self.relays.take().map(|relays| {
            let logs: Vec<(&str, &log::Log)> = names.iter().copied().zip(&logs).collect();
            relays.check(&logs)
        });
        let logs: Vec<Vec<check::Entry>> = logs.into_iter().map(|log| log.entries).collect();
        let mut limits = check::limits(&history, &logs);
        for (event, log) in EVENTS.iter().zip(&logs) {
            limits.broken.extend(check::trace(event, &self.world.trace(event.name), log));
        }
        let [same, mut durable] = check::places(&history, &logs);
        durable.broken.extend(wrong);
        let mut manners = check::manners(&history);
        let unanswered = self.unanswered.iter();
        manners.broken.extend(unanswered.map(|person| format!("{person} got no answer, however often it asked")));
        let mut verdicts = vec![check::line(&history, &counts), same, limits, durable, manners];
        verdicts.extend(carried);
        let report = Report { verdicts, rounds, kills: history.kills.len(), entries, dir: self.world.dir.clone() };
        if !report.holds() {
            self.world.keep();
        }
        report
    }
}
