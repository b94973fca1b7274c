//! What an answer to the canary is worth. Pure: an answer in, an [`Outcome`] out.
//!
//! Invariant: of one visitor the numbers only grow, and a place that was given up is never given again; what `status` says of a ticket is the
//! number that came with it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Outcome;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Whether it says when to come again.
    pub retry_after: bool,
    pub body: Vec<u8>,
}

/// An answer as it came, or why there was none: whether time was up, and what the network said.
#[derive(Debug)]
pub struct Seen {
    pub answer: Result<Answer, (bool, String)>,
    pub took: Duration,
}

impl Seen {
    /// For the log: status and what a problem says, or why there was no answer. Never a ticket.
    pub fn detail(&self) -> String {
        let (status, body) = match &self.answer {
            Err((_, cause)) => return cause.clone(),
            Ok(answer) => (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()),
        };
        let Some(kind) = body["type"].as_str().and_then(|kind| kind.rsplit(':').next()) else {
            return format!("{status}, state {}, number {}", body["state"], body["number"]);
        };
        let remedy = match kind {
            "unknown-event" => "make the canary's event again, with \"test\": true, or name another in canary.event",
            "event-ended" => "the canary's event is over: make another and name it in canary.event",
            "sold-out" => "set sold_out of the canary's event to false",
            "queue-closed" => "set queueing_method of the canary's event to fifo",
            "not-open-yet" => "take event_start_time from the canary's event",
            "door-failed" => "set door of the canary's event to none: a canary solves no puzzles",
            "line-full" => "raise max_line_length of the canary's event",
            _ => "see docs/runbook.md, \"Canary failing\"",
        };
        format!("{status} {kind}: {}; {remedy}", body["detail"].as_str().unwrap_or_default())
    }

    /// The body of a good answer.
    fn good(&self, statuses: &[u16]) -> Result<Value, Outcome> {
        match &self.answer {
            Err((true, _)) => Err(Outcome::Timeout),
            Err((false, _)) => Err(Outcome::Unreachable),
            Ok(Answer { status, body, .. }) if statuses.contains(status) => {
                Ok(serde_json::from_slice(body).unwrap_or_default())
            }
            Ok(Answer { status: 429 | 503, retry_after: true, .. }) => Err(Outcome::Refused),
            Ok(_) => Err(Outcome::Failed),
        }
    }
}

/// A place that was given.
#[derive(Debug, PartialEq)]
pub struct Place {
    pub number: u64,
    pub ticket: String,
    /// By the clock of whoever signed the ticket, seconds since 1970.
    pub issued_at: f64,
}

/// Remembers which numbers can still be.
#[derive(Debug, Default)]
pub struct Judge {
    least: u64,
}

impl Judge {
    /// The answer to enter.
    pub fn entered(&mut self, seen: &Seen) -> (Outcome, Option<Place>) {
        let body = match seen.good(&[200, 201]) {
            Ok(body) => body,
            Err(outcome) => return (outcome, None),
        };
        let Some(place) = place(&body) else { return (Outcome::Wrong, None) };
        let outcome = if place.number >= self.least { Outcome::Ok } else { Outcome::Wrong };
        self.least = self.least.max(place.number);
        // Also a wrong one is to be given up.
        (outcome, Some(place))
    }

    /// The answer to status, for the ticket of this number.
    pub fn told(seen: &Seen, number: u64) -> Outcome {
        match seen.good(&[200]) {
            Ok(body) if body["number"].as_u64() == Some(number) => Outcome::Ok,
            Ok(_) => Outcome::Wrong,
            Err(outcome) => outcome,
        }
    }

    /// The answer to leave, for the place of this number.
    pub fn left(&mut self, seen: &Seen, number: u64) -> Outcome {
        match seen.good(&[204]) {
            Ok(_) => {
                self.least = self.least.max(number + 1);
                Outcome::Ok
            }
            Err(outcome) => outcome,
        }
    }
}

