//! Latencies in buckets of 1 % width: small to hand over, exact enough to read.

use std::collections::BTreeMap;

use serde_json::Value;

/// Counts of latencies, in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    buckets: BTreeMap<u32, u64>,
    count: u64,
    max_us: u64,
}

/// The width of a bucket.
const STEP: f64 = 1.01;

impl Histogram {
    /// Counts one.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub fn record(&mut self, us: u64) {
        let bucket = (us.max(1) as f64).log(STEP).ceil() as u32;
        *self.buckets.entry(bucket).or_default() += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds those of another one.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The slowest, in milliseconds.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn max_ms(&self) -> f64 {
        self.max_us as f64 / 1_000.0
    }

    /// The latency that this part (0.5, 0.95 …) of all did not exceed, in milliseconds.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn quantile_ms(&self, part: f64) -> f64 {
        let wanted = self.count as f64 * part;
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen as f64 >= wanted {
                return (STEP.powf(f64::from(*bucket)) / 1_000.0).min(self.max_ms());
            }
        }
        self.max_ms()
    }

    /// For the way between two processes.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let buckets: Vec<Value> =
            self.buckets.iter().map(|(bucket, count)| serde_json::json!([bucket, count])).collect();
        serde_json::json!({"buckets": buckets, "max_us": self.max_us})
    }

    /// The other end of [`Histogram::to_json`].
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        let mut histogram = Self { max_us: value["max_us"].as_u64().unwrap_or(0), ..Self::default() };
        for pair in value["buckets"].as_array().into_iter().flatten() {
            let bucket = pair[0].as_u64().and_then(|bucket| u32::try_from(bucket).ok()).unwrap_or(0);
            let count = pair[1].as_u64().unwrap_or(0);
            *histogram.buckets.entry(bucket).or_default() += count;
            histogram.count += count;
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_percent_also_after_the_way() {
        let mut histogram = Histogram::default();
        for us in 1..=10_000 {
            histogram.record(us);
        }
        let histogram = Histogram::from_json(&histogram.to_json());
        assert_eq!(histogram.count(), 10_000);
        for (part, ms) in [(0.5, 5.0), (0.95, 9.5), (0.99, 9.9)] {
            let found = histogram.quantile_ms(part);
            assert!((found - ms).abs() / ms < 0.011, "{part}: {found}");
        }
        assert!((histogram.max_ms() - 10.0).abs() < 1e-9);
    }
}
