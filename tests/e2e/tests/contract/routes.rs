//! The file, the Worker and the documentation know the same routes, methods and settings.

use std::collections::BTreeSet;

use ropeline_e2e::{Method, Role, WorldOptions, assert_problem, assert_status, json};

use crate::call::Judged;
use crate::spec::Spec;
use crate::{enter, page};

/// Named in the HTTP contract, built by later versions.
const LATER: [&str; 1] = ["/queue/admin/audit"];

/// The file's path for one event, one visitor, one asset.
fn real(template: &str, asset: &str) -> String {
    template.replace("{event}", "demo").replace("{number}", "1").replace("{name}", asset)
}

fn methods() -> [Method; 5] {
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
}

#[tokio::test]
async fn every_documented_path_knows_exactly_its_documented_methods() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    let paths = j.spec.borrow().paths();
    for (template, documented) in paths {
        let path = real(&template, "wait.js");
        for method in methods().into_iter().filter(|method| !documented.contains(method)) {
            let refused = j.call(method.clone(), &path).problem(405, "method-not-allowed").await;
            let allow = refused.header("allow").unwrap_or_default();
            let allowed: BTreeSet<&str> = allow.split(", ").collect();
            let mut expected: BTreeSet<&str> = documented.iter().map(Method::as_str).chain(["OPTIONS"]).collect();
            if documented.contains(&Method::GET) {
                expected.insert("HEAD");
            }
            assert_eq!(allowed, expected, "{method} {path}");
            assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains(allow)));
        }
        j.call(Method::OPTIONS, &path).expect(204).await;
    }
}

/// The rows of the Worker's route table, as `GET /queue/events/{}`.
fn route_table() -> BTreeSet<String> {
    let source = include_str!("../../../../src/routes/mod.rs");
    let rows = source.lines().filter_map(|line| line.trim().strip_prefix("([")?.split_once(") =>"));
    rows.map(|(row, _)| {
        let (segments, method) = row.split_once("], ").expect("segments and a method");
        let path = segments
            .split(", ")
            .map(|segment| segment.strip_prefix('"').map_or("{}", |text| text.trim_end_matches('"')));
        format!("{} /queue/{}", method.trim_matches('"'), path.collect::<Vec<_>>().join("/"))
    })
    .collect()
}

#[test]
fn every_route_of_the_worker_is_in_the_file_and_none_is_beyond() {
    let routes = route_table();
    assert!(routes.len() >= 30, "the route table of src/routes/mod.rs is not where it was: {routes:?}");
    let plain = |path: &str| path.replace("{event}", "{}").replace("{number}", "{}").replace("{name}", "{}");
    let paths = Spec::load().paths();
    let documented: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| methods.iter().map(|method| format!("{method} {}", plain(path))))
        .collect();
    assert_eq!(routes, documented);
}

#[tokio::test]
async fn routes_of_later_versions_and_unknown_paths_are_not_there() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    let elsewhere = ["/", "/queue", "/queue/", "/queuex/healthz", "/queue//healthz", "/queue/healthz/", "/healthz"];
    for path in LATER.into_iter().chain(elsewhere) {
        assert_eq!(j.spec.borrow().path_of(path), None, "{path} is documented");
        for method in methods() {
            j.call(method, path).role(Role::Admin).problem(404, "not-found").await;
        }
    }
}

