//! `GET /queue/metrics`: what it counts is what happened, the catalogue in `docs/metrics.md` is true and complete, and scrapers cost the
//! objects nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ropeline_e2e::{Method, Role, WorldOptions, json};
use tokio::time::sleep;

use crate::call::Judged;
use crate::{enter, from_now, others};

const PATH: &str = "/queue/metrics";
/// A reading is at most so old.
const FRESH: Duration = Duration::from_secs(5);

/// Samples by name and labels, as they are written.
async fn scrape(j: &Judged) -> BTreeMap<String, f64> {
    let answer = j.get(PATH).role(Role::Metrics).expect(200).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// A scrape of what the objects have counted from now on.
async fn scrape_anew(j: &Judged) -> BTreeMap<String, f64> {
    let began = ropeline_e2e::now_ms() as f64 / 1_000.0;
    let until = Instant::now() + FRESH * 3;
    loop {
        let samples = scrape(j).await;
        if samples["ropeline_read_timestamp_seconds"] > began {
            return samples;
        }
        assert!(Instant::now() < until, "the objects are not read again");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn what_it_counts_is_what_happened() {
    let j = Judged::start();
    let small =
        json!({"total_active_users": 1, "lanes": 2, "max_line_length": 3, "event_start_time": from_now(-1_000)});
    j.world.create("demo", &small).await;
    j.world.create("rehearsal", &json!({"test": true, "queue_all": true})).await;
    scrape(&j).await;
    let first = enter(&j, "demo", true).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(enter(&j, "demo", false).await);
    }
    for _ in 0..2 {
        j.post("/queue/enter").json(json!({"event": "demo", "visitor": first.key})).expect(200).await;
    }
    let late = json!({"event": "demo", "visitor": ropeline_e2e::new_key()});
    j.post("/queue/enter").json(late).problem(503, "line-full").await;
    let leaves = &waiting[2];
    let leave = j.post("/queue/leave").bearer(&leaves.ticket).header("ropeline-visitor", &leaves.key);
    leave.expect(204).await;
    let renew = j.post("/queue/renew").bearer(&first.ticket).header("ropeline-visitor", &first.key);
    renew.expect(200).await;

    let samples = scrape_anew(&j).await;
    let of = |name: &str| samples.get(name).copied().unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
    for (name, wanted) in [
        ("ropeline_live_events", 2.0),
        ("ropeline_left_out_events", 0.0),
        (r#"ropeline_line_up{event="demo"}"#, 1.0),
        (r#"ropeline_lanes{event="demo"}"#, 2.0),
        (r#"ropeline_lanes_up{event="demo"}"#, 2.0),
        (r#"ropeline_entered_visitors_total{event="demo"}"#, 4.0),
        (r#"ropeline_left_visitors_total{event="demo"}"#, 1.0),
        (r#"ropeline_admissions_total{event="demo"}"#, 1.0),
        (r#"ropeline_active_sessions{event="demo"}"#, 1.0),
        (r#"ropeline_active_sessions_limit{event="demo"}"#, 1.0),
        (r#"ropeline_admissions_last_minute_limit{event="demo"}"#, 200.0),
        (r#"ropeline_unacked_admissions{event="demo"}"#, 1.0),
        (r#"ropeline_acked_admissions_total{event="demo"}"#, 0.0),
        (r#"ropeline_limit_exceeded_total{event="demo"}"#, 0.0),
        (r#"ropeline_brake_ratio{event="demo"}"#, 1.0),
        (r#"ropeline_event_leased_by_relay{event="demo"}"#, 0.0),
        (r#"ropeline_event_phase{event="demo",phase="open"}"#, 1.0),
        (r#"ropeline_event_phase{event="demo",phase="ended"}"#, 0.0),
        (r#"ropeline_event_test{event="demo"}"#, 0.0),
        (r#"ropeline_event_test{event="rehearsal"}"#, 1.0),
        (r#"ropeline_event_paused_by_operator{event="rehearsal"}"#, 1.0),
        (r#"ropeline_enter_requests_total{event="demo",outcome="new"}"#, 4.0),
        (r#"ropeline_enter_requests_total{event="demo",outcome="known"}"#, 2.0),
        (r#"ropeline_enter_requests_total{event="demo",outcome="refused"}"#, 1.0),
        (r#"ropeline_enter_requests_total{event="demo",outcome="unavailable"}"#, 0.0),
        (r#"ropeline_place_requests_total{event="demo",outcome="answered"}"#, 2.0),
        (r#"ropeline_enter_duration_seconds_count{event="demo"}"#, 7.0),
        (r#"ropeline_enter_duration_seconds_bucket{event="demo",le="+Inf"}"#, 7.0),
    ] {
        assert_eq!(of(name), wanted, "{name}");
    }
    assert_eq!(of(r#"ropeline_waiting_visitors{event="demo"}"#) + of(r#"ropeline_called_visitors{event="demo"}"#), 2.0);
    let mut below = 0.0;
    for bound in ["0.01", "0.025", "0.05", "0.1", "0.15", "0.25", "0.5", "1", "2.5", "5", "+Inf"] {
        let count = of(&format!(r#"ropeline_enter_duration_seconds_bucket{{event="demo",le="{bound}"}}"#));
        assert!(count >= below, "buckets are cumulative");
        below = count;
    }
    let age = ropeline_e2e::now_ms() as f64 / 1_000.0 - of(r#"ropeline_line_clock_timestamp_seconds{event="demo"}"#);
    assert!((-1.0..10.0).contains(&age), "{age}");
    let words: BTreeSet<&str> = samples.keys().flat_map(|series| series.split(['{', '"', ',', '='])).collect();
    for secret in [&first.key, &first.ticket] {
        assert!(!words.contains(secret.as_str()), "nothing of a visitor");
    }
}

#[tokio::test]
async fn the_catalogue_is_true_and_complete() {
    let j = Judged::with(WorldOptions::default().var("ROPELINE_KEY_REMOVALS", "1a2b3c4d=2026-12-01T09:00:00Z"));
    j.world
        .create("demo", &json!({"event_start_time": from_now(60_000), "prequeue_start_time": from_now(-1_000)}))
        .await;
    let answer = j.get(PATH).role(Role::Metrics).expect(200).await;
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    assert!(text.contains("\nropeline_key_removal_timestamp_seconds{key=\"1a2b3c4d\"} 1796115600\n"), "{text}");
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert!(
                found.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new())).is_none(),
                "{name} is there twice"
            );
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').expect("a value").0;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|family| found.contains_key(*family)).unwrap_or(name);
            let labels = labels.trim_end_matches('}').split(',').filter_map(|label| Some(label.split_once('=')?.0));
            let of = &mut found.get_mut(family).unwrap_or_else(|| panic!("{name} has no type")).1;
            of.extend(labels.filter(|label| *label != "le").map(str::to_owned));
        }
    }
    let found: BTreeSet<(String, String, String)> = found
        .into_iter()
        .map(|(name, (kind, labels))| (name, kind, labels.into_iter().collect::<Vec<_>>().join(", ")))
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let catalogue: BTreeSet<(String, String, String)> = std::fs::read_to_string(path)
        .expect("the catalogue")
        .lines()
        .filter(|line| {
            line.starts_with("| `ropeline_") && !line.contains("`ropeline_relay_") && !line.contains("_canary_")
        })
        .map(|line| {
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            assert!(cells[4].len() > 10, "{line}");
            (cells[1].clone(), cells[2].clone(), cells[3].clone())
        })
        .collect();
    assert_eq!(catalogue, found, "docs/metrics.md says something else than {PATH}");
}

#[tokio::test]
async fn only_who_has_the_metrics_key_gets_them() {
    let j = Judged::start();
    j.get(PATH).problem(401, "unauthorized").await;
    for role in others(Role::Metrics) {
        j.get(PATH).role(role).problem(403, "forbidden").await;
    }
    for path in ["/queue/admin/events", "/queue/relay/events"] {
        j.get(path).role(Role::Metrics).problem(403, "forbidden").await;
    }
    let empty = j.get(PATH).role(Role::Metrics).expect(200).await;
    let text = String::from_utf8(empty.body.to_vec()).expect("text");
    assert!(text.contains("\nropeline_live_events 0\n"), "a deployment without an event has metrics, too: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_scrape_the_objects_are_read_once_in_five_seconds() {
    let world = WorldOptions::default().var("ROPELINE_TRACE", "cost").start();
    world.create("demo", &json!({"lanes": 4})).await;
    let log = world.dir.join("state/logs/workerd.log");
    let lanes_asked = || std::fs::read_to_string(&log).expect("the log").matches(r#""object":"lane""#).count();
    let before = lanes_asked();
    let began = Instant::now();
    let scrapers = (0..32).map(|_| async {
        let mut answers = 0;
        while began.elapsed() < Duration::from_secs(7) {
            let answer = world.keyed(Role::Metrics, Method::GET, PATH, &json!(null)).await;
            assert_eq!(answer.status.as_u16(), 200);
            answers += 1;
            sleep(Duration::from_millis(50)).await;
        }
        answers
    });
    let answers: usize = futures_util::future::join_all(scrapers).await.into_iter().sum();
    let readings = (lanes_asked() - before) / 4;
    assert!(answers > 500, "{answers}");
    let most = began.elapsed().as_secs() as usize / 5 + 1;
    assert!((1..=most).contains(&readings), "{readings} readings in {:?} for {answers} answers", began.elapsed());
}

#[tokio::test]
async fn what_there_is_no_room_for_is_counted_and_the_others_are_told() {
    let j = Judged::start();
    for event in ["first", "second"] {
        j.world.create(event, &json!({"lanes": 256})).await;
    }
    j.world.create("third", &json!({"lanes": 1})).await;
    let samples = scrape(&j).await;
    assert_eq!(samples["ropeline_live_events"], 3.0);
    assert_eq!(samples[r#"ropeline_lanes_up{event="first"}"#], 256.0);
    // A line and 256 lanes twice are 514 objects.
    assert_eq!(samples["ropeline_left_out_events"], 2.0);
    assert!(!samples.keys().any(|series| series.contains("\"second\"")), "{samples:#?}");
}

#[tokio::test]
async fn an_event_that_is_over_disappears_and_a_purged_one_too() {
    let j = Judged::start();
    for event in ["over", "purged", "stays"] {
        j.world.create(event, &json!({})).await;
    }
    let lines = |samples: &BTreeMap<String, f64>| -> Vec<String> {
        let events = samples.keys().filter_map(|series| series.strip_prefix("ropeline_line_up{event=\""));
        events.map(|rest| rest.trim_end_matches("\"}").to_owned()).collect()
    };
    assert_eq!(lines(&scrape(&j).await), ["over", "purged", "stays"]);
    j.world.patch("over", &json!({"event_end_time": from_now(0)})).await;
    let path = "/queue/admin/events/purged?force=true";
    j.call(Method::DELETE, path).role(Role::Admin).expect(204).await;
    let samples = scrape_anew(&j).await;
    assert_eq!(lines(&samples), ["over", "stays"]);
    assert_eq!(samples[r#"ropeline_event_phase{event="over",phase="ended"}"#], 1.0);
    assert_eq!(lines(&scrape_anew(&j).await), ["stays"], "told once more, and then no more");
}
