//! The worked consumers of `examples/consumers` on a real broker: what they make of repeats, gaps and foreign records, and of a real
//! run of the relay in which they are killed and their partitions move. All of them must say the same.

mod instance;
mod records;

use std::time::Duration;

use instance::{Instance, LANGUAGES, Language};
use records::{Log, foreign, repeated};
use ropeline_e2e::{Value, World, broker, json};
use tokio::task::JoinSet;

const GAP: i32 = 3;

/// Two events in partition 0, one of them with a gap; one in partition 1. Repeats, foreign records, fields nobody knows.
async fn scripted(topic: &str) -> Value {
    let kafka = broker::shared();
    kafka.create_topic(topic, 2).expect("a topic");
    let mut log = Log::open(&kafka.bootstrap(), topic).await;
    log.write(0, &records::admissions("blue", [1, 2, 3])).await;
    log.write(0, &records::admissions("red", [1])).await;
    log.write(0, &[foreign(None, Some("blue"), "no CloudEvent"), foreign(None, None, "")]).await;
    log.write(0, &repeated(&records::admissions("blue", [2, 3]))).await;
    log.write(0, &records::admissions("blue", [4])).await;
    log.write(0, &records::admissions("red", [2])).await;
    log.write(
        0,
        &[foreign(Some("ropeline.admission.v2"), Some("red"), r#"{"event":"red","seq":3,"number":3,"visitor":"v"}"#)],
    )
    .await;
    log.write(0, &[foreign(Some("ropeline.admission.v1"), Some("red"), "not JSON")]).await;
    log.write(
        0,
        &[foreign(Some("ropeline.admission.v1"), Some("blue"), r#"{"event":"red","seq":3,"number":3,"visitor":"v"}"#)],
    )
    .await;
    // Retention, or somebody's hand, has taken 3 and 4.
    log.write(0, &records::admissions("red", [5, 6])).await;
    log.write(0, &repeated(&records::admissions("red", [2]))).await;
    log.write(0, &records::admissions("blue", [5])).await;
    log.write(1, &records::admissions("green", 1..=20)).await;
    log.write(1, &repeated(&records::admissions("green", 11..=20))).await;
    json!({
        "blue": {"gaps": [], "last": 5, "taken": 5},
        "green": {"gaps": [], "last": 20, "taken": 20},
        "red": {"gaps": [[3, 4]], "last": 6, "taken": 4},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_consumers_drop_repeats_and_report_gaps_alike() {
    let topic = "e2e.consumers.scripted";
    let expected = scripted(topic).await;
    let mut running = Vec::new();
    for language in LANGUAGES {
        running.push(Instance::start(language, "scripted", topic, &["--on-gap", "continue", "--idle-seconds", "6"]));
    }
    let mut verdicts = Vec::new();
    for mut instance in running {
        let said = instance.end(0).await;
        assert_eq!(said.run(), json!({"foreign": 5, "repeats": 13}), "{said:?}");
        assert!(said.log.contains("GAP: red: seq 5 follows 2; 3 to 4 are missing"), "{said:?}");
        verdicts.push(said.verdict_text());
    }
    assert_eq!(serde_json::from_str::<Value>(&verdicts[0]).expect("JSON"), expected);
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_stops_a_consumer_until_it_is_told_to_go_on() {
    let topic = "e2e.consumers.stopped";
    let kafka = broker::shared();
    kafka.create_topic(topic, 1).expect("a topic");
    let mut log = Log::open(&kafka.bootstrap(), topic).await;
    log.write(0, &records::admissions("blue", [1, 2])).await;
    log.write(0, &records::admissions("red", [1, 2, 5, 6])).await;
    log.write(0, &records::admissions("blue", [3])).await;
    let mut running = JoinSet::new();
    for language in LANGUAGES {
        running.spawn(async move {
            // It stops again when it is started again: nothing after the gap is taken by mistake.
            for _ in 0..2 {
                let mut stopped = Instance::start(language, "stopped", topic, &["--idle-seconds", "30"]);
                let said = stopped.end(GAP).await;
                let before = json!({
                    "blue": {"gaps": [], "last": 2, "taken": 2},
                    "red": {"gaps": [], "last": 2, "taken": 2},
                });
                assert_eq!(said.verdict(), before, "{said:?}");
                assert!(said.log.contains("GAP: red: seq 5 follows 2; 3 to 4 are missing"), "{said:?}");
            }
            let mut told =
                Instance::start(language, "stopped", topic, &["--on-gap", "continue", "--idle-seconds", "6"]);
            told.end(0).await.verdict_text()
        });
    }
    let verdicts = running.join_all().await;
    for verdict in &verdicts {
        let expected = r#"{"blue":{"gaps":[],"last":3,"taken":3},"red":{"gaps":[[3,4]],"last":6,"taken":4}}"#;
        assert_eq!(verdict, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_there_before_the_topic_takes_it_up() {
    let topic = "e2e.consumers.later";
    let early = [Language::Java, Language::Python];
    let running: Vec<_> =
        early.map(|language| Instance::start(language, "later", topic, &["--idle-seconds", "6"])).into();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let kafka = broker::shared();
    kafka.create_topic(topic, 1).expect("a topic");
    Log::open(&kafka.bootstrap(), topic).await.write(0, &records::admissions("blue", [1, 2])).await;
    for mut instance in running {
        assert_eq!(instance.end(0).await.verdict(), json!({"blue": {"gaps": [], "last": 2, "taken": 2}}));
    }
}

const EVENTS: [&str; 3] = ["monday", "tuesday", "wednesday"];
/// Admissions of each event in each of three parts.
const PART: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn with_a_real_relay_consumers_survive_kills_and_moving_partitions() {
    let topic = "e2e.consumers.relayed";
    let kafka = broker::shared();
    kafka.create_topic(topic, 3).expect("a topic");
    let world = std::sync::Arc::new(World::start());
    for event in EVENTS {
        world.create(event, &json!({"total_active_users": 1_000, "new_users_per_minute": 100_000})).await;
    }
    world.start_relay(&kafka.bootstrap(), topic);
    let start = |language| Instance::start(language, "relayed", topic, &["--idle-seconds", "15"]);
    let mut first: Vec<Instance> = LANGUAGES.map(start).into_iter().collect();
    admit(&world).await;
    // Others join their groups: partitions move while records come. The one without groups has one process at a time.
    let mut second: Vec<Instance> =
        LANGUAGES.into_iter().filter(|language| *language != Language::Rust).map(start).collect();
    admit(&world).await;
    first.iter_mut().for_each(Instance::kill9);
    second.push(start(Language::Rust));
    admit(&world).await;
    for event in EVENTS {
        world.wait_until_acked(event, Duration::from_secs(30)).await;
    }
    let mut verdicts = Vec::new();
    for mut instance in second {
        verdicts.push(instance.end(0).await.verdict());
    }
    let all = 3 * PART;
    let event = json!({"gaps": [], "last": all, "taken": all});
    let expected = json!({"monday": event, "tuesday": event, "wednesday": event});
    for verdict in verdicts {
        assert_eq!(verdict, expected);
    }
}

/// Lets visitors in, one after the other in each event.
async fn admit(world: &std::sync::Arc<World>) {
    let mut events = JoinSet::new();
    for event in EVENTS {
        let world = std::sync::Arc::clone(world);
        events.spawn(async move {
            for _ in 0..PART {
                world.admitted(event).await;
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        });
    }
    events.join_all().await;
}
