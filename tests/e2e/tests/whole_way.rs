//! The whole way on real parts: enter, wait, claim, pass, Kafka; and that the limits are exact and fully used on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ropeline_e2e::checker::{Limits, check};
use ropeline_e2e::order::{Entry, assert_true_line};
use ropeline_e2e::{Admission, Method, Value, World, broker, json, now_ms, within};
use ropeline_ticket::native::Verifier;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const TOGETHER: usize = 500;
const ONE_BY_ONE: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_visitors_enter_wait_are_admitted_in_line_order_and_reach_kafka() {
    let world = World::start();
    let kafka = broker::shared();
    let topic = broker::topic(kafka, "whole-way");
    world.start_relay(&kafka.bootstrap(), &topic);
    let limits = Limits { total_active_users: 1_000, new_users_per_minute: 6_000, session_duration_seconds: 300 };
    world.create("concert", &json!({"total_active_users": 1_000, "new_users_per_minute": 6_000})).await;

    let start = Arc::new(Barrier::new(TOGETHER));
    let mut visitors = JoinSet::new();
    for _ in 0..TOGETHER {
        let (mut visitor, start) = (world.visitor("concert"), Arc::clone(&start));
        visitors.spawn(async move {
            start.wait().await;
            let first_sent = Instant::now();
            let number = visitor.must_enter().await;
            let entry = Entry { first_sent, answered: Instant::now(), number };
            let claims = ropeline_e2e::tokens::ticket_claims(visitor.ticket.as_deref().unwrap());
            assert_eq!((claims.num, claims.evt.as_str()), (number, "concert"));
            let admission = visitor.go_in(Duration::from_secs(120)).await;
            (entry, claims.sub, admission.unwrap_or_else(|error| panic!("{error:#}")))
        });
    }
    let all = within("500 visitors", Duration::from_secs(150), visitors.join_all()).await;

    let entries: Vec<Entry> = all.iter().map(|(entry, ..)| *entry).collect();
    assert_true_line(&entries);
    let mut numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=TOGETHER as u64).collect::<Vec<_>>(), "numbers are dense");
    for (entry, _, admission) in &all {
        assert_eq!(entry.number, admission.number, "admitted with the number given at enter");
    }

    let admitted = check(&world.trace("concert"), &limits);
    let answered: BTreeMap<u64, &Admission> = all.iter().map(|(_, _, admission)| (admission.seq, admission)).collect();
    let traced: Vec<(u64, u64)> = admitted.iter().map(|admitted| (admitted.seq, admitted.number)).collect();
    let told: Vec<(u64, u64)> = answered.values().map(|admission| (admission.seq, admission.number)).collect();
    assert_eq!(traced, told, "the line and its visitors tell the same admissions");

    passes_verify_offline(&world, answered.values().copied()).await;

    world.wait_until_acked("concert", Duration::from_secs(20)).await;
    let records = broker::records(kafka, &topic, "concert");
    let subs: BTreeMap<u64, &str> = all.iter().map(|(entry, sub, _)| (entry.number, sub.as_str())).collect();
    assert_eq!(records.len(), TOGETHER, "each admission is in Kafka once");
    let mut epoch = 1;
    for (record, admitted) in records.iter().zip(&admitted) {
        let (seq, number, value) = (admitted.seq, admitted.number, record.json());
        assert_eq!(value["seq"], seq, "in order and gap-free: {}", record.value);
        let id = format!("concert/{seq}");
        assert_eq!(record.key, "concert");
        let headers = ["ce_specversion", "ce_id", "ce_type", "ce_subject", "content-type"];
        let headers = headers.map(|name| record.header(name).unwrap_or_else(|| panic!("no {name} in {record:?}")));
        let visitor = subs[&number];
        let expected = ["1.0", id.as_str(), "ropeline.admission.v1", visitor, "application/json"];
        assert_eq!(headers, expected, "{record:?}");
        let written_in = record.header("ropeline_epoch").and_then(|epoch| epoch.parse::<u64>().ok());
        assert!(written_in >= Some(epoch), "the epoch fell: {record:?}");
        epoch = written_in.unwrap_or(epoch);
        let sequence = record.header("ce_sequence").unwrap_or_default();
        assert!(sequence.len() >= 16 && sequence.parse() == Ok(seq), "{record:?}");
        assert!(record.header("ce_source").is_some_and(|source| !source.is_empty()), "{record:?}");
        assert_eq!(record.header("ce_time"), value["admitted_at"].as_str(), "{record:?}");
        let expected = json!({
            "event": "concert", "seq": seq, "number": number, "position": number, "visitor": visitor, "jti": id,
            "session_expires_at": answered[&seq].session_expires_at,
            "entered_at": value["entered_at"], "called_at": value["called_at"], "admitted_at": value["admitted_at"],
        });
        assert_eq!(value, expected, "the record says what was answered, and nothing else");
        let time = |name: &str| value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned();
        assert!(time("entered_at") <= time("called_at") && time("called_at") <= time("admitted_at"), "{value}");
    }
}

