//! What holds, by what was measured: the promises, and what is asked beyond them.

use std::collections::BTreeMap;
use std::time::Duration;

use ropeline_load::{Broken, Outcome, Place, check_order};
use serde_json::Value;

use super::{ACTIVE, Episode, PER_MINUTE, Trouble, Watch};
use crate::copies::{self, Copies};
use crate::scene::EVENT;
use crate::soak::check::Verdict;
use crate::soak::log::Log;

/// Across a kill whoever retries as told has a place within this.
const PLACE: Duration = Duration::from_secs(30);
/// What goes wrong is seen in the metrics within this.
const SEEN: Duration = Duration::from_secs(15);
/// After the end of what went wrong everything is normal within this.
const NORMAL: Duration = Duration::from_secs(60);
/// The visitor who is let in before the waves.
const EARLIER: u64 = 1;

/// What is there to judge by.
pub(crate) struct Evidence<'a> {
    /// Visits, over all waves.
    pub(super) visitors: usize,
    pub(super) load: &'a Outcome,
    /// What k6 wrote down.
    pub(super) console: &'a str,
    pub(super) episodes: &'a [Episode],
    /// The line's counts in the end.
    pub(super) stats: &'a Value,
    /// The most that Prometheus saw of each of [`super::curves::MOST`].
    pub(super) most: &'a BTreeMap<&'static str, f64>,
    pub(super) copies: &'a Copies,
    pub(super) log: &'a Log,
    /// Of each life of the relay.
    pub(super) relay_logs: &'a [String],
    pub(super) watch: &'a Watch,
}

/// Something that is asked beyond the promises.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What, in English and Korean.
    pub what: (&'static str, &'static str),
    /// What was measured.
    pub measured: String,
    /// Whether it is as asked.
    pub holds: bool,
}

/// How many there were of what.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    /// Visitors who wanted a place.
    pub visitors: usize,
    /// Those who got one.
    pub places: usize,
    /// Requests of all kinds.
    pub requests: u64,
    /// Connections that broke, outside kills and across them.
    pub broken: (usize, usize),
    /// Put off with 429 or 503 and `Retry-After`.
    pub put_off: u64,
    /// Let in.
    pub admitted: u64,
    /// Records in Kafka beyond the first copies.
    pub repeats: usize,
}

impl Sums {
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let (outside, across) = evidence.broken();
        Self {
            visitors: evidence.visitors,
            places: evidence.load.places.len(),
            requests: evidence.count("http_reqs"),
            broken: (outside.len(), across),
            put_off: evidence.count("ropeline_put_off"),
            admitted: evidence.stats["admitted"].as_u64().unwrap_or_default(),
            repeats: evidence.copies.repeats(),
        }
    }
}

impl Evidence<'_> {
    fn count(&self, metric: &str) -> u64 {
        self.load.value(metric, "count") as u64
    }

    /// From each kill of the runtime until it ran again, milliseconds since 1970.
    fn kills(&self) -> impl Iterator<Item = (u64, u64)> {
        let kills = self.episodes.iter().filter(|episode| episode.trouble == Trouble::WorkerKilled);
        kills.map(|episode| (episode.began, episode.back))
    }

    /// Connections that broke outside the kills, and how many did across one.
    fn broken(&self) -> (Vec<Broken>, usize) {
        let across = |broken: &&Broken| self.kills().any(|(from, to)| broken.sent <= to && broken.ended >= from);
        let (across, outside): (Vec<&Broken>, Vec<&Broken>) = self.load.broken.iter().partition(across);
        (outside.into_iter().copied().collect(), across.len())
    }

    /// What k6 complained of, by what it begins with.
    fn said(&self, kind: impl Fn(&str) -> bool) -> Vec<String> {
        self.console.lines().filter(|line| kind(line)).map(str::to_owned).collect()
    }
}

