//! The incident, replayed: 7,600 visitors enter at once, again and again, while one thing after the other goes wrong. Behind
//! `cargo xtask incident`; its short form is a test.
//!
//! k6 brings the visitors (`tests/load/waves.js`), through what a CDN is elsewhere ([`crate::front`]): a wave comes, and while its enters are under
//! way something breaks; the next wave comes when that is long mended. The first one comes to a system that is well. What k6 met, what Prometheus
//! scraped, what the line logged and what stands in Kafka are held against each other in the end ([`verdicts`]), and drawn ([`Record::html`]).

mod curves;
mod origin;
mod report;
mod trouble;
pub mod verdicts;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ropeline_load::{Run, Scenario};
use serde_json::{Value, json};
use tokio::time::sleep;
use xtask::process::{Output, Process};
use xtask::tools;
use xtask::ui::Ui;

pub use report::Machine;
pub use trouble::Trouble;
pub use verdicts::{Bound, Sums};

use crate::drill::until;
use crate::scene::{EVENT, Plan, Scene};
use crate::soak::check::Verdict;
use crate::soak::log;
use crate::{WorldOptions, broker, copies, now_ms};
use curves::Chart;
use origin::Origin;
use verdicts::Evidence;

/// `total_active_users` and `new_users_per_minute`.
const ACTIVE: u64 = 300;
const PER_MINUTE: u64 = 2_400;
/// From the start of k6 until the first wave it makes all of its visitors: so long, and so long for each.
const MAKING: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(3));
/// Of something that is there before it is made nothing is measured: so long it may take until it is not.
const CALM: Duration = Duration::from_secs(10);
/// Waiting for longer than that until all is well is of no use.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much of it.
#[derive(Debug, Clone)]
pub struct Scale {
    /// Visitors in each wave.
    pub visitors: usize,
    /// From one wave to the next.
    pub apart: Duration,
    /// What goes wrong, one after the other, each in a wave of its own after the first.
    pub troubles: Vec<Trouble>,
}

/// One thing that went wrong.
#[derive(Debug, Clone)]
pub struct Episode {
    /// Which.
    pub trouble: Trouble,
    /// When it began, milliseconds since 1970.
    pub began: u64,
    /// When somebody began to mend it.
    pub mended: u64,
    /// When what was stopped ran again.
    pub back: u64,
    /// From its beginning until it was seen in the metrics.
    pub seen: Option<Duration>,
    /// From its beginning until somebody was told, if anybody was; and what.
    pub told: Option<(Duration, String)>,
    /// From the repair until all was normal.
    pub normal: Option<Duration>,
}

/// All that was measured.
#[derive(Debug)]
pub struct Record {
    /// What it ran on.
    pub machine: Machine,
    /// Visitors in each wave.
    pub visitors: usize,
    /// How many waves.
    pub waves: usize,
    /// From the first wave to the end, milliseconds since 1970.
    pub time: (u64, u64),
    /// What went wrong.
    pub episodes: Vec<Episode>,
    /// The promises.
    pub verdicts: Vec<Verdict>,
    /// What is asked of it beyond the promises.
    pub bounds: Vec<Bound>,
    /// How many there were of what.
    pub sums: Sums,
    charts: Vec<Chart>,
    /// Logs and state, if something does not hold.
    pub dir: PathBuf,
}

impl Record {
    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(Verdict::holds) && self.bounds.iter().all(|bound| bound.holds)
    }
}

/// Plays it.
///
/// # Panics
/// When something is missing, with how to get it, or the scene does not become well.
pub async fn run(scale: &Scale, mut say: impl FnMut(&str)) -> Record {
    say("start: Worker, nginx, Kafka, relay, shop, Prometheus, Alertmanager");
    // So few slots that a shop which takes seconds for an answer fills them.
    let settings = json!({
        "lanes": 4, "total_active_users": ACTIVE, "new_users_per_minute": PER_MINUTE,
        // Of who goes home just when they are let in.
        "session_duration_seconds": 60,
    });
    let world = WorldOptions::default().var("ROPELINE_TRACE", "");
    let mut scene = Scene::start(Plan { name: "incident", world, settings, front: true }).await;
    let origin = Origin::start(&scene.world).await;
    until(PATIENCE, async || scene.carries().await && scene.canary_is_well(0).await).await.expect("the scene is well");

    let first = now_ms() + ms(MAKING.0) + ms(MAKING.1) * scale.visitors as u64;
    let program = tools::k6::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"));
    let front = &scene.front.as_ref().expect("a front").authority.clone();
    let run = Run {
        program: &program,
        scenario: Scenario::Waves,
        url: &format!("http://{front}/queue"),
        event: EVENT,
        settings: &settings_of(scale, first, &origin),
        dir: scene.world.dir.join("k6"),
    };
    let command = run.command().and_then(|mut command| {
        let log = scene.world.dir.join("logs/k6.log");
        Process::spawn("k6", &mut command, Output::Log(&log))
    });
    let mut k6 = command.unwrap_or_else(|error| panic!("no k6: {error:#}"));
    let (mut watch, mut episodes) = (Watch::default(), Vec::new());
    for (turn, trouble) in (1..).zip(&scale.troubles) {
        let strikes = first + turn * ms(scale.apart) + ms(trouble.into_the_wave());
        while now_ms() < strikes {
            assert!(k6.is_running(), "k6 ended before all waves had come: {}", k6.tail());
            watch.look(&scene);
            sleep(Duration::from_millis(strikes.saturating_sub(now_ms()).min(250))).await;
        }
        say(&format!("wave {} of {}: {}", turn + 1, scale.troubles.len() + 1, trouble.name().0));
        let episode = play(&mut scene, &origin, *trouble, &mut watch).await;
        say(&format!("  {}", report::line(&episode)));
        episodes.push(episode);
    }
    say("the last wave waits, and goes home");
    let status = tokio::task::block_in_place(|| k6.wait()).expect("the end of k6");
    let load = run.outcome(status).unwrap_or_else(|error| panic!("{error:#}"));
    let time = (first, now_ms());
    let stats = until_acked(&scene).await;
    say("what stands in Kafka, and what the line logged");
    let relay_logs = scene.stop_relay();
    let log = log::read(&scene.world, EVENT).await.unwrap_or_else(|error| panic!("no admission log: {error}"));
    let records = broker::records(scene.kafka.as_ref().expect("a broker"), &scene.topic, EVENT);
    let evidence = Evidence {
        visitors: scale.visitors * (scale.troubles.len() + 1),
        console: &std::fs::read_to_string(run.console()).unwrap_or_default(),
        load: &load,
        episodes: &episodes,
        stats: &stats,
        most: &curves::most(&scene, time).await,
        copies: &copies::check(EVENT, &records, log.values()),
        log: &log,
        relay_logs: &relay_logs,
        watch: &watch,
    };
    let (verdicts, bounds) = (verdicts::promises(&evidence), verdicts::bounds(&evidence));
    let record = Record {
        machine: Machine::look(),
        visitors: scale.visitors,
        waves: scale.troubles.len() + 1,
        time,
        sums: Sums::of(&evidence),
        charts: curves::draw(&scene, &evidence, time).await,
        dir: scene.world.dir.clone(),
        episodes,
        verdicts,
        bounds,
    };
    if !record.holds() {
        scene.world.keep();
    }
    record
}

