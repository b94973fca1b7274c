//! RFC 3339: UTC with milliseconds, the one form in which times leave the product; any offset where they come in.

use crate::UnixMillis;

impl UnixMillis {
    /// `2026-11-22T19:33:44.123Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let millis = self.get() % 1_000;
        let seconds = self.get() / 1_000;
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let (year, month, day) = civil(seconds / 86_400);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl UnixMillis {
    /// Reads RFC 3339 (`2026-11-22T20:00:00+09:00`, with or without a fraction of a second), from 1970 on. Fractions are cut off
    /// after the millisecond; a leap second is the second before it.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let number = |range: core::ops::Range<usize>| {
            let digits = text.get(range)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
        };
        let is = |at: usize, wanted: &[u8]| text.as_bytes().get(at).is_some_and(|b| wanted.contains(b));
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let formed = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
        let fits = year >= 1970
            && (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !formed || !fits {
            return None;
        }
        let rest = text.get(19..)?;
        let (fraction, offset) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
            None => ("0", rest),
        };
        let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let seconds = (days(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second.min(59);
        let utc = seconds.checked_add_signed(-offset_seconds(offset)?)?;
        (!fraction.is_empty()).then_some(Self(utc * 1_000 + millis))
    }
}

/// `Z`, `+09:00` or `-03:30` as seconds.
fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes() {
        [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => (1, text.get(1..)?),
        [b'-', ..] => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').filter(|_| rest.len() == 5)?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01: Howard Hinnant's `days_from_civil` for years from 1970 on.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let year_of_era = year % 400;
    year / 400 * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// For serde: a time or null written as RFC 3339 text; `= time` of [`from_json!`](crate::from_json) reads it.
pub mod rfc3339_or_null {
    use serde::Serializer;

    use crate::UnixMillis;

    /// Writes it.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_str(&time.rfc3339()),
            None => serializer.serialize_none(),
        }
    }
}

/// Days since 1970-01-01 as (year, month, day): Howard Hinnant's `civil_from_days` for days that are not negative.
const fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_with_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_795_376_024_123, "2026-11-22T19:33:44.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(UnixMillis(millis).rfc3339(), text);
            assert_eq!(UnixMillis::parse_rfc3339(text), Some(UnixMillis(millis)));
        }
    }

    /// Kept by hand, as a calendar on the wall: after the last day of a month comes the first of the next one.
    #[test]
    fn every_day_of_530_years_is_written_and_read_as_the_calendar_has_it() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..194_000 {
            let time = UnixMillis((days * 86_400 + 45_296) * 1_000 + 789);
            let text = format!("{year}-{month:02}-{day:02}T12:34:56.789Z");
            assert_eq!((time.rfc3339(), UnixMillis::parse_rfc3339(&text)), (text, Some(time)));
            let february = if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 29 } else { 28 };
            let last = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
            let tomorrow = format!("{year}-{month:02}-{:02}T00:00:00Z", last + 1);
            assert_eq!(UnixMillis::parse_rfc3339(&tomorrow), None, "{tomorrow}");
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!(year, 2501);
    }

    #[test]
    fn times_come_in_with_any_offset() {
        for (text, millis) in [
            ("2026-11-22T19:33:44Z", 1_795_376_024_000),
            ("2026-11-23t04:33:44.1239+09:00", 1_795_376_024_123),
            ("2026-11-22 16:03:44.5-03:30", 1_795_376_024_500),
            ("1970-01-01T09:00:00+09:00", 0),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
        ] {
            assert_eq!(UnixMillis::parse_rfc3339(text), Some(UnixMillis(millis)), "{text}");
        }
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22T19:33:44",
            "2026-11-22T19:33Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T19:60:00Z",
            "2026-11-22T19:33:61Z",
            "2026.11-22T19:33:44Z",
            "2026-11.22T19:33:44Z",
            "2026-11-22_19:33:44Z",
            "2026-11-22T19.33:44Z",
            "2026-11-22T19:33.44Z",
            "2026-11-22T19:33:44+24:00",
            "2026-11-22T19:33:44.Z",
            "2026-11-22T19:33:44+0900",
            "2026-11-22T19:33:44+09:60",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+09:00",
            "+026-11-22T19:33:44Z",
            "2026-11-22T19:33:44Zz",
            "２026-11-22T19:33:44Z",
        ] {
            assert_eq!(UnixMillis::parse_rfc3339(bad), None, "{bad}");
        }
    }
}