/// `from number 7, … to number 8, …`: one visitor's places, one after the other.
fn number_changed(line: &str) -> Option<bool> {
    let (from, to) = line.strip_prefix("from number ")?.split_once(" to number ")?;
    let number = |text: &str| text.split(',').next().map(str::to_owned);
    Some(number(from) != number(to))
}

/// Of each promise.
pub(super) fn promises(evidence: &Evidence<'_>) -> Vec<Verdict> {
    vec![
        line(evidence),
        never_backwards(evidence),
        same_place(evidence),
        limits(evidence),
        durable(evidence),
        door(evidence.watch),
        kafka(evidence),
        bounded(evidence),
    ]
}

fn line(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::new("1 one true line");
    let places = evidence.load.places.len() as u64;
    let stat = |name: &str| evidence.stats[name].as_u64().unwrap_or_default();
    let (entered, voided) = (stat("entered"), stat("voided"));
    verdict.looked_at = vec![(evidence.load.places.len(), "places"), (voided as usize, "numbers voided by a crash")];
    verdict.broken.extend(check_order(&evidence.load.places).err().map(|error| format!("{error:#}")));
    verdict.broken.extend(evidence.said(|line| line.starts_with("number ")));
    if places + voided + EARLIER != entered {
        verdict.broken.push(format!("{entered} numbers were given, {places} visitors have one, {voided} are voided"));
    }
    verdict
}

fn never_backwards(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::new("2 never backwards");
    verdict.looked_at = vec![(evidence.count("http_reqs") as usize, "requests")];
    verdict.broken = evidence.said(|line| number_changed(line) == Some(false));
    verdict
}

fn same_place(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::new("3 same visitor, same place");
    verdict.looked_at = vec![(evidence.load.back.len(), "came back by their key alone")];
    verdict.broken = evidence.said(|line| number_changed(line) == Some(true));
    verdict
}

fn limits(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::new("4 exact limits");
    let at: Vec<u64> = evidence.log.entries.iter().map(|entry| entry.admitted_at).collect();
    verdict.looked_at = vec![(at.len(), "admissions"), (most_in_a_minute(&at), "of them at most in a minute")];
    let most = |name: &str| evidence.most.get(name).copied();
    verdict.looked_at.push((most("active").unwrap_or_default() as usize, "sessions at most"));
    if most_in_a_minute(&at) as u64 > PER_MINUTE {
        verdict.broken.push(format!("{} were let in within a minute, of {PER_MINUTE}", most_in_a_minute(&at)));
    }
    // What Prometheus does not have has not been kept to, either.
    if most("active").is_none_or(|most| most > ACTIVE as f64) || most("over limit") != Some(0.0) {
        verdict.broken.push(format!("{:?}, of {ACTIVE} sessions", evidence.most));
    }
    verdict
}

/// The most of these times, in milliseconds and in order, that lie within less than a minute of each other.
fn most_in_a_minute(at: &[u64]) -> usize {
    let mut from = 0;
    let within = |(turn, now): (usize, &u64)| {
        while now - at[from] >= 60_000 {
            from += 1;
        }
        turn + 1 - from
    };
    at.iter().enumerate().map(within).max().unwrap_or_default()
}

/// Places that were told before a kill and asked for after it by the key alone; that they are the same, promise 3 sees.
fn durable(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::new("5 answered means durable");
    let numbers: BTreeMap<u64, &Place> = evidence.load.places.iter().map(|place| (place.number, place)).collect();
    let survived = evidence.load.back.iter().filter(|back| {
        let told = numbers.get(&back.number).map(|place| place.answered);
        evidence.kills().any(|(from, to)| told.is_some_and(|told| told <= from) && back.sent >= to)
    });
    verdict.looked_at = vec![(survived.count(), "places told before a kill and asked for after it")];
    let unknown = evidence.load.back.iter().filter(|back| !numbers.contains_key(&back.number));
    verdict.broken = unknown.map(|back| format!("{back:?} was never given")).collect();
    verdict.broken.extend(evidence.said(|line| number_changed(line) == Some(true)));
    let admitted = evidence.stats["head_seq"].as_u64().unwrap_or_default();
    if evidence.log.entries.len() as u64 != admitted {
        verdict.broken.push(format!("{} of {admitted} admissions are in the log", evidence.log.entries.len()));
    }
    verdict
}

