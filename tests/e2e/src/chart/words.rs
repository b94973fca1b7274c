//! Numbers as Grafana's units write them.

/// `value` in a unit of the dashboard: `s`, `percentunit`, `reqps`, or none of them.
pub(crate) fn amount(value: f64, unit: &str) -> String {
    match unit {
        "s" if value.abs() < 1.0 => format!("{} ms", short(value * 1_000.0)),
        "s" if value >= 120.0 => format!("{} min", short(value / 60.0)),
        "s" => format!("{} s", short(value)),
        "percentunit" => format!("{} %", short(value * 100.0)),
        "reqps" => format!("{}/s", short(value)),
        _ => short(value),
    }
}

/// Three digits that matter, and K or M.
fn short(value: f64) -> String {
    let (value, of) = match value.abs() {
        large if large >= 1_000_000.0 => (value / 1_000_000.0, " M"),
        large if large >= 10_000.0 => (value / 1_000.0, " K"),
        _ => (value, ""),
    };
    let digits = if value.abs() >= 100.0 || value.fract().abs() < 0.005 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{of}")
}

/// The time of day, UTC.
pub(crate) fn clock(at: f64) -> String {
    let seconds = at as u64 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// As text of XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (value, unit, text) in [
            (0.0, "short", "0"),
            (1_234.0, "short", "1234"),
            (12_345.0, "short", "12.3 K"),
            (0.0123, "s", "12.3 ms"),
            (1.5, "s", "1.50 s"),
            (180.0, "s", "3 min"),
            (0.255, "percentunit", "25.5 %"),
            (19.44, "reqps", "19.4/s"),
        ] {
            assert_eq!(amount(value, unit), text);
        }
        assert_eq!(clock(86_400.0 * 3.0 + 3_661.0), "01:01:01");
    }
}
