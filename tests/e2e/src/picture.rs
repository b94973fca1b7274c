//! A picture of Grafana's dashboard, drawn from the same file and the same queries where there is no Grafana.
//!
//! The layout is the dashboard's grid; what Grafana makes of a panel (its colours, its axes) is only meant here.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::chart::{self, Frame, Named};
use crate::monitoring::prometheus::{Series, query_range};

/// One of the grid's 24 columns, and one of its rows, pixels.
const COLUMN: f64 = 50.0;
const ROW: f64 = 30.0;
const STEP: Duration = Duration::from_secs(5);

/// The dashboard in `file` as SVG: what the Prometheus at `port` knows of the time between (seconds since 1970).
///
/// # Errors
/// When the file is no dashboard, or Prometheus does not answer.
pub async fn dashboard(file: &str, port: u16, time: (f64, f64)) -> Result<String> {
    let dashboard: Value = serde_json::from_str(file).context("no dashboard")?;
    let panels = dashboard["panels"].as_array().context("a dashboard without panels")?;
    let (mut drawn, mut height) = (String::new(), 0.0_f64);
    for panel in panels {
        let place = |name: &str| panel["gridPos"][name].as_f64().unwrap_or_default();
        let frame = Frame {
            x: place("x") * COLUMN,
            y: place("y") * ROW,
            width: place("w") * COLUMN,
            height: place("h") * ROW,
            title: panel["title"].as_str().unwrap_or_default(),
            unit: panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or("short"),
            time,
            bands: &[],
        };
        height = height.max(frame.y + frame.height);
        drawn += &match panel["type"].as_str().unwrap_or_default() {
            "row" => frame.heading(),
            "stat" => frame.numbers(&named(panel, port, time).await?),
            "state-timeline" => frame.states(&named(panel, port, time).await?),
            _ => frame.lines(&named(panel, port, time).await?),
        };
    }
    Ok(chart::svg(24.0 * COLUMN, height, "The dashboard", &drawn))
}

/// What a panel shows, under the names it gives them.
async fn named(panel: &Value, port: u16, time: (f64, f64)) -> Result<Vec<Named>> {
    let mut all = Vec::new();
    for target in panel["targets"].as_array().into_iter().flatten() {
        let query = target["expr"].as_str().unwrap_or_default().replace("$event", ".*");
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        let series = query_range(port, &query, time, STEP).await?;
        all.extend(series.into_iter().map(|series| Named { name: name(legend, &series), points: series.points }));
    }
    Ok(all)
}

/// `{{event}} waiting` with the series' labels in it.
fn name(legend: &str, series: &Series) -> String {
    series
        .labels
        .iter()
        .fold(legend.to_owned(), |text, (label, value)| text.replace(&format!("{{{{{label}}}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_takes_the_labels() {
        let labels = [("event", "demo"), ("phase", "open")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let series = Series { labels: labels.into(), points: Vec::new() };
        assert_eq!(name("{{event}} {{phase}}", &series), "demo open");
        assert_eq!(name("canary", &series), "canary");
    }
}