fn door(watch: &Watch) -> Verdict {
    let mut verdict = Verdict::new("6 only the admitted get in");
    verdict.looked_at = vec![(watch.refused, "without a good pass were refused")];
    verdict.broken.clone_from(&watch.not_refused);
    verdict
}

fn kafka(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::new("7 every admission reaches Kafka");
    verdict.looked_at = vec![
        (evidence.log.entries.len(), "admissions"),
        (evidence.copies.repeats(), "records repeated"),
        (evidence.relay_logs.len(), "lives of the relay"),
    ];
    verdict.broken.clone_from(&evidence.copies.broken);
    let last = evidence.relay_logs.len().saturating_sub(1);
    let lives = evidence.relay_logs.iter().enumerate();
    let excuses: Vec<_> = lives.flat_map(|(life, lines)| copies::excuses(lines, EVENT, life < last)).collect();
    let for_nothing = evidence.copies.repeated_for_nothing(&excuses);
    verdict.broken.extend(for_nothing.iter().map(|seq| format!("seq {seq} was repeated for nothing")));
    verdict
}

fn bounded(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::new("8 bounded everywhere");
    let (outside, across) = evidence.broken();
    verdict.looked_at = vec![
        (evidence.count("http_reqs") as usize, "requests"),
        (evidence.count("ropeline_put_off") as usize, "put off"),
        (across, "connections broken by a kill"),
    ];
    verdict.broken = evidence.said(|line| line.starts_with("failed ") || line.starts_with("no JSON"));
    verdict.broken.extend(outside.iter().map(|broken| format!("a connection broke outside a kill: {broken:?}")));
    let without = evidence.count("ropeline_without_place");
    if without > 0 {
        verdict.broken.push(format!("{without} visitors got no place"));
    }
    verdict
}

/// What is asked beyond the promises.
pub(super) fn bounds(evidence: &Evidence<'_>) -> Vec<Bound> {
    let mut bounds = Vec::new();
    let mut must = |what, measured: String, holds| bounds.push(Bound { what, measured, holds });
    let (outside, across) = evidence.broken();
    must(
        ("requests that failed outside the moments of a kill: none", "강제 종료 순간 외의 실패한 요청: 없음"),
        format!("{} ({across} across a kill)", outside.len() as u64 + evidence.count("ropeline_failed")),
        outside.is_empty() && evidence.count("ropeline_failed") == 0,
    );
    must(
        ("no gate of k6's is crossed", "k6의 기준을 하나도 넘지 않음"),
        if evidence.load.within { "none" } else { "see the thresholds in its log" }.to_owned(),
        evidence.load.within,
    );
    must(
        ("every visitor has a place", "모든 방문자가 순번을 받음"),
        format!("{} of {}", evidence.load.places.len(), evidence.visitors),
        evidence.load.places.len() == evidence.visitors,
    );
    let slowest = |across: bool| {
        let places =
            evidence.load.places.iter().filter(|place| {
                across == evidence.kills().any(|(from, to)| place.sent <= to && place.answered >= from)
            });
        places.map(|place| Duration::from_millis(place.answered - place.sent)).max()
    };
    if let Some(slowest) = slowest(true) {
        must(
            (
                "across a kill whoever retries has a place within 30 s",
                "강제 종료 중에도 재시도하면 30초 안에 순번을 받음",
            ),
            seconds(Some(slowest)),
            slowest <= PLACE,
        );
    }
    must(
        (
            "outside a kill every visitor has a place within 30 s",
            "강제 종료 외에는 모든 방문자가 30초 안에 순번을 받음",
        ),
        seconds(slowest(false)),
        slowest(false).is_some_and(|slowest| slowest <= PLACE),
    );
    for episode in evidence.episodes {
        let (what, holds) = episode.judged();
        must(what, format!("seen {}, normal {}", seconds(episode.seen), seconds(episode.normal)), holds);
    }
    bounds
}

