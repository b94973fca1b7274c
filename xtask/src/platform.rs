//! What Cloudflare publishes of its Workers and Durable Objects: prices and limits, November 2026. In one place, for all that reckons with them.

/// Prices in US dollars for a million, Workers Paid plan, beyond what the plan includes:
/// <https://developers.cloudflare.com/workers/platform/pricing/> and
/// <https://developers.cloudflare.com/durable-objects/platform/pricing/>.
mod price {
    /// Requests to a Worker.
    pub const REQUESTS: f64 = 0.30;
    /// Milliseconds of a Worker's CPU.
    pub const CPU_MS: f64 = 0.02;
    /// Requests to Durable Objects.
    pub const OBJECT_REQUESTS: f64 = 0.15;
    /// Rows written to SQLite.
    pub const ROWS_WRITTEN: f64 = 1.00;
    /// GB-seconds that an object is in memory.
    pub const GB_SECONDS: f64 = 12.50;
}

/// Limits: <https://developers.cloudflare.com/durable-objects/platform/limits/>, and of requests
/// <https://developers.cloudflare.com/durable-objects/reference/faq/>.
pub mod limit {
    /// Requests a second that one object takes; a soft limit, and less where each does much.
    pub const OBJECT_REQUESTS_PER_SECOND: f64 = 1_000.0;
    /// Bytes that one object may store.
    pub const OBJECT_BYTES: f64 = 10e9;
    /// GB for which an object in memory is billed: the 128 MB that it may use.
    pub const OBJECT_GB: f64 = 0.128;
}

/// What something uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Use {
    /// Requests to a Worker.
    pub requests: f64,
    /// Milliseconds of its CPU.
    pub cpu_ms: f64,
    /// Requests to Durable Objects.
    pub calls: f64,
    /// Rows written.
    pub rows: f64,
}

impl Use {
    /// Dollars for a million of them.
    #[must_use]
    pub fn price(&self) -> f64 {
        self.requests * price::REQUESTS
            + self.cpu_ms * price::CPU_MS
            + self.calls * price::OBJECT_REQUESTS
            + self.rows * price::ROWS_WRITTEN
    }
}

/// Dollars for so many objects that are in memory for so long.
#[must_use]
pub fn objects_price(objects: f64, seconds: f64) -> f64 {
    objects * seconds * limit::OBJECT_GB * price::GB_SECONDS / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_of_everything_costs_the_sum_of_the_prices() {
        let one = Use { requests: 1.0, cpu_ms: 1.0, calls: 1.0, rows: 1.0 };
        assert!((one.price() - 1.47).abs() < 1e-9);
    }

    #[test]
    fn an_object_costs_half_a_cent_an_hour() {
        assert!((objects_price(1.0, 3_600.0) - 0.00576).abs() < 1e-9);
    }
}
