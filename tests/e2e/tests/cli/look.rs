//! What is shown: of events, of one event over time, of one visitor.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use ropeline_e2e::{Value, World, json};

use crate::Cli;
use crate::proxy::{self, Page};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_and_shown() {
    let world = World::start();
    let cli = Cli::of(&world);
    cli.run(&["events", "list"]).await.ends(0).says(&["no events"]);
    world.create("one", &json!({"name": "First"})).await;
    world.create("two", &json!({"name": "Second", "suspended": true, "test": true})).await;
    world.board_until("two", "that it is suspended", |board| board["phase"] == "suspended").await;
    let listed = cli.run(&["events", "list"]).await.ends(0);
    let row = |id: &str| listed.out.lines().find(|line| line.starts_with(id)).unwrap_or_default().to_owned();
    assert!(row("one").contains("open") && row("one").contains("First"), "{}", listed.out);
    assert!(row("two").contains("suspended") && row("two").contains("rehearsal"), "{}", listed.out);
    let told = cli.run(&["events", "list", "--json"]).await.ends(0).json();
    assert_eq!(told["events"].as_array().map(Vec::len), Some(2));
    world.visitor("one").must_enter().await;
    world.admitted("one").await;
    let status = cli.run(&["events", "status", "one", "--json"]).await.ends(0).json();
    assert_eq!((&status["entered"], &status["admitted"], &status["lag"]), (&json!(2), &json!(1), &json!(1)));
    cli.run(&["events", "status", "one"]).await.ends(0).says(&["First (one)  open", "not in Kafka"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_somebody_else_is_not_taken_for_an_answer() {
    let world = World::start();
    world.create("demo", &json!({})).await;
    let cli = Cli::of(&world).at(proxy::start(&world.authority, Page).await);
    for arguments in
        [&["events", "list"][..], &["events", "get", "demo"], &["audit", "demo"], &["visitors", "show", "demo", "1"]]
    {
        let said = cli.run(arguments).await;
        // Number 1 was never given: what stands in place of that problem is no problem of Ropeline's either.
        assert_eq!(said.ends(5).complains(&["not Ropeline's Worker"]).out, "", "{arguments:?}");
    }
    cli.run(&["check"]).await.ends(1).says(&["FAIL worker"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_in_a_pipe_is_one_line_for_each_look() {
    let world = Arc::new(World::start());
    let cli = Cli::of(&world);
    world.create("demo", &json!({})).await;
    let crowd = Arc::clone(&world);
    let entering = tokio::spawn(async move {
        for _ in 0..12 {
            crowd.visitor("demo").must_enter().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let watched = cli.run(&["events", "watch", "demo", "--interval", "0.6", "--count", "3", "--json"]).await.ends(0);
    entering.await.expect("visitors");
    let looks: Vec<Value> = watched.out.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    assert_eq!(looks.len(), 3, "{}", watched.out);
    assert_eq!((&looks[0]["rates"], &looks[0]["status"]["phase"]), (&Value::Null, &json!("open")));
    assert!(looks.iter().any(|look| look["rates"]["entering_per_second"].as_f64() > Some(0.0)), "{}", watched.out);
    let lines = cli.run(&["events", "watch", "demo", "--interval", "0.2", "--count", "2"]).await.ends(0);
    assert_eq!(lines.out.lines().count(), 2);
    assert!(!lines.out.contains('\u{1b}'), "no cursor is moved in a pipe: {:?}", lines.out);
    let says = ["phase=open", "paused=no", "entered=12", "entering/s=0.0", "lag=0", "alerts=unknown"];
    let alerts = ["--alertmanager", "http://127.0.0.1:9"];
    let watch = ["events", "watch", "demo", "--interval", "0.2", "--count", "2"];
    cli.run(&[&watch[..], &alerts].concat()).await.ends(0).says(&says);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_what_alertmanager_says_and_gives_it_no_key() {
    let world = World::start();
    world.create("demo", &json!({})).await;
    let answer = |headers: HeaderMap| async move {
        assert!(!headers.contains_key("authorization"));
        let alert = |name: &str, event: &str| json!({"labels": {"alertname": name, "event": event, "severity": "page"}, "startsAt": "t"});
        Json(json!([alert("LineStopped", "demo"), alert("Elsewhere", "other")]))
    };
    let app = Router::new().route("/api/v2/alerts", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let watch = ["events", "watch", "demo", "--count", "1", "--json", "--alertmanager", &address];
    let look = Cli::of(&world).run(&watch).await.ends(0).json();
    let names: Vec<&Value> = look["alerts"].as_array().into_iter().flatten().map(|alert| &alert["name"]).collect();
    assert_eq!(names, [&json!("LineStopped")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_over_a_worker_that_is_gone_and_ends_for_a_key_that_is_wrong() {
    let world = Arc::new(World::start());
    let cli = Cli::of(&world);
    world.create("demo", &json!({})).await;
    let other = Arc::clone(&world);
    let outage = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        other.kill9();
        tokio::time::sleep(Duration::from_secs(2)).await;
        tokio::task::block_in_place(|| other.restart());
    });
    let watched = cli.run(&["events", "watch", "demo", "--interval", "0.5", "--count", "24"]).await.ends(0);
    outage.await.expect("an outage");
    let lines: Vec<&str> = watched.out.lines().collect();
    let gone = lines.iter().position(|line| line.starts_with("demo no answer: ")).expect("the outage is shown");
    assert!(lines[..gone].iter().any(|line| line.contains("phase=open")), "{}", watched.out);
    assert!(lines[gone..].iter().any(|line| line.contains("phase=open")), "it does not come back: {}", watched.out);
    let watch = ["events", "watch", "demo", "--interval", "0.1", "--count", "2"];
    Cli::of(&world).key("wrong").run(&watch).await.ends(3).complains(&["ROPELINE_KEYS"]);
    Cli::of(&world).at("http://127.0.0.1:9".to_owned()).run(&watch).await.ends(5).says(&["demo no answer: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_visitor_is_shown_and_thrown_out_and_the_audit_says_by_whom() {
    let world = World::start();
    let cli = Cli::of(&world);
    world.create("demo", &json!({})).await;
    let waiting = world.visitor("demo").must_enter().await.to_string();
    let mut inside = world.admitted("demo").await;
    let number = inside.number().to_string();
    cli.run(&["visitors", "show", "demo", &number]).await.ends(0).says(&["admitted", "jti              demo/1"]);
    let told = cli.run(&["visitors", "show", "demo", &number, "--json"]).await.ends(0).json();
    assert_eq!((&told["state"], &told["admission"]["seq"]), (&json!("admitted"), &json!(1)));
    cli.run(&["visitors", "show", "demo", "99"]).await.ends(3).complains(&["404 not-found"]);
    cli.run(&["visitors", "end-session", "demo", "--number", &waiting]).await.ends(3).complains(&["not-found"]);
    cli.run(&["visitors", "end-session", "demo"]).await.ends(2);
    assert!(inside.renew().await.expect("an answer").status.is_success(), "nothing that failed has ended the session");
    cli.run(&["visitors", "end-session", "demo", "--jti", "demo/1"]).await.ends(0).says(&["demo/1 is over"]);
    assert!(!inside.renew().await.expect("an answer").status.is_success());
    cli.run(&["visitors", "show", "demo", &number]).await.ends(0).says(&["ended", "by operator"]);
    let by = format!("admin:{}", ropeline_e2e::key_name(&world.keys.admin));
    cli.run(&["audit", "demo"]).await.ends(0).says(&["end-session", "create", &by]);
}