impl Episode {
    /// How it is asked for, and whether it is so.
    fn judged(&self) -> ((&'static str, &'static str), bool) {
        let what = match self.trouble {
            Trouble::BrokerStopped => (
                "Kafka's broker stopped: seen within 15 s, normal within 60 s of its end",
                "Kafka 브로커 중지: 15초 안에 보이고 끝난 뒤 60초 안에 정상",
            ),
            Trouble::PrometheusStalled => (
                "one Prometheus stalled: seen within 15 s, normal within 60 s of its end",
                "Prometheus 하나 멈춤: 15초 안에 보이고 끝난 뒤 60초 안에 정상",
            ),
            Trouble::RelayKilled => (
                "relay killed: seen within 15 s, normal within 60 s",
                "릴레이 강제 종료: 15초 안에 보이고 60초 안에 정상",
            ),
            Trouble::WorkerKilled => (
                "runtime killed: seen within 15 s, normal within 60 s of its return",
                "런타임 강제 종료: 15초 안에 보이고 복귀 후 60초 안에 정상",
            ),
            Trouble::OriginSlow => (
                "origin slow: seen within 15 s, normal within 60 s of its end",
                "오리진 지연: 15초 안에 보이고 끝난 뒤 60초 안에 정상",
            ),
        };
        let seen = self.seen.is_some_and(|seen| seen <= SEEN);
        (what, seen && self.normal.is_some_and(|normal| normal <= NORMAL))
    }
}

