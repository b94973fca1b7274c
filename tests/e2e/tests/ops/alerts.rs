//! Rules, their histories, the runbook, the catalogue of metrics.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ropeline_e2e::{Method, Role, Value, World, json, monitoring};
use xtask::paths;

pub(crate) fn ops(file: &str) -> PathBuf {
    paths::root().join("ops").join(file)
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn promtool(words: &[&str], files: &[&Path]) -> Output {
    let mut command = Command::new(monitoring::programs().promtool);
    command.args(words).args(files).output().expect("promtool")
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The rules of `ops/prometheus/alerts.yml`.
fn alerts() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read(&ops("prometheus/alerts.yml"))).expect("YAML");
    let groups = file["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn name(alert: &Value) -> &str {
    alert["alert"].as_str().expect("a name")
}

#[test]
fn prometheus_takes_the_rules_and_every_history_ends_as_it_says() {
    let rules = ops("prometheus/alerts.yml");
    for (words, file) in [
        (&["check", "rules", "--lint=all", "--lint-fatal"][..], rules),
        (&["test", "rules"], ops("prometheus/tests/alerts.yml")),
    ] {
        let output = promtool(words, &[&file]);
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn every_alert_has_a_history_that_notices_when_it_is_gone() {
    let dir = std::env::temp_dir().join(format!("ropeline-alerts-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("tests")).expect("a directory");
    let tests = dir.join("tests/alerts.yml");
    std::fs::copy(ops("prometheus/tests/alerts.yml"), &tests).expect("a copy");
    let text = read(&ops("prometheus/alerts.yml"));
    let alerts = alerts();
    assert!(alerts.len() >= 20, "{}", alerts.len());
    for alert in &alerts {
        let name = name(alert);
        // Its name is what the histories ask for.
        let without = text.replace(&format!("alert: {name}\n"), "alert: Gone\n");
        assert_ne!(without, text);
        std::fs::write(dir.join("alerts.yml"), without).expect("rules");
        let output = promtool(&["test", "rules"], &[&tests]);
        assert!(!output.status.success(), "no history misses {name}");
    }
    std::fs::remove_dir_all(dir).expect("the directory");
}

#[test]
fn every_alert_says_in_two_languages_what_is_wrong_and_what_to_do_and_the_runbook_has_it() {
    let runbook = read(&paths::root().join("docs/runbook.md"));
    let anchors: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(' ', "-").replace(['`', ',', '’', '\''], ""))
        .collect();
    let mut used = BTreeSet::new();
    for alert in alerts() {
        let name = name(&alert).to_owned();
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info", "none"].contains(&severity), "{name}: {severity}");
        let text = |key: &str| {
            let text = alert["annotations"][key].as_str().unwrap_or_default().to_owned();
            assert!(text.len() > 5, "{name} has no {key}");
            text
        };
        let korean = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
        for key in ["summary", "action"] {
            assert!(!korean(&text(key)) && korean(&text(&format!("{key}_ko"))), "{name}: {key}");
        }
        let anchor = text("runbook");
        assert!(anchors.contains(&anchor), "{name}: docs/runbook.md has no section '{anchor}'");
        assert!(runbook.contains(&format!("`{name}`")), "docs/runbook.md does not name {name}");
        used.insert(anchor);
    }
    assert_eq!(anchors, used, "each section is for an alert");
}

/// Each metric that a query asks for is in `docs/metrics.md`; how many there were.
pub(crate) fn assert_in_catalogue(what: &str, query: &str) -> usize {
    let catalogue = read(&paths::root().join("docs/metrics.md"));
    let known: BTreeSet<&str> =
        catalogue.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics: Vec<&str> = words.filter(|word| word.starts_with("ropeline_")).collect();
    for metric in &metrics {
        let family = metric.strip_suffix("_bucket").unwrap_or(metric);
        assert!(known.contains(family), "{what}: docs/metrics.md has no {metric}");
    }
    metrics.len()
}

#[test]
fn every_metric_an_alert_asks_for_is_in_the_catalogue() {
    let mut seen = 0;
    for alert in alerts() {
        seen += assert_in_catalogue(name(&alert), alert["expr"].as_str().expect("an expression"));
    }
    assert!(seen > 30, "{seen}");
}

#[tokio::test]
async fn what_the_worker_exposes_passes_promtool() {
    let world = World::start();
    world.create("demo", &json!({})).await;
    let text = world.keyed(Role::Metrics, Method::GET, "/queue/metrics", &json!(null)).await.text();
    let mut promtool = Command::new(monitoring::programs().promtool);
    let mut child = promtool
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("promtool");
    std::io::Write::write_all(&mut child.stdin.take().expect("its input"), text.as_bytes()).expect("the metrics");
    let output = child.wait_with_output().expect("promtool's end");
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}
