//! Events from files.

use std::sync::Arc;

use ropeline_e2e::{Method, Value, World, json};

use crate::proxy::{self, Faster};
use crate::{Cli, file};

async fn event(world: &World) -> Value {
    world.admin(Method::GET, "/queue/admin/events/demo", &Value::Null).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_creates_an_event_changes_it_and_then_changes_nothing() {
    let world = World::start();
    let cli = Cli::of(&world);
    let path = file(&world, "event.toml", "event = \"demo\"\nname = \"Spring sale\"\nlanes = 8\n");
    let created = cli.run(&["events", "apply", "-f", &path]).await.ends(0);
    created.says(&[
        "demo: a new event",
        "  lanes: (none) → 8",
        "  name: (none) → \"Spring sale\"",
        "created, version 1",
    ]);
    let made = event(&world).await;
    assert_eq!((&made["lanes"], &made["name"], &made["config_version"]), (&json!(8), &json!("Spring sale"), &json!(1)));

    let path = file(
        &world,
        "event.toml",
        "event = \"demo\"\nlanes = 8\ntotal_active_users = 50\n[gate]\nhosts = [\"shop.example\"]\n",
    );
    let shown =
        ["changes version 1", "  name: \"Spring sale\" → \"demo\"", "  total_active_users: 200 → 50", "shop.example"];
    cli.run(&["events", "apply", "-f", &path, "--dry-run"]).await.ends(0).says(&shown).says(&["nothing was sent"]);
    assert_eq!(event(&world).await, made, "a dry run changes nothing");
    cli.run(&["events", "apply", "-f", &path]).await.ends(0).says(&shown).says(&["updated, version 2"]);
    let changed = event(&world).await;
    assert_eq!((&changed["total_active_users"], &changed["name"]), (&json!(50), &json!("demo")));

    cli.run(&["events", "apply", "-f", &path]).await.ends(0).says(&["is as", "version 2", "nothing was sent"]);
    let told = cli.run(&["events", "apply", "-f", &path, "--json"]).await.ends(0).json();
    assert_eq!(
        told,
        json!({"event": "demo", "action": "unchanged", "from_version": 2, "config_version": 2, "changes": []})
    );
    let input = "event = \"demo\"\nlanes = 16\ntotal_active_users = 50\n[gate]\nhosts = [\"shop.example\"]\n";
    let told = cli.with_input(&["--json", "events", "apply", "-f", "-"], input).await.ends(0).json();
    assert_eq!(told["changes"], json!([{"field": "lanes", "old": 8, "new": 16}]));
    assert_eq!(
        (&told["action"], &told["from_version"], &told["config_version"]),
        (&json!("updated"), &json!(2), &json!(3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_get_shows_is_what_apply_takes() {
    let world = World::start();
    let cli = Cli::of(&world);
    let settings = json!({
        "name": "A \"sale\"", "message": "two\nlines", "event_start_time": "2090-01-01T00:00:00Z", "allowed_origins": ["https://a.example"],
        "brand": {"accent": "#0b5fff"}, "gate": {"hosts": ["shop.example"], "open_paths": ["/a/*"]},
    });
    world.create("demo", &settings).await;
    let shown = cli.run(&["events", "get", "demo"]).await.ends(0).out;
    let path = file(&world, "event.toml", &shown);
    cli.run(&["events", "apply", "-f", &path]).await.ends(0).says(&["nothing was sent"]);
    assert_eq!(cli.run(&["events", "get", "demo", "--json"]).await.ends(0).json(), event(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_faster_wins_and_the_other_is_told() {
    let world = Arc::new(World::start());
    let url = proxy::start(&world.authority, Faster::at("PUT", &world)).await;
    let cli = Cli::of(&world).at(url);
    let path = file(&world, "event.toml", "event = \"demo\"\nmessage = \"mine\"\n");
    for round in ["a new event", "changes version 1"] {
        world.admin(Method::PATCH, "/queue/admin/events/demo", &json!({"message": "before"})).await;
        let lost = cli.run(&["events", "apply", "-f", &path]).await.ends(4);
        lost.says(&["demo: "]).complains(&["somebody else has changed the event meanwhile", "nothing was changed"]);
        assert_eq!(event(&world).await["message"], "I was faster", "{round}");
    }
    let told = cli.run(&["events", "apply", "-f", &path, "--json"]).await;
    // The faster one wrote what was there: nothing has changed meanwhile, and this one is not lost.
    assert_eq!(told.ends(0).json()["action"], "updated");
    world.admin(Method::PATCH, "/queue/admin/events/demo", &json!({"message": "before"})).await;
    let lost = cli.run(&["events", "apply", "-f", &path, "--json"]).await.ends(4);
    let told: Value = serde_json::from_str(&lost.err).expect("JSON on standard error");
    assert_eq!((&told["error"]["kind"], &told["error"]["problem"]["status"]), (&json!("changed"), &json!(412)));
    assert_eq!(lost.out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_wrong_changes_the_event() {
    let world = World::start();
    let cli = Cli::of(&world);
    world.create("demo", &json!({"name": "Before", "lanes": 2})).await;
    world.visitor("demo").must_enter().await;
    let before = event(&world).await;
    for (text, code, says) in [
        ("event = \"demo\"\nlane = 4\n", 2, "event.toml:2: there is no setting 'lane'"),
        ("event = \"demo\"\n\nlanes = 5\n", 2, "event.toml:3: 'lanes' must be one of"),
        ("event = \"demo\"\nname = 7\n", 2, "event.toml:2: 'name' must be"),
        ("event = \"demo\"\nsold_out = true\nsuspended = true\n", 2, "'suspended'"),
        ("event = \"demo\"\n[gate]\nhost = [\"a.example\"]\n", 2, "event.toml:3: "),
        ("event = \"demo\"\nlanes = \n", 2, "event.toml:2: not TOML"),
        ("name = \"no event\"\n", 2, "say which event"),
        ("event = \"demo\"\nlanes = 4\nname = \"Before\"\n", 3, "field: lanes"),
        ("event = \"demo\"\nlanes = 2\ndoor = \"turnstile\"\n", 3, "field: door"),
        ("event = \"demo\"\nlanes = 2\nevent_end_time = 2020-01-01T00:00:00Z\n", 3, "field: event_end_time"),
    ] {
        let path = file(&world, "event.toml", text);
        let refused = cli.run(&["events", "apply", "-f", &path]).await.ends(code).complains(&[says]);
        assert!(code == 3 || refused.out.is_empty(), "{}", refused.out);
        assert_eq!(event(&world).await, before, "{text}");
    }
    cli.run(&["events", "apply", "-f", "/nowhere/event.toml"]).await.ends(2).complains(&["/nowhere/event.toml"]);
    let path = file(&world, "event.toml", "event = \"demo\"\nlanes = 2\n");
    Cli::of(&world).key("wrong").run(&["events", "apply", "-f", &path]).await.ends(3).complains(&["ROPELINE_KEYS"]);
    let origin = world.keys.origin.clone();
    Cli::of(&world).key(&origin).run(&["events", "apply", "-f", &path]).await.ends(3).complains(&["another role"]);
    Cli::of(&world).key("").run(&["events", "apply", "-f", &path]).await.ends(2).complains(&["no admin key"]);
    let nobody = Cli::of(&world).at("http://127.0.0.1:9".to_owned());
    nobody.run(&["events", "apply", "-f", &path]).await.ends(5).complains(&["nothing listens there"]);
    assert_eq!(event(&world).await, before);
}
