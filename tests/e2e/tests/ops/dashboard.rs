//! Grafana's dashboard: its queries are such as Prometheus takes, ask for metrics that there are, and its parts keep their ids.

use std::collections::BTreeSet;

use ropeline_e2e::Value;
use xtask::paths;

use crate::alerts::{assert_in_catalogue, ops, promtool, read, said};

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&read(&ops("grafana/dashboards/ropeline.json"))).expect("JSON");
    assert_eq!(dashboard["uid"], "ropeline-sale", "links to it stay good");
    dashboard["panels"].as_array().expect("panels").clone()
}

#[test]
fn every_query_is_one_that_prometheus_takes_of_metrics_that_there_are() {
    let mut rules = "groups:\n  - name: queries\n    rules:\n".to_owned();
    let mut count = 0;
    for panel in panels() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query").replace("$event", ".*");
            assert_in_catalogue(panel["title"].as_str().unwrap_or_default(), &query);
            count += 1;
            rules += &format!("      - record: ropeline:query_{count}\n        expr: {}\n", Value::from(query));
        }
    }
    assert!(count > 30, "{count}");
    let dir = paths::target().join("e2e");
    std::fs::create_dir_all(&dir).expect("a directory");
    let file = dir.join("dashboard-queries.yml");
    std::fs::write(&file, rules).expect("a file");
    let output = promtool(&["check", "rules"], &[&file]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn panels_have_ids_of_their_own_say_what_they_show_and_do_not_overlap() {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels() {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        assert!(panel["type"] == "row" || panel["description"].as_str().is_some_and(|text| text.len() > 15), "{title}");
        let place = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && taken.insert((x, y)), "{title} lies over another");
            }
        }
    }
}
