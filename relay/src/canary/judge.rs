//! What an answer to the canary is worth. Pure: an answer in, an [`Outcome`] out.
//!
//! Invariant: of one visitor who takes a new place each time, the numbers only grow; and what `status` says of a ticket is the number that
//! came with it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Outcome;

/// An answer as it came, or why there was none: whether time was up, and what the network said.
#[derive(Debug)]
pub struct Seen {
    pub answer: Result<(u16, Vec<u8>), (bool, String)>,
    pub took: Duration,
}

impl Seen {
    /// For the log: status and what a problem says, or why there was no answer. Never a ticket.
    pub fn detail(&self) -> String {
        match &self.answer {
            Err((_, cause)) => cause.clone(),
            Ok((status, body)) => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let kind = body["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or("no problem+json");
                let remedy = match kind {
                    "unknown-event" => {
                        "; make the canary's event again, with \"test\": true, or name another in canary.event"
                    }
                    "event-ended" | "sold-out" => {
                        "; the canary's event is over: make another and name it in canary.event"
                    }
                    _ => "",
                };
                format!("{status} {kind}: {}{remedy}", body["detail"].as_str().unwrap_or_default())
            }
        }
    }

    fn refused(&self, good: &[u16]) -> Result<Value, Outcome> {
        match &self.answer {
            Err((true, _)) => Err(Outcome::Timeout),
            Err((false, _)) => Err(Outcome::Unreachable),
            Ok((status, body)) if good.contains(status) => Ok(serde_json::from_slice(body).unwrap_or_default()),
            Ok((429 | 503, _)) => Err(Outcome::Refused),
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

/// Remembers the last number.
#[derive(Debug, Default)]
pub struct Judge {
    last: u64,
}

impl Judge {
    /// The answer to enter.
    pub fn entered(&mut self, seen: &Seen) -> (Outcome, Option<Place>) {
        let body = match seen.refused(&[200, 201]) {
            Ok(body) => body,
            Err(outcome) => return (outcome, None),
        };
        match place(&body).filter(|place| place.number >= self.last) {
            Some(place) => {
                self.last = place.number;
                (Outcome::Ok, Some(place))
            }
            None => (Outcome::Wrong, None),
        }
    }

    /// The answer to status, for the ticket of this number.
    pub fn told(seen: &Seen, number: u64) -> Outcome {
        match seen.refused(&[200]) {
            Ok(body) if body["number"].as_u64() == Some(number) => Outcome::Ok,
            Ok(_) => Outcome::Wrong,
            Err(outcome) => outcome,
        }
    }

    /// The answer to leave.
    pub fn left(seen: &Seen) -> Outcome {
        seen.refused(&[204]).map_or_else(|outcome| outcome, |_| Outcome::Ok)
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
        Seen { answer: Ok((status, body.as_bytes().to_vec())), took: Duration::ZERO }
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
        assert_eq!(Judge::left(&seen(204, "")), Outcome::Ok);
        assert_eq!(Judge::left(&seen(200, "")), Outcome::Failed);
    }

    #[test]
    fn being_told_to_wait_is_another_thing_than_no_answer() {
        let mut judge = Judge::default();
        for (status, outcome) in
            [(429, Outcome::Refused), (503, Outcome::Refused), (404, Outcome::Failed), (500, Outcome::Failed)]
        {
            assert_eq!(judge.entered(&seen(status, "")).0, outcome);
        }
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
    }
}
