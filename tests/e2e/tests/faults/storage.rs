//! What an earlier version has stored is found and carried on after a deploy.
//!
//! `faults/golden/*.storage.json` hold the storage of all objects of a version after [`fill`], as SQL; made by
//! `ROPELINE_GOLDEN_STORAGE=FILE cargo test -p ropeline-e2e --test faults storage`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ropeline_e2e::{Method, Role, Visitor, World, WorldOptions, json, now_ms};
use serde::{Deserialize, Serialize};

use super::EVENT;

const KEYS: [&str; 4] =
    ["golden-visitor-one-0001", "golden-visitor-two-0002", "golden-visitor-three-03", "golden-visitor-four-004"];
const OBJECTS: [(&str, &str); 3] = [("REGISTRY", "registry"), ("LANE", "faults:0"), ("LINE", EVENT)];

#[derive(Serialize, Deserialize)]
struct Storage {
    /// Milliseconds since 1970.
    at: u64,
    /// By binding.
    objects: BTreeMap<String, Vec<String>>,
}

fn visitors(world: &World) -> [Visitor; 4] {
    KEYS.map(|key| Visitor::with_key(&world.authority, EVENT, key))
}

/// One admitted; one admitted, whom the shop is done with; one who has left; one who is called.
async fn fill(world: &World) {
    world.create(EVENT, &json!({"lanes": 1, "total_active_users": 3})).await;
    let [mut one, mut two, mut three, mut four] = visitors(world);
    for visitor in [&mut one, &mut two] {
        visitor.must_enter().await;
        visitor.go_in(Duration::from_secs(10)).await.unwrap();
    }
    assert_eq!(world.complete(EVENT, &format!("{EVENT}/2")).await.status, 204);
    three.must_enter().await;
    assert_eq!(three.leave().await.unwrap().status, 204);
    four.must_enter().await;
}

/// All that was true goes on being true.
async fn carry_on(world: &World) {
    assert_eq!(world.stats(EVENT).await["active"], 1, "the session that lasts holds its slot from the first moment");
    let [mut one, mut two, mut three, mut four] = visitors(world);
    for (visitor, number) in [(&mut one, 1), (&mut two, 2), (&mut three, 3), (&mut four, 4)] {
        assert_eq!(visitor.must_enter().await, number);
    }
    assert_eq!((one.claim().await.unwrap().status.as_u16(), one.place["seq"].as_u64()), (200, Some(1)));
    assert_eq!(one.renew().await.unwrap().status, 200);
    assert_eq!(two.claim().await.unwrap().status, 410);
    assert_eq!(three.place["state"], "left");
    assert_eq!(four.go_in(Duration::from_secs(10)).await.unwrap().seq, 3);
    assert_eq!(world.visitor(EVENT).must_enter().await, 5);
    let stats = world.stats(EVENT).await;
    let counts = ["entered", "admitted", "active", "left", "ended", "voided"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(counts, [5, 3, 2, 1, 1, 0], "{stats}");
    assert_eq!(world.board(EVENT).await["phase"], "open");

    let relay = async |path: &str, body| world.keyed(Role::Relay, Method::POST, path, &body).await.json();
    let epoch = relay("/queue/relay/lease", json!({"event": EVENT, "relay": "new"})).await["epoch"].clone();
    let drain = json!({"event": EVENT, "epoch": epoch, "after": 0, "topic": "t", "partition": 0, "next_offset": 0});
    let drained = relay("/queue/relay/drain", drain).await;
    let told = drained["entries"].as_array().unwrap().iter().map(|entry| (&entry["seq"], &entry["number"]));
    let expected = [(json!(1), json!(1)), (json!(2), json!(2)), (json!(3), json!(4))];
    assert!(told.eq(expected.iter().map(|(seq, number)| (seq, number))), "{drained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_of_golden_versions_is_carried_on() {
    if let Some(file) = std::env::var_os("ROPELINE_GOLDEN_STORAGE") {
        let world = WorldOptions::default().faults().start();
        fill(&world).await;
        let mut storage = Storage { at: now_ms(), objects: BTreeMap::new() };
        for (binding, object) in OBJECTS {
            storage.objects.insert(binding.to_owned(), world.dump(binding, object).await);
        }
        std::fs::write(&file, serde_json::to_string_pretty(&storage).unwrap() + "\n").expect("golden storage");
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/golden");
    let mut versions = 0;
    for file in std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = file.expect("a file").path();
        if !path.to_string_lossy().ends_with(".storage.json") {
            continue;
        }
        versions += 1;
        let storage: Storage = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let world = WorldOptions::default().faults().start();
        // As it was then: sessions last.
        world.clock_ahead(storage.at.cast_signed() - now_ms().cast_signed()).await;
        for (binding, object) in OBJECTS {
            world.load(binding, object, &storage.objects[binding]).await;
        }
        carry_on(&world).await;
    }
    assert!(versions > 0, "no golden storage in {}", dir.display());
}
