//! `kill -9` at any instant: what was answered is true, numbers stay one true line, and Kafka gets everything in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ropeline_e2e::order::{Entry, assert_true_line};
use ropeline_e2e::seed::Random;
use ropeline_e2e::tokens::pass_claims;
use ropeline_e2e::{Admission, Value, Visitor, World, broker, copies, json, soak, within};
use tokio::task::JoinSet;
use xtask::kafka::Record;

const ROUNDS: usize = 20;
const DOORS: usize = 24;

/// One visitor of the crash test, with what is known for sure.
struct Person {
    visitor: Visitor,
    claims: bool,
    first_sent: Instant,
    answered: Option<(Instant, u64)>,
    admission: Option<Admission>,
}

impl Person {
    fn new(visitor: Visitor, claims: bool) -> Self {
        Self { visitor, claims, first_sent: Instant::now(), answered: None, admission: None }
    }

    /// Enters; false when the outcome is unknown. What was answered before must be answered again.
    async fn enter(&mut self) -> bool {
        let body = if self.claims { json!({"claim": true}) } else { Value::Null };
        let answer = match self.visitor.enter_with(&body).await {
            Ok(answer) if answer.status.is_success() => answer,
            // No answer, or an honest "later": no outcome is known.
            Ok(answer) if matches!(answer.status.as_u16(), 503 | 500) => return false,
            Ok(answer) => panic!("enter: {} {}", answer.status, answer.text()),
            Err(_) => return false,
        };
        let number = self.visitor.number();
        match self.answered {
            Some((_, before)) => {
                assert_eq!(number, before, "the number of {} changed", self.visitor.key);
                assert_eq!(answer.status, 200, "a place that was answered is found again, not made");
            }
            None => self.answered = Some((Instant::now(), number)),
        }
        let admission = Admission::of(&self.visitor.place);
        if let Some(before) = &self.admission {
            let after = admission.as_ref().unwrap_or_else(|| panic!("was admitted, now {}", self.visitor.place));
            assert_eq!((after.number, after.seq), (before.number, before.seq));
            assert_eq!(pass_claims(&after.pass).jti, pass_claims(&before.pass).jti);
            assert_eq!(after.session_expires_at, before.session_expires_at);
        }
        self.admission = admission.or(self.admission.take());
        true
    }