#[tokio::test]
async fn head_works_wherever_get_does() {
    let j = Judged::start();
    // Open by now, so that there is a draw to be read, too.
    let drawn = json!({
        "prequeue_start_time": "2026-01-01T09:00:00Z", "event_start_time": "2026-01-01T10:00:00Z", "shuffle_at_event_start": true,
    });
    j.world.create("demo", &drawn).await;
    page::put(&j, "demo", page::SMALL).expect(204).await;
    let visitor = enter(&j, "demo", true).await;
    let admin = j.world.secret(Role::Admin).to_owned();
    let relay = j.world.secret(Role::Relay).to_owned();
    let metrics = j.world.secret(Role::Metrics).to_owned();
    let mut tried = 0;
    let paths = j.spec.borrow().paths();
    for (template, _) in paths.into_iter().filter(|(_, methods)| methods.contains(&Method::GET)) {
        let path = real(&template, "wait.css");
        let bearer = match path.as_str() {
            "/queue/verify" => visitor.pass(),
            "/queue/status" => &visitor.ticket,
            "/queue/relay/events" | "/queue/relay/events/demo" => &relay,
            "/queue/metrics" => &metrics,
            _ => &admin,
        };
        let get = j.get(&path).bearer(bearer).header("x-request-id", "same").send().await;
        let head = j.call(Method::HEAD, &path).bearer(bearer).header("x-request-id", "same").send().await;
        assert!(get.status.is_success() || get.status.is_redirection(), "{path}: {}", get.text());
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        for name in ["cache-control", "content-type", "x-request-id"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
        tried += 1;
    }
    assert!(tried >= 13, "only {tried} paths");
    j.call(Method::HEAD, "/queue/events/nobody").expect(404).await;
    j.call(Method::HEAD, "/queue/enter").expect(405).await;
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let j = Judged::start();
    let long = "x".repeat(128);
    for id in ["abc-123_DEF.4", &long] {
        let answer = j.get("/queue/healthz").header("x-request-id", id).expect(200).await;
        assert_eq!(answer.header("x-request-id"), Some(id));
        let problem = j.get("/queue/nothing").header("x-request-id", id).expect(404).await;
        assert_eq!(problem.header("x-request-id"), Some(id));
    }
    let mut made = BTreeSet::new();
    for id in ["", "two words", "<script>", "semi;colon", &"x".repeat(129)] {
        let answer = j.get("/queue/healthz").header("x-request-id", id).expect(200).await;
        let new = answer.header("x-request-id").expect("an id").to_owned();
        assert_ne!(new, id);
        assert!(made.insert(new), "an id is made anew for each request");
    }
}

#[tokio::test]
async fn every_setting_is_documented_in_both_files_and_refused_by_name_when_it_is_wrong() {
    let j = Judged::start();
    let event = j.world.create("demo", &json!({})).await;
    let settings: BTreeSet<&str> = event.as_object().expect("settings").keys().map(String::as_str).collect();
    let path = xtask::paths::root().join("docs/configuration.md");
    let text = std::fs::read_to_string(&path).expect("docs/configuration.md");
    for name in settings.iter().filter(|name| !["event", "config_version"].contains(name)) {
        assert!(text.contains(&format!("| `{name}` |")), "docs/configuration.md has no row for '{name}'");
    }
    for (component, all) in [("EventSettings", true), ("Event", true)] {
        let spec = j.spec.borrow();
        let schema = spec.component("schemas", component);
        let named: BTreeSet<&str> =
            schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
        assert!(all && named == settings, "{component}: {named:?}, but the Worker answers {settings:?}");
    }
    let patch = |body| j.call(Method::PATCH, "/queue/admin/events/demo").role(Role::Admin).json(body);
    let bad = [
        ("name", json!("")),
        ("name", json!("a\u{7}b")),
        ("total_active_users", json!(0)),
        ("total_active_users", json!(1_000_001)),
        ("total_active_users", json!(1.5)),
        ("new_users_per_minute", json!("200")),
        ("session_duration_seconds", json!(9)),
        ("session_duration_seconds", json!(1_801)),
        ("disable_session_renewal", json!("no")),
        ("queueing_method", json!("random")),
        ("queueing_method", json!(7)),
        ("queue_all", json!("yes")),
        ("suspended", json!(1)),
        ("sold_out", json!([])),
        ("prequeue_start_time", json!("2026-11-22 at eight")),
        ("event_start_time", json!("2026-11-22T20:00:00")),
        ("event_start_time", json!(1_763_841_600)),
        ("event_end_time", json!("2026-02-30T20:00:00Z")),
        ("shuffle_at_event_start", json!("true")),
        ("test", json!("false")),
        ("queueing_status_code", json!(503)),
        ("lanes", json!(3)),
        ("gate", json!(["shop.example"])),
        ("door", json!("revolving")),
        ("visitor_identity", json!("e-mail")),
        ("visitor_keys", json!([])),
        ("location_hint", json!("moon")),
        ("max_line_length", json!(0)),
        ("max_unacked", json!(1_000_001)),
        ("audience", json!("")),
        ("return_url", json!("javascript:alert(1)")),
        ("return_url", json!("https://shop.example/#part")),
        ("allowed_origins", json!(["*"])),
        ("allowed_origins", json!("https://shop.example")),
        ("allowed_origins", json!(["https://shop.example/"])),
        ("message", json!("x".repeat(1_001))),
        ("brand", json!("#2350d8")),
        ("page", json!("<!doctype html>")),
        ("public_counts", json!(1)),
        ("topic", json!("two words")),
    ];
    let covered: BTreeSet<&str> = bad.iter().map(|(name, _)| *name).collect();
    let all: BTreeSet<&str> = settings.iter().copied().filter(|n| !["event", "config_version"].contains(n)).collect();
    assert_eq!(covered, all, "every setting has a bad value here");
    for (name, value) in bad {
        // Control characters are beyond what the file's schema says.
        let told = format!("{name} = {value}");
        let call = if value == "a\u{7}b" {
            let text = json!({ name: value }).to_string();
            j.call(Method::PATCH, "/queue/admin/events/demo").role(Role::Admin).raw("application/json", text)
        } else {
            patch(json!({ name: value }))
        };
        let refused = call.problem(400, "malformed-request").await.json();
        assert_eq!(refused["field"], name, "{told}");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{told}: {refused}");
    }
    let read = j.get("/queue/admin/events/demo").role(Role::Admin).expect(200).await.json();
    assert_eq!(read, event, "nothing of all that was taken");
}

#[tokio::test]
async fn a_deployment_that_is_not_configured_says_so_and_tells_nothing() {
    let world = WorldOptions::default().var("ROPELINE_ISSUER", "").start();
    for path in ["/queue/healthz", "/queue/jwks.json", "/queue/events/demo"] {
        let answer = world.raw(Method::GET, path, &[], "").await;
        assert_problem(&answer, 500, "internal");
        assert!(!answer.text().contains("ROPELINE_"), "{}", answer.text());
    }
}

#[tokio::test]
async fn another_prefix_moves_everything_and_leaves_nothing_behind() {
    let world = WorldOptions::default().var("ROPELINE_PREFIX", "/tickets/line").start();
    let settings = json!({});
    let admin = |method, path| world.admin(method, path, &settings);
    assert_status(&admin(Method::PUT, "/tickets/line/admin/events/demo").await, 201);
    assert_problem(&admin(Method::PUT, "/queue/admin/events/other").await, 404, "not-found");
    for path in ["/healthz", "/jwks.json", "/events/demo", "/assets/wait.js", "/admin/"] {
        assert_status(&world.raw(Method::GET, &format!("/tickets/line{path}"), &[], "").await, 200);
        for gone in ["/queue", "/tickets", "/tickets/lines", ""] {
            assert_problem(&world.raw(Method::GET, &format!("{gone}{path}"), &[], "").await, 404, "not-found");
        }
    }
    let page = world.raw(Method::GET, "/tickets/line/events/demo/wait", &[], "").await.text();
    assert!(
        page.contains("\"/tickets/line/assets/wait.js?v=") && page.contains("data-prefix=\"/tickets/line\""),
        "{page}"
    );
    assert!(!page.contains("/queue"), "{page}");
}