/// As a shop does it: the public keys, then no call any more.
async fn passes_verify_offline(world: &World, admissions: impl Iterator<Item = &Admission>) {
    let answer = world.raw(Method::GET, "/queue/jwks.json", &[], "").await;
    let jwks = serde_json::from_slice(&answer.body).unwrap();
    let verifier = Verifier::new(&jwks, world.issuer.as_str(), "concert").unwrap();
    for admission in admissions {
        let claims = verifier.verify_pass(&admission.pass, Some("concert"), now_ms() / 1_000).unwrap();
        assert_eq!((claims.num, claims.seq), (Some(admission.number), Some(admission.seq)));
        assert_eq!(claims.jti, format!("concert/{}", admission.seq));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_answered_before_the_other_asked_has_the_smaller_number() {
    let world = World::start();
    world.create("line", &json!({"lanes": 8})).await;
    // One after the other, while others push in: each of the former must be behind the one before.
    let crowd = JoinSet::from_iter((0..30).map(|_| {
        let (authority, until) = (world.authority.clone(), Instant::now() + Duration::from_secs(4));
        async move {
            let mut entries = Vec::new();
            while Instant::now() < until {
                let mut visitor = ropeline_e2e::Visitor::new(&authority, "line");
                let first_sent = Instant::now();
                let number = visitor.must_enter().await;
                entries.push(Entry { first_sent, answered: Instant::now(), number });
            }
            entries
        }
    }));
    let mut one_by_one = Vec::new();
    for _ in 0..ONE_BY_ONE {
        let mut visitor = world.visitor("line");
        let first_sent = Instant::now();
        let number = visitor.must_enter().await;
        one_by_one.push(Entry { first_sent, answered: Instant::now(), number });
    }
    assert!(one_by_one.windows(2).all(|pair| pair[0].number < pair[1].number), "{one_by_one:?}");
    let mut entries: Vec<Entry> = within("the crowd", Duration::from_secs(60), crowd.join_all()).await.concat();
    entries.extend(one_by_one);
    assert_true_line(&entries);
    let last = entries.iter().map(|entry| entry.number).max();
    assert_eq!(last, Some(entries.len() as u64), "dense: nobody crashed, so no number is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_visitor_sees_ahead_never_grows() {
    let world = World::start();
    world.create("slow", &json!({"new_users_per_minute": 60, "total_active_users": 100})).await;
    let mut visitors = JoinSet::new();
    for _ in 0..60 {
        let mut visitor = world.visitor("slow");
        visitors.spawn(async move {
            visitor.must_enter().await;
            let (mut ahead, mut polls) = (u64::MAX, 0);
            let until = Instant::now() + Duration::from_secs(8);
            while Instant::now() < until && visitor.place["state"] == "waiting" {
                let told = visitor.place["ahead"].as_u64().unwrap();
                assert!(told <= ahead, "number {}: {told} ahead after {ahead}", visitor.number());
                let number = visitor.number();
                assert!(told < number, "{told} ahead of number {number}");
                (ahead, polls) = (told, polls + 1);
                tokio::time::sleep(Duration::from_millis(150)).await;
                assert_eq!(visitor.status().await.unwrap().status, 200);
            }
            // Those at the head claim, so that the line moves.
            if visitor.place["state"] == "called" {
                visitor.go_in(Duration::from_secs(60)).await.unwrap();
            }
            polls
        });
    }
    let polls: Vec<u32> = within("polls", Duration::from_secs(90), visitors.join_all()).await;
    assert!(polls.iter().sum::<u32>() > 500, "somebody polled");
}

/// Claims every second or as told, until admitted or `until`.
async fn eager(mut visitor: ropeline_e2e::Visitor, until: Instant) -> Option<Admission> {
    visitor.must_enter().await;
    while Instant::now() < until {
        let answer = visitor.claim().await.unwrap();
        match answer.status.as_u16() {
            200 => return Admission::of(&visitor.place),
            202 => {}
            _ => ropeline_e2e::assert_problem(&answer, 409, "not-your-turn"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    None
}

async fn crowd(world: &World, event: &str, count: usize, until: Instant) -> JoinSet<Option<Admission>> {
    let mut crowd = JoinSet::new();
    for _ in 0..count {
        crowd.spawn(eager(world.visitor(event), until));
    }
    crowd
}

const LIMITS_RUN: Duration = Duration::from_secs(78);

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_exact_and_fully_used() {
    let world = World::start();
    let settings = |total: u64, per_minute: u64| json!({"total_active_users": total, "new_users_per_minute": per_minute, "session_duration_seconds": 10});
    // In one the sessions bind, in the other the minute.
    world.create("few", &settings(5, 30)).await;
    world.create("paced", &settings(1_000, 30)).await;
    let began = Instant::now();
    let until = began + LIMITS_RUN;
    let few = crowd(&world, "few", 60, until).await;
    let paced = crowd(&world, "paced", 75, until).await;

    // The shop is done with one: its slot is free at once, not 40 seconds later.
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(world.stats("few").await["admitted"], 5, "five slots, five sessions, and all are taken");
    let completed_at = now_ms();
    assert_eq!(world.complete("few", "few/3").await.status, 204);

    let few = within("few", LIMITS_RUN * 2, few.join_all()).await;
    let paced = within("paced", LIMITS_RUN * 2, paced.join_all()).await;

    let limits = Limits { total_active_users: 5, new_users_per_minute: 30, session_duration_seconds: 10 };
    let admitted = check(&world.trace("few"), &limits);
    assert_eq!(admitted.len(), few.iter().flatten().count(), "each admission was answered");
    assert!(admitted.iter().all(|admitted| admitted.live <= 5));
    let sixth = admitted.get(5).expect("a sixth admission");
    assert!(sixth.clk >= completed_at, "the sixth came before a slot was free");
    assert!(sixth.clk < completed_at + 5_000, "complete freed the slot at {completed_at}, taken at {}", sixth.clk);
    // A slot lives 40 s. Each is taken again soon after it is free, as long as anyone is there.
    let begin = admitted.first().expect("admissions").clk;
    let mut free: Vec<u64> =
        admitted.iter().take(5).map(|a| if a.seq == 3 { completed_at } else { a.clk + 40_000 }).collect();
    for next in admitted.iter().skip(5) {
        free.sort_unstable();
        let slot = free.remove(0);
        assert!((slot..slot + 6_000).contains(&next.clk), "a slot free at {slot} was taken at {}", next.clk);
        free.push(next.clk + 40_000);
    }
    let end = begin + 70_000;
    assert!(free.iter().all(|slot| *slot + 6_000 > end), "slots stayed free: {free:?} at {end}");

    let limits = Limits { total_active_users: 1_000, ..limits };
    let admitted = check(&world.trace("paced"), &limits);
    assert_eq!(admitted.len(), paced.iter().flatten().count());
    let times: Vec<u64> = admitted.iter().map(|admitted| admitted.clk).collect();
    for (index, at) in times.iter().enumerate() {
        let within_a_minute = times.iter().skip(index).filter(|later| **later < at + 60_000).count();
        assert!(within_a_minute <= 30, "{within_a_minute} admissions in the 60 s from {at}");
    }
    let begin = times[0];
    let first_minute = times.iter().filter(|at| **at < begin + 60_000).count();
    assert_eq!(first_minute, 30, "the minute is fully used");
    // As in the first minute, eleven in twenty seconds: the run ends in the midst of them.
    let second_minute = times.iter().filter(|at| **at >= begin + 60_000).count();
    assert!(second_minute >= 9, "only {second_minute} admissions after the first minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_never_come_back_cost_nothing() {
    const ALL: usize = 1_200;
    let world = World::start();
    let limits = Limits { total_active_users: 1_000, new_users_per_minute: 600, session_duration_seconds: 300 };
    world.create("ghosts", &json!({"total_active_users": 1_000, "new_users_per_minute": 600})).await;
    let mut present = JoinSet::new();
    // Every 20th waits for its turn; the others take a number and are gone.
    for chunk in 0..ALL / 100 {
        let mut entering = JoinSet::new();
        for index in 0..100 {
            let mut visitor = world.visitor("ghosts");
            entering.spawn(async move {
                visitor.must_enter().await;
                (index % 20 == 7).then_some(visitor)
            });
        }
        for mut visitor in within("entries", Duration::from_secs(30), entering.join_all()).await.into_iter().flatten() {
            present.spawn(async move { (chunk, visitor.go_in(Duration::from_secs(150)).await) });
        }
    }
    let began = now_ms();
    for (chunk, admission) in within("those present", Duration::from_secs(160), present.join_all()).await {
        admission.unwrap_or_else(|error| panic!("of chunk {chunk}: {error:#}"));
    }
    let admitted = check(&world.trace("ghosts"), &limits);
    assert_eq!(admitted.len(), ALL / 20, "all who were there are in, and nobody else");
    let mut last = began;
    for admitted in &admitted {
        assert!(admitted.clk < last + 25_000, "nobody was let in between {last} and {}", admitted.clk);
        last = last.max(admitted.clk);
    }
    println!("95 % absent: all {} present ones were in after {} s", admitted.len(), (last - began) / 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_is_enough_where_nobody_waits() {
    let world = World::start();
    world.create("quiet", &json!({})).await;
    let mut visitor = world.visitor("quiet");
    let mut answer = visitor.enter_with(&json!({"claim": true})).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(visitor.place["state"], "admitted", "{}", visitor.place);
    let first = Admission::of(&visitor.place).expect("a pass");
    answer = visitor.enter_with(&json!({"claim": true})).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let again = Admission::of(&visitor.place).expect("a pass");
    assert_eq!((first.number, first.seq), (again.number, again.seq));
    let trace: Value = serde_json::to_value(world.trace("quiet").exchanges.len()).unwrap();
    assert!(trace.as_u64() >= Some(2), "the place was stored before it was claimed: two exchanges");
}
