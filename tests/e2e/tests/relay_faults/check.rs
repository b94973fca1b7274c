//! `ropeline-relay check` on a broker that makes any topic it is asked for: the check makes none.

use std::process::{Command, Stdio};
use std::time::Duration;

use xtask::bundle::Programs;

use super::rig::{Rig, Settings, kafka};
use super::support::http::KEY;

#[tokio::test(flavor = "multi_thread")]
async fn a_check_fails_for_a_missing_topic_and_does_not_have_the_broker_create_it() {
    let mut rig = Rig::new(&Settings { topic_exists: false, ..Settings::new(0) }).await;
    let topic = rig.topic.clone();
    for _ in 0..2 {
        let mut command = Command::new(Programs::built().relay);
        command
            .arg("check")
            .env("ROPELINE_RELAY_WORKER_URL", &rig.door.url)
            .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", kafka().await.bootstrap())
            .env("ROPELINE_RELAY_TOPIC", &topic)
            .env("ROPELINE_RELAY_KEY", KEY)
            .stdin(Stdio::null());
        let output = tokio::task::block_in_place(|| command.output()).expect("the relay's program");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let missing = format!("FAIL topic {topic}: does not exist");
        let create = format!("--create --topic {topic} ");
        assert!(said.lines().any(|line| line.starts_with(&missing) && line.contains(&create)), "{said}");
        assert!(said.contains(&format!("note topic {topic}.test: does not exist")), "{said}");
        assert!(said.contains("ok   worker"), "{said}");
    }
    let other = format!("{topic}.asked");
    rig.raw.ask_by_name(&other).await;
    let mut tries = 0..100;
    let topics = loop {
        let topics = rig.raw.topics().await;
        if topics.contains(&other) {
            break topics;
        }
        assert!(tries.next().is_some(), "this broker creates no topics, so nothing was tested");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(
        !topics.contains(&topic) && !topics.contains(&format!("{topic}.test")),
        "the check has created one: {topics:?}"
    );
}
