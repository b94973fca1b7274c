//! What Prometheus answers to a query over a time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::http::Client;

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// Without the metric's name.
    pub labels: BTreeMap<String, String>,
    /// (seconds since 1970, value), in order; what is no number is left out.
    pub points: Vec<(f64, f64)>,
}

/// Values of `query` from `from` to `to` (seconds since 1970), one each `step`.
///
/// # Errors
/// When the Prometheus at `port` gives no answer, or does not take the query.
pub async fn query_range(port: u16, query: &str, (from, to): (f64, f64), step: Duration) -> Result<Vec<Series>> {
    let path = format!("/api/v1/query_range?query={}&start={from}&end={to}&step={}", encoded(query), step.as_secs());
    let answer = Client::new(format!("127.0.0.1:{port}")).get(&path, &[]).await?.json();
    if answer["status"] != "success" {
        bail!("Prometheus does not take {query}: {}", answer["error"]);
    }
    let results = answer["data"]["result"].as_array().context("no result")?;
    Ok(results.iter().map(series).collect())
}

fn series(result: &Value) -> Series {
    let labels = result["metric"].as_object().into_iter().flatten();
    let labels = labels.filter(|(name, _)| *name != "__name__");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let point = |pair: &Value| {
        let value: f64 = pair[1].as_str()?.parse().ok()?;
        pair[0].as_f64().filter(|_| value.is_finite()).map(|at| (at, value))
    };
    Series {
        labels: labels.map(|(name, value)| (name.clone(), text(value))).collect(),
        points: result["values"].as_array().into_iter().flatten().filter_map(point).collect(),
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