fn place(body: &Value) -> Option<Place> {
    let ticket = body["ticket"].as_str()?;
    let claims = URL_SAFE_NO_PAD.decode(ticket.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    // Whole seconds, rounded down.
    let issued_at = claims["iat"].as_f64()? + 0.5;
    Some(Place { number: body["number"].as_u64().filter(|number| *number > 0)?, ticket: ticket.to_owned(), issued_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, body: &str) -> Seen {
        let answer = Answer { status, retry_after: true, body: body.as_bytes().to_vec() };
        Seen { answer: Ok(answer), took: Duration::ZERO }
    }

    fn given(number: u64) -> Seen {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"iat":1000}"#);
        seen(201, &format!(r#"{{"number":{number},"ticket":"e30.{claims}.c2ln"}}"#))
    }

    #[test]
    fn a_place_is_a_number_with_a_ticket_and_numbers_only_grow() {
        let mut judge = Judge::default();
        let (outcome, place) = judge.entered(&given(7));
        assert_eq!((outcome, place.map(|place| (place.number, place.issued_at))), (Outcome::Ok, Some((7, 1000.5))));
        assert_eq!(judge.entered(&given(7)).0, Outcome::Ok, "the same place again");
        assert_eq!(judge.left(&seen(204, ""), 7), Outcome::Ok);
        let (outcome, place) = judge.entered(&given(7));
        assert_eq!(
            (outcome, place.is_some()),
            (Outcome::Wrong, true),
            "a place that was given up; it is given up again"
        );
        assert_eq!(judge.entered(&given(9)).0, Outcome::Ok);
        assert_eq!(judge.entered(&given(8)).0, Outcome::Wrong, "backwards");
        for body in
            ["", "{}", r#"{"number":10}"#, r#"{"number":10,"ticket":"x"}"#, r#"{"ticket":"e30.e30.x","number":10}"#]
        {
            assert_eq!(judge.entered(&seen(200, body)).0, Outcome::Wrong, "{body}");
        }
        assert_eq!(judge.entered(&given(0)).0, Outcome::Wrong);
    }

    #[test]
    fn status_must_say_the_number_of_the_ticket() {
        assert_eq!(Judge::told(&seen(200, r#"{"number":7}"#), 7), Outcome::Ok);
        assert_eq!(Judge::told(&seen(200, r#"{"number":8}"#), 7), Outcome::Wrong);
        assert_eq!(Judge::told(&seen(401, "{}"), 7), Outcome::Failed);
        assert_eq!(Judge::default().left(&seen(200, ""), 7), Outcome::Failed);
    }

    #[test]
    fn being_told_to_wait_is_another_thing_than_no_answer() {
        let mut judge = Judge::default();
        for (status, outcome) in
            [(429, Outcome::Refused), (503, Outcome::Refused), (404, Outcome::Failed), (500, Outcome::Failed)]
        {
            assert_eq!(judge.entered(&seen(status, "")).0, outcome);
        }
        let mut curt = seen(503, "");
        curt.answer.as_mut().unwrap().retry_after = false;
        assert_eq!(judge.entered(&curt).0, Outcome::Failed, "it does not say when to come again");
        for (late, outcome) in [(true, Outcome::Timeout), (false, Outcome::Unreachable)] {
            let seen = Seen { answer: Err((late, "refused".to_owned())), took: Duration::ZERO };
            assert_eq!(judge.entered(&seen).0, outcome);
        }
    }

    #[test]
    fn the_log_says_what_to_do_and_never_a_ticket() {
        let gone = seen(404, r#"{"type":"urn:ropeline:problem:unknown-event","detail":"no such event"}"#);
        assert!(
            gone.detail().contains("unknown-event: no such event; make the canary's event again"),
            "{}",
            gone.detail()
        );
        assert!(!given(7).detail().contains("e30."));
        let passing = seen(200, r#"{"state":"passthrough","number":null}"#);
        assert_eq!(passing.detail(), r#"200, state "passthrough", number null"#);
    }
}
