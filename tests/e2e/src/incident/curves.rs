//! What happened over time: by k6 where visitors are meant, by Prometheus where the line and the relay are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Episode;
use super::verdicts::Evidence;
use crate::chart::{self, Band, Frame, Named};
use crate::monitoring::prometheus::query_range;
use crate::scene::Scene;

const WIDTH: f64 = 1_100.0;
const HEIGHT: f64 = 220.0;
/// As often as Prometheus scrapes.
const STEP: Duration = Duration::from_secs(5);

/// The most there was of what, by what Prometheus has of it.
const MOST: [(&str, &str); 2] = [
    ("active", "max(ropeline_active_sessions{event=\"demo\"})"),
    ("over limit", "max(ropeline_limit_exceeded_total{event=\"demo\"})"),
];

/// Title, unit, and what is drawn: name and query. All names in English and Korean.
type Drawn = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const DRAWN: [Drawn; 6] = [
    (
        "In the line · 대기열",
        "short",
        &[
            ("waiting · 대기", "ropeline_waiting_visitors{event=\"demo\"}"),
            ("called · 호출됨", "ropeline_called_visitors{event=\"demo\"}"),
        ],
    ),
    (
        "Frontier · 호출 위치",
        "short",
        &[
            ("frontier · 호출된 위치", "ropeline_frontier_position{event=\"demo\"}"),
            ("numbers given · 발급된 번호", "ropeline_entered_visitors_total{event=\"demo\"}"),
        ],
    ),
    (
        "Active sessions against the limit · 활성 세션과 한도",
        "short",
        &[
            ("active · 활성", "ropeline_active_sessions{event=\"demo\"}"),
            ("limit · 한도", "ropeline_active_sessions_limit{event=\"demo\"}"),
        ],
    ),
    (
        "Let in within a minute against the limit · 분당 입장과 한도",
        "short",
        &[
            ("last minute · 최근 1분", "ropeline_admissions_last_minute{event=\"demo\"}"),
            ("limit · 한도", "ropeline_admissions_last_minute_limit{event=\"demo\"}"),
        ],
    ),
    (
        "Relay lag · 릴레이 지연",
        "s",
        &[("oldest admission not in Kafka · Kafka에 없는 가장 오래된 입장", "max(ropeline_relay_lag_seconds)")],
    ),
    (
        "Up · 동작",
        "short",
        &[
            ("Worker", "up{job=\"ropeline-worker\"}"),
            ("relay · 릴레이", "up{job=\"ropeline-relay\"}"),
            ("canary · 카나리", "ropeline_canary_up"),
        ],
    ),
];

/// Charts as SVG.
pub(super) type Chart = String;

/// The most there was, between (milliseconds since 1970).
pub(super) async fn most(scene: &Scene, time: (u64, u64)) -> BTreeMap<&'static str, f64> {
    let mut most = BTreeMap::new();
    for (name, query) in MOST {
        let points = points(scene, query, time).await;
        most.extend(points.into_iter().map(|(_, value)| value).reduce(f64::max).map(|value| (name, value)));
    }
    most
}

/// All charts, with what went wrong on the time axis.
pub(super) async fn draw(scene: &Scene, evidence: &Evidence<'_>, time: (u64, u64)) -> Vec<Chart> {
    let bands: Vec<Band> = (1..).zip(evidence.episodes).map(|(turn, episode)| band(turn, episode)).collect();
    let time_axis = (seconds(time.0), seconds(time.1));
    let mut charts = Vec::new();
    let mut add = |title: &str, unit: &str, lines: &[Named]| {
        let frame = Frame { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT, title, unit, time: time_axis, bands: &bands };
        charts.push(chart::svg(WIDTH, HEIGHT, title, &frame.lines(lines)));
    };
    let places = evidence.load.places.iter();
    let entered = per_second(places.clone().map(|place| place.answered), time);
    add("Entering a second · 초당 입장 등록", "short", &[Named { name: "places · 순번".to_owned(), points: entered }]);
    let slowest = slowest(places.map(|place| (place.answered, place.answered - place.sent)), time);
    add(
        "The slowest place of each second · 초마다 가장 늦은 순번",
        "s",
        &[Named { name: "from asking to the place · 요청에서 순번까지".to_owned(), points: slowest }],
    );
    let broken = per_second(evidence.load.broken.iter().map(|broken| broken.ended), time);
    add(
        "Broken connections a second · 초당 끊긴 연결",
        "short",
        &[Named { name: "broken · 끊김".to_owned(), points: broken }],
    );
    for (title, unit, drawn) in DRAWN {
        let mut lines = Vec::new();
        for (name, query) in drawn {
            lines.push(Named { name: (*name).to_owned(), points: points(scene, query, time).await });
        }
        add(title, unit, &lines);
    }
    let memory = evidence
        .watch
        .memory
        .iter()
        .filter(|(at, _)| *at >= time.0)
        .map(|(at, kib)| (seconds(*at), *kib as f64 / 1_024.0))
        .collect();
    add(
        "Memory of the runtime, MB · 런타임 메모리, MB",
        "short",
        &[Named { name: "workerd".to_owned(), points: memory }],
    );
    charts
}

/// Called by its number in the report's table.
fn band(turn: usize, episode: &Episode) -> Band {
    let to = episode.back.max(episode.began + 1_000);
    Band { from: seconds(episode.began), to: seconds(to), name: turn.to_string() }
}

async fn points(scene: &Scene, query: &str, (from, to): (u64, u64)) -> Vec<(f64, f64)> {
    let series = query_range(scene.monitoring.port, query, (seconds(from), seconds(to)), STEP).await;
    let series = series.unwrap_or_else(|error| panic!("{error:#}"));
    series.into_iter().flat_map(|series| series.points).collect()
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// How many of these moments lie in each second, those with none too.
fn per_second(moments: impl Iterator<Item = u64>, (from, to): (u64, u64)) -> Vec<(f64, f64)> {
    let mut counts: BTreeMap<u64, f64> = (from / 1_000..=to / 1_000).map(|second| (second, 0.0)).collect();
    for at in moments {
        *counts.entry(at / 1_000).or_default() += 1.0;
    }
    counts.into_iter().map(|(second, count)| (second as f64, count)).collect()
}

/// The largest value, in seconds, of each second.
fn slowest(all: impl Iterator<Item = (u64, u64)>, (from, to): (u64, u64)) -> Vec<(f64, f64)> {
    let mut most: BTreeMap<u64, u64> = (from / 1_000..=to / 1_000).map(|second| (second, 0)).collect();
    for (at, took) in all {
        let most = most.entry(at / 1_000).or_default();
        *most = took.max(*most);
    }
    most.into_iter().map(|(second, took)| (second as f64, seconds(took))).collect()
}
