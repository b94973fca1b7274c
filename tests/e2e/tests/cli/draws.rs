//! A draw that holds, and ones that were tampered with.

use ropeline_e2e::{Answer, Value, World, json, now_ms, rfc3339};

use crate::Cli;
use crate::proxy::{self, Between};

/// Another value for one member of the proof.
struct Tampered(&'static str, Value);

impl Between for Tampered {
    fn after(&self, path: &str, answer: &Answer) -> Vec<u8> {
        if !path.ends_with("/draw") {
            return answer.body.to_vec();
        }
        let mut proof = answer.json();
        assert_ne!(proof[self.0], self.1);
        proof[self.0] = self.1.clone();
        proof.to_string().into_bytes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draw_is_recomputed_and_a_tampered_one_is_found_out() {
    let world = World::start();
    // It takes no key.
    let cli = Cli::of(&world).key("");
    let settings = json!({
        "prequeue_start_time": rfc3339(now_ms() - 1_000), "event_start_time": rfc3339(now_ms() + 3_000), "shuffle_at_event_start": true,
    });
    world.create("demo", &settings).await;
    let mut visitors = Vec::new();
    for _ in 0..4 {
        let mut visitor = world.visitor("demo");
        visitor.must_enter().await;
        visitors.push(visitor);
    }
    let commitment = world.board("demo").await["shuffle"]["commitment"].as_str().expect("a commitment").to_owned();
    cli.run(&["draw", "verify", "demo"]).await.ends(3).complains(&["404"]);
    world.board_until("demo", "the seed", |board| board["shuffle"]["seed"].is_string()).await;
    let mut told = Vec::new();
    for visitor in &mut visitors {
        visitor.status().await.expect("an answer");
        told.push((visitor.number(), visitor.place["position"].as_u64().expect("a position")));
    }
    for (number, position) in &told {
        let verified =
            cli.run(&["draw", "verify", "demo", "--number", &number.to_string(), "--commitment", &commitment]).await;
        let says = format!("number {number} has position {position}\n");
        verified.ends(0).says(&["the draw holds", &commitment, "4 took part", &says]);
    }
    let json = cli.run(&["draw", "verify", "demo", "--number", "1", "--json"]).await.ends(0).json();
    assert_eq!(
        (&json["holds"], &json["count"], &json["positions"][0]["position"]),
        (&json!(true), &json!(4), &json!(told[0].1))
    );
    let other = "ab".repeat(32);
    cli.run(&["draw", "verify", "demo", "--commitment", &other]).await.ends(1).complains(&["does NOT hold", &other]);
    for (member, value) in
        [("seed", json!("ff".repeat(32))), ("commitment", json!("ff".repeat(32))), ("event", json!("other"))]
    {
        let url = proxy::start(&world.authority, Tampered(member, value)).await;
        let found = Cli::of(&world).at(url).run(&["draw", "verify", "demo"]).await;
        assert_eq!(found.ends(1).complains(&["does NOT hold"]).out, "", "{member}");
    }
}