/// What is looked at all the time.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Memory of the Worker's runtime: when (milliseconds since 1970), and how much (KiB).
    memory: Vec<(u64, u64)>,
    /// Who was refused by the shop, as they had no good pass.
    refused: usize,
    /// Who was not.
    not_refused: Vec<String>,
}

impl Watch {
    /// Once in two seconds.
    fn look(&mut self, scene: &Scene) {
        let now = now_ms();
        if self.memory.last().is_none_or(|(at, _)| now - at >= 2_000) {
            self.memory.extend(scene.world.resident_kib().ok().map(|kib| (now, kib)));
        }
    }
}

/// What is noticed of something that goes wrong, and after how long.
struct Notice {
    trouble: Trouble,
    began: Instant,
    seen: Option<Duration>,
    told: Option<(Duration, String)>,
}

impl Notice {
    /// Asks as somebody who looks would: what was scraped too late to be seen yet is not seen.
    async fn look(&mut self, scene: &Scene) {
        if self.seen.is_none() && self.trouble.shows(scene).await == Some(true) {
            self.seen = Some(self.began.elapsed());
        }
        if self.told.is_none() {
            self.told = self.trouble.told(scene, self.began).map(|text| (self.began.elapsed(), text));
        }
    }
}

async fn play(scene: &mut Scene, origin: &Origin, trouble: Trouble, watch: &mut Watch) -> Episode {
    // What shows it already would show nothing.
    until(CALM, async || trouble.shows(scene).await == Some(false)).await.expect("nothing shows it before it begins");
    let (since, began) = (Instant::now(), now_ms());
    trouble.begin(scene, origin).await;
    let mut notice = Notice { trouble, began: since, seen: None, told: None };
    // At a slow door that takes as long as the door does.
    let ((refused, not_refused), ()) = tokio::join!(origin.try_the_door(), async {
        while since.elapsed() < trouble.lasts() {
            watch.look(scene);
            notice.look(scene).await;
            sleep(Duration::from_millis(250)).await;
        }
    });
    watch.refused += refused;
    watch.not_refused.extend(not_refused);
    let mended = if trouble.lasts().is_zero() { (since, began) } else { (Instant::now(), now_ms()) };
    trouble.end(scene, origin).await;
    let back = now_ms();
    let over = until(PATIENCE, async || {
        watch.look(scene);
        notice.look(scene).await;
        trouble.is_over(scene, mended.1).await
    });
    let normal = over.await.map(|_| mended.0.elapsed());
    Episode { trouble, began, mended: mended.1, back, seen: notice.seen, told: notice.told, normal }
}

/// Waits until all that was admitted is known to be in Kafka; the counts of the event.
async fn until_acked(scene: &Scene) -> Value {
    let mut stats = Value::Null;
    until(PATIENCE, async || {
        stats = scene.world.stats(EVENT).await;
        stats["acked_seq"] == stats["head_seq"]
    })
    .await;
    stats
}

fn settings_of(scale: &Scale, first: u64, origin: &Origin) -> Vec<(String, String)> {
    let apart = scale.apart.as_secs();
    let settings = [
        ("VISITORS", scale.visitors.to_string()),
        ("WAVES", (scale.troubles.len() + 1).to_string()),
        ("WAVE_SECONDS", apart.to_string()),
        ("AT", first.to_string()),
        // Who is not called by then goes home, and has time for it before the next wave.
        ("PATIENCE", (apart * 3 / 4).to_string()),
        ("SHOP_URL", origin.url("/tickets")),
        ("ORDER_URL", origin.url("/order")),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
