//! A topic is deleted and made anew while its events go on: the event stops and says so, and an operator lets it begin anew
//! (`ropeline-relay replay`), whole or from the middle; `ropeline-relay status` says how it stands all the way.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ropeline_e2e::{Value, World, broker, json, within};
use tokio::time::sleep;
use xtask::bundle::Programs;
use xtask::kafka;
use xtask::services::{Relay, RelayOptions};

const EVENT: &str = "lost";

struct Scene {
    world: World,
    topic: String,
    relay: Relay,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start();
        let topic = broker::topic(broker::shared(), "replay");
        world.create(EVENT, &json!({"total_active_users": 100, "new_users_per_minute": 1_000})).await;
        let config = world.dir.join("relay.toml");
        std::fs::write(&config, "[intervals]\nstopped_retry_seconds = 1\n\n[health]\nlisten = \"off\"\n").unwrap();
        let log = world.dir.join("logs/relay.log");
        let options = RelayOptions::new(&world.issuer, &broker::shared().bootstrap(), &topic, &world.keys.relay, &log);
        let relay = Relay::start(&RelayOptions { config: Some(config), ..options }).expect("a relay");
        Self { world, topic, relay }
    }

    /// The relay's program with these words.
    fn command(&self, words: &[&str]) -> Output {
        Command::new(Programs::built().relay)
            .args(words)
            .env("ROPELINE_RELAY_WORKER_URL", &self.world.issuer)
            .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", broker::shared().bootstrap())
            .env("ROPELINE_RELAY_TOPIC", &self.topic)
            .env("ROPELINE_RELAY_KEY", &self.world.keys.relay)
            .stdin(Stdio::null())
            .output()
            .expect("the relay's program")
    }

    fn replay(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(&[&["replay", "--event", EVENT][..], words].concat());
        (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    }

    /// The exit code, and what it says of the event.
    fn status(&self) -> (Option<i32>, Value) {
        let output = self.command(&["status", "--json", "--event", EVENT]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("no report ({error}): {}{}", text(&output.stdout), text(&output.stderr));
        });
        assert_eq!((&report["worker"]["trouble"], &report["kafka"]["trouble"]), (&Value::Null, &Value::Null));
        (output.status.code(), report["events"][0].clone())
    }

    /// Makes the topic anew, admits one more, and waits until the relay says that it has stopped.
    async fn lose_the_log(&self) {
        // A relay that still has the lease would put the next admission into the new log before it looks: whether it does is no matter
        // of chance here.
        let until = Instant::now() + Duration::from_secs(30);
        while self.world.stats(EVENT).await["relay_leased"] == true {
            assert!(Instant::now() < until, "the relay keeps the lease of an event that has nothing for it");
            sleep(Duration::from_millis(100)).await;
        }
        let bootstrap = broker::shared().bootstrap();
        kafka::delete_topic(&bootstrap, &self.topic).expect("the topic is deleted");
        let (code, row) = self.status();
        assert_eq!((code, &row["log"]["state"]), (Some(1), &json!("missing")), "{row}");
        kafka::create_topic(&bootstrap, &self.topic, 3).expect("the topic is made anew");
        let said = self.stops();
        drop(self.world.admitted(EVENT).await);
        let until = Instant::now() + Duration::from_secs(60);
        while self.stops() == said {
            assert!(Instant::now() < until, "the relay does not say that the event has stopped: {}", self.relay.tail());
            sleep(Duration::from_millis(200)).await;
        }
        let (code, row) = self.status();
        assert_eq!((code, &row["log"]["state"]), (Some(1), &json!("lost")), "{row}");
    }

    fn stops(&self) -> usize {
        let log = std::fs::read_to_string(self.world.dir.join("logs/relay.log")).unwrap_or_default();
        let stop = |line: &&str| line.contains("event stopped") && line.contains("ropeline-relay replay");
        log.lines().filter(stop).count()
    }

    /// The seqs in the topic once everything is acked.
    async fn seqs(&self) -> Vec<u64> {
        self.world.wait_until_acked(EVENT, Duration::from_secs(60)).await;
        let records = broker::records(broker::shared(), &self.topic, EVENT);
        records.iter().map(|record| record.json()["seq"].as_u64().expect("a seq")).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_log_was_lost_begins_anew_where_an_operator_says_and_goes_on_by_itself() {
    within("the replays", Duration::from_secs(400), async {
        let mut scene = Scene::start().await;
        for _ in 0..5 {
            drop(scene.world.admitted(EVENT).await);
        }
        assert_eq!(scene.seqs().await, [1, 2, 3, 4, 5]);
        let (code, row) = scene.status();
        assert_eq!((code, &row["log"]["state"], &row["line"]["lag"]), (Some(0), &json!("agrees"), &json!(0)), "{row}");

        scene.lose_the_log().await;
        let before = scene.world.stats(EVENT).await["acked_seq"].clone();
        for (words, code, says) in [
            (&["--from", "7"][..], 1, "outside of 1 … 6"),
            (&["--from", "0"], 1, "outside of 1 … 6"),
            (&["--from", "1", "--topic", "nowhere"], 1, "does not exist"),
            (&["--from", "1"], 1, "--yes"),
            (&["--from", "1", "--dry-run"], 0, "seq 1 … 6: 6 entries"),
            (&["--from", "one"], 2, "--from"),
        ] {
            let (ended, said) = scene.replay(words);
            assert!(ended == Some(code) && said.contains(says), "{words:?}: {ended:?} {said}");
        }
        assert_eq!(scene.world.stats(EVENT).await["acked_seq"], before, "nothing was changed so far");
        let (ended, said) = scene.replay(&["--from", "1", "--yes"]);
        assert_eq!(ended, Some(0), "{said}");
        assert_eq!(scene.seqs().await, [1, 2, 3, 4, 5, 6]);
        drop(scene.world.admitted(EVENT).await);
        assert_eq!(scene.seqs().await, [1, 2, 3, 4, 5, 6, 7], "new admissions follow");

        // What would leave a gap is refused.
        let (ended, said) = scene.replay(&["--from", "9"]);
        assert!(ended == Some(1) && said.contains("outside of 1 … 8"), "{said}");

        scene.lose_the_log().await;
        let (ended, said) = scene.replay(&["--from", "5", "--yes"]);
        assert!(ended == Some(0) && said.contains("consumers must have 1 … 4"), "{said}");
        assert_eq!(scene.seqs().await, [5, 6, 7, 8]);
        drop(scene.world.admitted(EVENT).await);
        assert_eq!(scene.seqs().await, [5, 6, 7, 8, 9]);
        let (ended, said) = scene.replay(&["--from", "1", "--yes"]);
        assert!(ended == Some(1) && said.contains("drop 1 … 4"), "out of order: {said}");

        let audit = scene.world.admin(ropeline_e2e::Method::GET, "/queue/admin/events/lost/audit", &Value::Null).await;
        assert_eq!(audit.text().matches(r#""action":"replay""#).count(), 2, "{}", audit.text());
        let (code, row) = scene.status();
        assert_eq!((code, &row["line"]["replay_from"]), (Some(0), &json!(5)), "{row}");
        assert!(scene.relay.is_running());
    })
    .await;
}