    /// Enters until there is an answer.
    async fn insist(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.enter().await {
            assert!(Instant::now() < until, "{} gets no answer after a restart", self.visitor.key);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// People come through a door one after the other, until it is closed by a crash.
async fn door(authority: String, closed: Arc<AtomicBool>) -> Vec<Person> {
    let mut people = Vec::new();
    while !closed.load(Ordering::SeqCst) {
        let mut person = Person::new(Visitor::new(&authority, "crash"), people.len() % 3 == 0);
        let known = person.enter().await;
        people.push(person);
        if !known {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_twenty_kills_of_the_runtime() {
    let mut random = Random::seeded();
    let world = World::start();
    world.create("crash", &json!({"total_active_users": 100_000, "new_users_per_minute": 100_000})).await;
    let mut everybody: Vec<Person> = Vec::new();
    let (mut unknown, mut frontier) = (0, 0);
    for round in 0..ROUNDS {
        let closed = Arc::new(AtomicBool::new(false));
        let doors = JoinSet::from_iter((0..DOORS).map(|_| door(world.authority.clone(), Arc::clone(&closed))));
        // A line that has started admits nobody for three seconds: let some rounds be longer.
        let calm = if round % 4 == 3 { 3_400 } else { 20 };
        tokio::time::sleep(Duration::from_millis(calm + random.below(400))).await;
        world.kill9();
        closed.store(true, Ordering::SeqCst);
        let mut people = within("the doors", Duration::from_secs(40), doors.join_all()).await;
        world.restart();

        let told = |people: &[Person]| people.iter().filter_map(|p| p.visitor.place["frontier"].as_u64()).max();
        frontier = frontier.max(people.iter().filter_map(|people| told(people)).max().unwrap_or(0));
        let answered = people.iter().flatten().filter(|person| person.answered.is_some()).count();
        unknown += people.iter().flatten().count() - answered;
        // Those of this round, and some of earlier ones: through all doors at once.
        let old = (0..30.min(everybody.len())).map(|_| {
            let at = usize::try_from(random.below(everybody.len() as u64)).unwrap();
            everybody.swap_remove(at)
        });
        people.push(old.collect());
        let again = JoinSet::from_iter(people.into_iter().map(|mut people| async move {
            for person in &mut people {
                person.insist().await;
            }
            people
        }));
        everybody.extend(within("the retries", Duration::from_secs(60), again.join_all()).await.into_iter().flatten());

        // What anybody was ever told, by an answer or the board, before the crash or after it, the line knows.
        let board = world.board("crash").await["frontier"].as_u64().unwrap();
        frontier = frontier.max(board).max(told(&everybody).unwrap_or(0));
        let stats = world.stats("crash").await;
        let now = stats["frontier"].as_u64().unwrap();
        assert!(now >= frontier, "round {round}: the frontier fell from {frontier} to {now}");
        assert!(Some(now) <= stats["entered"].as_u64(), "round {round}: called beyond the last number: {stats}");
    }
    let entries: Vec<Entry> = everybody
        .iter()
        .map(|person| {
            let (answered, number) = person.answered.expect("everybody has an answer by now");
            Entry { first_sent: person.first_sent, answered, number }
        })
        .collect();
    assert_true_line(&entries);
    let admitted: Vec<u64> = everybody.iter().filter_map(|person| Some(person.admission.as_ref()?.seq)).collect();
    assert_eq!(admitted.iter().collect::<BTreeSet<_>>().len(), admitted.len(), "a seq was given twice");
    println!("{} visitors, {} admitted, {unknown} outcomes unknown at a crash", entries.len(), admitted.len());
    assert!(entries.len() > 500 && admitted.len() > 50 && unknown > 20, "the crash met somebody");

    let last = entries.iter().map(|entry| entry.number).max().unwrap();
    let stats = world.stats("crash").await;
    assert_eq!(stats["entered"], last);
    assert_eq!(stats["voided"], last - entries.len() as u64, "a number nobody has was voided");
}

/// Visitors who come at a steady pace and claim at once; says what the admitted were told.
async fn stream(world: Arc<World>, event: &'static str, stop: Arc<AtomicBool>) -> Vec<Admission> {
    let mut walks = JoinSet::new();
    while !stop.load(Ordering::SeqCst) {
        let mut person = Person::new(world.visitor(event), true);
        walks.spawn(async move {
            let until = Instant::now() + Duration::from_secs(40);
            while person.admission.is_none() && Instant::now() < until {
                person.enter().await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            person.admission
        });
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let admissions = walks.join_all().await;
    admissions.into_iter().map(|admission| admission.expect("admitted in the end")).collect()
}

/// All is in Kafka, in order, as the admission log has it. Gives the first copies.
async fn first_copies<'a>(world: &World, event: &str, records: &'a [Record]) -> Vec<&'a Record> {
    let log = soak::log::read(world, event).await.unwrap_or_else(|error| panic!("{error}"));
    copies::check(event, records, log.values()).assert_whole();
    let mut seen = BTreeSet::new();
    records.iter().filter(|record| seen.insert(record.json()["seq"].as_u64())).collect()
}

fn assert_records_tell(first: &[&Record], admissions: &[Admission], head: u64) {
    assert_eq!(first.len() as u64, head, "every admission is in Kafka");
    let by_seq: BTreeMap<u64, &Admission> = admissions.iter().map(|admission| (admission.seq, admission)).collect();
    assert_eq!(by_seq.len(), admissions.len(), "a seq was given twice");
    for (record, seq) in first.iter().zip(1_u64..) {
        let value = record.json();
        let admission = by_seq.get(&seq).unwrap_or_else(|| panic!("nobody was told of seq {seq}"));
        assert_eq!((value["seq"].as_u64(), value["number"].as_u64()), (Some(seq), Some(admission.number)));
        assert_eq!(value["session_expires_at"], admission.session_expires_at);
    }
}

fn settings() -> Value {
    json!({"total_active_users": 100_000, "new_users_per_minute": 6_000, "session_duration_seconds": 600})
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_reordered_when_relay_worker_and_broker_are_killed() {
    let mut random = Random::seeded();
    let world = Arc::new(World::start());
    let mut kafka = broker::start("killed");
    let topic = broker::topic(&kafka, "killed");
    world.create("storm", &settings()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let visitors = tokio::spawn(stream(Arc::clone(&world), "storm", Arc::clone(&stop)));

    world.start_relay(&kafka.bootstrap(), &topic);
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(1_500 + random.below(1_500))).await;
        match round {
            0 | 3 => {
                // Its lease lives on: the next one waits for its end.
                world.kill9_relay();
                world.start_relay(&kafka.bootstrap(), &topic);
            }
            1 => {
                world.kill9();
                world.restart();
            }
            _ => {
                kafka.kill9();
                kafka = kafka.restart().unwrap_or_else(|error| panic!("no broker after a restart: {error:#}"));
            }
        }
        // Until it works again.
        let acked = world.stats("storm").await["acked_seq"].as_u64().unwrap();
        let until = Instant::now() + Duration::from_secs(40);
        while world.stats("storm").await["acked_seq"].as_u64().unwrap() <= acked {
            assert!(Instant::now() < until, "round {round}: nothing reaches Kafka any more");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let admissions = within("the visitors", Duration::from_secs(60), visitors).await.unwrap();
    world.wait_until_acked("storm", Duration::from_secs(40)).await;
    let head = world.stats("storm").await["head_seq"].as_u64().unwrap();
    world.stop_relay();
    let records = broker::records(&kafka, &topic, "storm");
    let first = first_copies(&world, "storm", &records).await;
    assert_records_tell(&first, &admissions, head);
    println!("{head} admissions, {} records", records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_restarts_of_relay_and_worker_repeat_nothing() {
    let world = Arc::new(World::start());
    let kafka = broker::shared();
    let topic = broker::topic(kafka, "clean");
    world.create("calm", &settings()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let visitors = tokio::spawn(stream(Arc::clone(&world), "calm", Arc::clone(&stop)));
    for round in 0..4 {
        world.start_relay(&kafka.bootstrap(), &topic);
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        if round == 2 {
            world.stop();
            world.restart();
            tokio::time::sleep(Duration::from_millis(1_000)).await;
        }
        world.stop_relay();
    }
    world.start_relay(&kafka.bootstrap(), &topic);
    stop.store(true, Ordering::SeqCst);
    let admissions = within("the visitors", Duration::from_secs(60), visitors).await.unwrap();
    world.wait_until_acked("calm", Duration::from_secs(30)).await;
    world.stop_relay();
    let head = world.stats("calm").await["head_seq"].as_u64().unwrap();
    let records = broker::records(kafka, &topic, "calm");
    let first = first_copies(&world, "calm", &records).await;
    assert_records_tell(&first, &admissions, head);
    assert_eq!(records.len() as u64, head, "something was repeated");
    assert!(head > 50, "only {head} admissions");
}
