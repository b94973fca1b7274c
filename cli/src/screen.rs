//! How looks at an event are shown: a picture that is drawn over itself, or one line each.

use serde_json::{Value, json};

use crate::alerts::Alert;
use crate::output::plain;
use crate::snapshot::{Rates, Snapshot};

/// What is known after a look.
#[derive(Debug)]
pub struct View<'a> {
    /// The event's id.
    pub event: &'a str,
    /// The last look that succeeded.
    pub last: Option<&'a Snapshot>,
    /// What happened before it.
    pub rates: Option<Rates>,
    /// Why the present look did not succeed.
    pub trouble: Option<&'a str>,
    /// What Alertmanager says, where it is asked.
    pub alerts: Option<&'a Result<Vec<Alert>, String>>,
}

impl View<'_> {
    /// The lines of the picture.
    #[must_use]
    pub fn picture(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.last {
            Some(look) => lines.extend(picture_of(look, self.rates)),
            None => lines.push(format!("{}: nothing seen yet", self.event)),
        }
        if let Some(trouble) = self.trouble {
            lines.push(format!("NO ANSWER: {}", plain(trouble)));
        }
        match self.alerts {
            None => {}
            Some(Err(cause)) => lines.push(format!("alerts     not known: {}", plain(cause))),
            Some(Ok(alerts)) if alerts.is_empty() => lines.push("alerts     none".to_owned()),
            Some(Ok(alerts)) => {
                lines.extend(alerts.iter().map(|alert| format!("alert      {}", plain(&alert.to_string()))))
            }
        }
        lines
    }

    /// The same in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let alerts = match self.alerts {
            None => String::new(),
            Some(Err(_)) => " alerts=unknown".to_owned(),
            Some(Ok(alerts)) => format!(" alerts={}", alerts.len()),
        };
        if let Some(trouble) = self.trouble {
            return format!("{} no answer: {}{alerts}", self.event, plain(trouble));
        }
        let Some(look) = self.last else { return format!("{} nothing seen yet{alerts}", self.event) };
        let rate =
            |rate: fn(Rates) -> f64| self.rates.map_or_else(|| "-".to_owned(), |rates| format!("{:.1}", rate(rates)));
        format!(
            "{} {} phase={} paused={} entered={} entering/s={} waiting={} called={} active={}/{} admitted={} admitting/s={} \
             frontier={} lag={}{alerts}",
            plain(&look.updated_at),
            plain(&look.event),
            plain(&look.phase),
            plain(look.paused.as_deref().unwrap_or("no")),
            look.entered,
            rate(|rates| rates.entering_per_second),
            look.waiting,
            look.called,
            look.active,
            look.total_active_users,
            look.admitted,
            rate(|rates| rates.admitting_per_second),
            look.frontier,
            look.lag,
        )
    }

    /// The same as one JSON object. `status` is null when the look did not succeed, `trouble` else; `alerts` is null when nobody is
    /// asked, or does not answer.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let status = self.last.filter(|_| self.trouble.is_none());
        let alerts = self.alerts.and_then(|alerts| alerts.as_ref().ok());
        let rates = self.rates.filter(|_| self.trouble.is_none());
        json!({"event": self.event, "status": status, "rates": rates, "trouble": self.trouble, "alerts": alerts})
    }
}