/// `1.5 s`, or that it never was.
pub(super) fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), xtask::ui::seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::soak::check::Entry;

    /// A kill at second 100 that lasts until second 108.
    const KILLED: u64 = 100_000;
    const BACK: u64 = 108_000;

    struct Case {
        load: Outcome,
        console: String,
        episode: Episode,
        stats: Value,
        most: BTreeMap<&'static str, f64>,
        copies: Copies,
        log: Log,
        relay_logs: Vec<String>,
        watch: Watch,
    }

    fn place(number: u64, sent: u64, answered: u64) -> Place {
        Place { number, sent, answered }
    }

    /// Two visitors, of whom one was told before the kill and the other one after it; all is well.
    fn well() -> Case {
        let count = |count| json!({"count": count});
        Case {
            load: Outcome {
                summary: json!({"metrics": {"http_reqs": count(9)}}),
                places: vec![place(2, 90_000, 91_000), place(3, 99_000, 120_000)],
                back: vec![place(2, 110_000, 111_000)],
                broken: vec![Broken { sent: 99_000, ended: KILLED }],
                within: true,
            },
            console: String::new(),
            episode: Episode {
                trouble: Trouble::WorkerKilled,
                began: KILLED,
                mended: 106_000,
                back: BACK,
                seen: Some(Duration::from_secs(3)),
                told: None,
                normal: Some(Duration::from_secs(9)),
            },
            stats: json!({"entered": 4, "voided": 1, "head_seq": 1, "admitted": 1}),
            most: BTreeMap::from([("active", 300.0), ("over limit", 0.0)]),
            copies: Copies::default(),
            log: Log::of(vec![Entry { seq: 1, number: 1, admitted_at: 5, expires: 10 }]),
            relay_logs: vec![String::new()],
            watch: Watch { refused: 4, ..Watch::default() },
        }
    }

    /// What does not hold after a change.
    fn fails(change: impl FnOnce(&mut Case)) -> Vec<&'static str> {
        let mut case = well();
        change(&mut case);
        let evidence = Evidence {
            visitors: 2,
            load: &case.load,
            console: &case.console,
            episodes: std::slice::from_ref(&case.episode),
            stats: &case.stats,
            most: &case.most,
            copies: &case.copies,
            log: &case.log,
            relay_logs: &case.relay_logs,
            watch: &case.watch,
        };
        let promises = promises(&evidence).into_iter().filter(|verdict| !verdict.holds());
        let bounds = bounds(&evidence).into_iter().filter(|bound| !bound.holds).map(|bound| bound.what.0);
        promises
            .map(|verdict| &verdict.promise[..1])
            .chain(bounds.map(|what| what.split([':', ',']).next().unwrap_or(what)))
            .collect()
    }

    #[test]
    fn each_promise_is_seen_broken_where_it_is() {
        assert_eq!(fails(|_| {}), [""; 0]);
        assert_eq!(
            fails(|case| case.load.places[1] = place(1, 99_000, 120_000)),
            ["1"],
            "who asked later stands before"
        );
        assert_eq!(
            fails(|case| case.stats["entered"] = json!(5)),
            ["1"],
            "a number that nobody has, and that is not voided"
        );
        assert_eq!(fails(|case| case.console = "number 3 was given after 7".to_owned()), ["1"]);
        let ahead = "from number 2, 5 ahead, frontier 1 to number 2, 6 ahead, frontier 1";
        assert_eq!(fails(|case| case.console = ahead.to_owned()), ["2"]);
        let other = "from number 2, 5 ahead, frontier 1 to number 20, 6 ahead, frontier 1";
        assert_eq!(fails(|case| case.console = other.to_owned()), ["3", "5"]);
        assert_eq!(fails(|case| _ = case.most.insert("active", 301.0)), ["4"]);
        assert_eq!(fails(|case| _ = case.most.insert("over limit", 1.0)), ["4"]);
        assert_eq!(fails(|case| case.most.clear()), ["4"], "Prometheus has nothing of it");
        assert_eq!(fails(|case| case.load.back.push(place(9, 110_000, 111_000))), ["5"]);
        assert_eq!(fails(|case| case.stats["head_seq"] = json!(2)), ["5"], "an admission that is not in the log");
        assert_eq!(fails(|case| case.load.back.clear()), ["3", "5"], "nobody came back: nothing was looked at");
        assert_eq!(fails(|case| case.watch.not_refused.push("nonsense".to_owned())), ["6"]);
        assert_eq!(fails(|case| case.copies.broken.push("lost".to_owned())), ["7"]);
        assert_eq!(fails(|case| _ = case.copies.count.insert(1, 2)), ["7"], "repeated for nothing");
        assert_eq!(fails(|case| case.console = "failed 1 2: 500".to_owned()), ["8"]);
    }

    #[test]
    fn what_breaks_outside_a_kill_or_takes_too_long_is_seen() {
        // Of a disorder that is told in other words than these checks know there is the gate.
        assert_eq!(fails(|case| case.load.within = false), ["no gate of k6's is crossed"]);
        let outside = Broken { sent: 1_000, ended: 2_000 };
        assert_eq!(
            fails(|case| case.load.broken.push(outside)),
            ["8", "requests that failed outside the moments of a kill"]
        );
        assert_eq!(
            fails(|case| case.load.places[1].answered = 130_000),
            ["across a kill whoever retries has a place within 30 s"]
        );
        assert_eq!(
            fails(|case| case.load.places[0].sent = 50_000),
            ["outside a kill every visitor has a place within 30 s"]
        );
        for change in [
            (|episode| episode.seen = None) as fn(&mut Episode),
            |episode| episode.seen = Some(Duration::from_secs(16)),
            |episode| episode.normal = None,
            |episode| episode.normal = Some(Duration::from_secs(61)),
        ] {
            assert_eq!(fails(|case| change(&mut case.episode)), ["runtime killed"]);
        }
    }

    #[test]
    fn a_minute_is_any_minute() {
        assert_eq!(most_in_a_minute(&[]), 0);
        assert_eq!(most_in_a_minute(&[0, 1, 59_999, 60_000, 60_001]), 3);
        assert_eq!(most_in_a_minute(&[0, 60_000, 120_000]), 1);
    }
}
