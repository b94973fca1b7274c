//! Faults, one after the other: when each is told, as what, and when all is well again. Behind `cargo xtask drill`; its short form is a test.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::time::sleep;
use xtask::paths;
use xtask::ui::seconds;

use crate::scene::{Plan, Scene};
use crate::{WorldOptions, picture};

mod crowd;
mod fault;

use crowd::Crowd;
pub use fault::Fault;

/// Each is to be told, and then healed, within this.
pub const BOUND: Duration = Duration::from_secs(60);
/// How long all must be well before the next fault.
const CALM: Duration = Duration::from_secs(12);
/// Waiting for longer than that is of no use.
const PATIENCE: Duration = Duration::from_secs(150);

/// What became of one fault.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub fault: Fault,
    /// From the fault to the message.
    pub seen: Option<Duration>,
    /// The message's title, or what stood for one.
    pub message: String,
    /// From the repair, or for what heals by itself from the fault, until all was well.
    pub healed: Option<Duration>,
    /// What else was measured.
    pub note: String,
}

impl Outcome {
    /// Whether it was told and healed in time.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.seen.is_some_and(|seen| seen <= BOUND) && self.healed.is_some_and(|healed| healed <= BOUND)
    }
}

/// A table of them.
#[derive(Debug)]
pub struct Report(pub Vec<Outcome>);

impl Report {
    /// Whether all hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.iter().all(Outcome::holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| fault | seen after | message | healed after | by | |\n|---|---|---|---|---|---|")?;
        let time = |time: Option<Duration>| time.map_or_else(|| "**never**".to_owned(), seconds);
        for Outcome { fault, seen, message, healed, note } in &self.0 {
            let by = if fault.heals_by_itself() { "recovery" } else { "whoever mends it" };
            writeln!(f, "| {fault} | {} | {message} | {} | {by} | {note} |", time(*seen), time(*healed))?;
        }
        Ok(())
    }
}

/// Plays these faults, one after the other. `picture`: where to draw the dashboard as it was meanwhile, if anywhere.
///
/// # Panics
/// When the scene cannot be set up, or does not become well; when there can be no picture.
pub async fn run(faults: &[Fault], picture: Option<&Path>, mut say: impl FnMut(&str)) -> Report {
    let began = now_seconds();
    say("start: Worker, Kafka, relay, Prometheus, Alertmanager, visitors");
    let settings = json!({"lanes": 2, "total_active_users": 10_000, "new_users_per_minute": 6_000});
    let world = WorldOptions::default().faults();
    let mut scene = Scene::start(Plan { name: "drill", world, settings, front: false }).await;
    let crowd = Crowd::start(&scene.world.authority);
    let mut outcomes = Vec::new();
    for fault in faults {
        until(PATIENCE, async || scene.serves().await && scene.carries().await).await.expect("the scene is well");
        sleep(CALM).await;
        say(&format!("fault: {fault}"));
        let outcome = play(&mut scene, &crowd, *fault).await;
        say(&format!("  {}", outcome.message));
        outcomes.push(outcome);
    }
    if !outcomes.iter().all(Outcome::holds) {
        scene.world.keep();
    }
    if let Some(path) = picture {
        draw(path, scene.monitoring.port, (began, now_seconds()))
            .await
            .unwrap_or_else(|error| panic!("no picture: {error:#}"));
        say(&format!("{} is the dashboard of this drill", path.display()));
    }
    Report(outcomes)
}

async fn draw(path: &Path, port: u16, time: (f64, f64)) -> Result<()> {
    let file = std::fs::read_to_string(paths::root().join("ops/grafana/dashboards/ropeline.json"))?;
    Ok(std::fs::write(path, picture::dashboard(&file, port, time).await?)?)
}

fn now_seconds() -> f64 {
    crate::now_ms() as f64 / 1_000.0
}

async fn play(scene: &mut Scene, crowd: &Crowd, fault: Fault) -> Outcome {
    let began = Instant::now();
    fault.begin(scene).await;
    let mut message = String::new();
    let seen = until(PATIENCE, async || {
        fault.told(scene, began).is_some_and(|text| {
            message = text;
            true
        })
    })
    .await;
    let note = fault.measured(crowd, began);
    let mended = if fault.heals_by_itself() { began } else { Instant::now() };
    fault.end(scene).await;
    let healed = until(PATIENCE, async || fault.is_over(scene, mended).await).await;
    let healed = healed.map(|_| mended.elapsed());
    Outcome { fault, seen, message, healed, note }
}

/// Looks four times a second; how long it took.
pub(crate) async fn until(bound: Duration, mut reached: impl AsyncFnMut() -> bool) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < bound {
        if reached().await {
            return Some(began.elapsed());
        }
        sleep(Duration::from_millis(250)).await;
    }
    None
}