/// How an event is doing, for people.
#[must_use]
pub fn picture_of(look: &Snapshot, rates: Option<Rates>) -> Vec<String> {
    let rate = |rate: fn(Rates) -> f64| rates.map_or_else(String::new, |rates| format!("{:>9.1}/s", rate(rates)));
    let paused = look.paused.as_ref().map(|why| format!(", PAUSED ({})", plain(why))).unwrap_or_default();
    let title = format!("{} ({})", plain(&look.name), plain(&look.event));
    vec![
        format!("{title}  {}{paused}  {}", plain(&look.phase), plain(&look.updated_at)),
        format!("entered    {:>9}{}", look.entered, rate(|rates| rates.entering_per_second)),
        format!("waiting    {:>9}", look.waiting),
        format!("called     {:>9}   frontier {}", look.called, look.frontier),
        format!("active     {:>9}   of {}", look.active, look.total_active_users),
        format!("admitted   {:>9}{}", look.admitted, rate(|rates| rates.admitting_per_second)),
        format!("this minute{:>9}   of {}", look.admitted_last_minute, look.new_users_per_minute),
        format!("not in Kafka{:>8}   acked {} of {}", look.lag, look.acked_seq, look.head_seq),
    ]
}

/// What draws `lines` over `before` lines of the picture that is there. Lines that are too long for the terminal are cut, not wrapped:
/// a wrapped one would be two to move over.
#[must_use]
pub fn redraw(before: usize, lines: &[String]) -> String {
    let mut text = String::from("\u{1b}[?7l");
    if before > 0 {
        text += &format!("\u{1b}[{before}A");
    }
    for line in lines {
        text += &format!("\r{line}\u{1b}[K\n");
    }
    // What is left of a longer picture.
    text + "\u{1b}[J\u{1b}[?7h"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::look;

    fn view(last: Option<&Snapshot>) -> View<'_> {
        View { event: "demo", last, rates: None, trouble: None, alerts: None }
    }

    #[test]
    fn one_line_has_all_that_the_picture_has() {
        let (before, now) = (look(0, 100, 10), look(2, 130, 13));
        let view = View { rates: now.rates_since(&before), ..view(Some(&now)) };
        let line = view.line();
        for part in
            ["phase=open", "paused=no", "entering/s=15.0", "admitting/s=1.5", "active=5/200", "frontier=12", "lag=5"]
        {
            assert!(line.contains(part), "{line}");
        }
        let picture = view.picture().join("\n");
        for part in ["A sale (demo)  open", "15.0/s", "1.5/s", "of 200", "frontier 12", "acked 4 of 9"] {
            assert!(picture.contains(part), "{picture}");
        }
        assert_eq!(view.to_json()["status"]["lag"], 5);
    }

    #[test]
    fn a_worker_that_does_not_answer_is_shown_beside_what_was_last_seen() {
        let now = look(0, 100, 10);
        let view = View { trouble: Some("connection\x1b[2J refused"), ..view(Some(&now)) };
        let picture = view.picture().join("\n");
        assert!(picture.contains("A sale") && picture.contains("NO ANSWER: connection [2J refused"), "{picture}");
        assert!(view.line().starts_with("demo no answer: "), "{}", view.line());
        assert_eq!(view.to_json()["status"], Value::Null, "an old look is not told as a new one");
        assert!(View { trouble: Some("x"), ..self::view(None) }.picture()[0].contains("nothing seen yet"));
    }

    #[test]
    fn a_redraw_moves_up_over_what_was_drawn_and_clears_the_rest() {
        let lines = ["a".to_owned(), "b".to_owned()];
        let first = redraw(0, &lines);
        assert!(!first.contains('A') && first.matches('\n').count() == 2, "{first:?}");
        let next = redraw(3, &lines);
        assert!(next.contains("\u{1b}[3A\ra\u{1b}[K\n") && next.ends_with("\u{1b}[J\u{1b}[?7h"), "{next:?}");
    }

    #[test]
    fn alerts_are_shown_or_said_to_be_unknown() {
        let now = look(0, 1, 1);
        let (none, unknown) = (Ok(Vec::new()), Err("refused".to_owned()));
        assert!(View { alerts: Some(&none), ..view(Some(&now)) }.picture().join("\n").contains("alerts     none"));
        let view = View { alerts: Some(&unknown), ..view(Some(&now)) };
        assert!(view.picture().join("\n").contains("not known: refused") && view.line().ends_with("alerts=unknown"));
    }
}
