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

/// While one Prometheus stands still the dashboard is looked at by the other one.
#[test]
fn the_dashboard_has_a_choice_of_both_prometheus() {
    let text = read(&ops("grafana/dashboards/ropeline.json"));
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let choice = variables.iter().find(|variable| variable["type"] == "datasource").expect("a choice of sources");
    let uid = format!("${{{}}}", choice["name"].as_str().expect("a name"));
    let asked = text.matches("\"uid\": ").count();
    assert_eq!(text.matches(&format!("\"uid\": \"{uid}\"")).count(), asked - 1, "all but the dashboard's own");

    let file = read(&ops("grafana/provisioning/datasources/ropeline.yml"));
    let sources: Value = serde_saphyr::from_str(&file).expect("YAML");
    let sources = sources["datasources"].as_array().expect("sources");
    assert_eq!(sources.len(), 2);
    let begins =
        choice["regex"].as_str().and_then(|regex| regex.strip_prefix("/^")?.strip_suffix('/')).expect("a regex");
    assert!(sources.iter().all(|source| source["name"].as_str().is_some_and(|name| name.starts_with(begins))));
    assert_eq!(choice["current"]["value"], sources[0]["uid"]);
}
