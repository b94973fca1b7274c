//! `ropeline draw verify`: the draw of an event, recomputed from its published proof.
//!
//! Invariant: it takes no key and trusts no position the Worker tells; the commitment must be the one of seed, board and, when given,
//! the one noted before the opening.

use ropeline_draw::{Proof, ProofError};
use ropeline_queue::{EventId, Number};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::options::{Draw, Global};
use crate::output;

/// Verifies.
pub async fn run(global: &Global, draw: &Draw) -> Result<(), Failure> {
    let Draw::Verify { event, number, commitment } = draw;
    let client = Client::public(global)?;
    let proof = client.get(&format!("/events/{event}/draw")).await?.body;
    let board = client.get(&format!("/events/{event}")).await?.body;
    let promised = [
        ("the board", board.get("shuffle").and_then(|shuffle| shuffle.get("commitment")).and_then(Value::as_str)),
        ("--commitment", commitment.as_deref()),
    ];
    let proof = verify(event, &proof, &promised).map_err(Failure::Failed)?;
    let positions: Vec<(Number, u64)> =
        number.iter().map(|number| (Number(*number), proof.draw.position(Number(*number)).get())).collect();
    if global.json {
        let positions: Vec<Value> =
            positions.iter().map(|(number, position)| json!({"number": number.get(), "position": position})).collect();
        return output::json(&json!({
            "event": event.as_str(), "holds": true, "commitment": proof.commitment, "count": proof.draw.count(), "positions": positions,
        }));
    }
    output::say(format!(
        "{event}: the draw holds: the seed is the one committed to, {}; {} took part",
        proof.commitment,
        proof.draw.count()
    ))?;
    for (number, position) in positions {
        let late = if number.get() > proof.draw.count() { " (came after the draw)" } else { "" };
        output::say(format!("number {number} has position {position}{late}"))?;
    }
    Ok(())
}

/// The proof, when it holds against all that was promised; else what is wrong.
fn verify(event: &EventId, body: &Value, promised: &[(&str, Option<&str>)]) -> Result<Proof, String> {
    let proof = Proof::read(&body.to_string()).map_err(|error: ProofError| match error.is_untrue() {
        true => format!("the draw does NOT hold: {error}"),
        false => error.to_string(),
    })?;
    if proof.event != *event {
        return Err(format!("the draw does NOT hold: the proof is for '{}', not for '{event}'", proof.event));
    }
    for (by, commitment) in promised {
        let Some(commitment) = commitment else { continue };
        if !commitment.eq_ignore_ascii_case(&proof.commitment) {
            return Err(format!(
                "the draw does NOT hold: the proof has the commitment {}, and {by} says {commitment}",
                proof.commitment
            ));
        }
    }
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ropeline_queue::{hex, shuffle};

    fn proof(event: &EventId) -> Value {
        let seed = [7; 32];
        let commitment = hex::encode(&shuffle::commitment(event, &seed));
        json!({
            "event": event.as_str(), "algorithm": shuffle::ALGORITHM, "commitment": commitment, "seed": hex::encode(&seed), "count": 5,
            "beacon": "00".repeat(32), "cut_at": "2026-11-22T20:00:00.000Z",
        })
    }

    #[test]
    fn a_draw_holds_against_everything_that_was_promised_or_not_at_all() {
        let event = EventId::parse("demo").unwrap();
        let good = proof(&event);
        let commitment = good["commitment"].as_str().unwrap().to_owned();
        let board = |commitment| [("the board", commitment), ("--commitment", None)];
        assert_eq!(verify(&event, &good, &board(Some(commitment.as_str()))).unwrap().draw.count(), 5);
        assert!(verify(&event, &good, &board(None)).is_ok());
        let said = verify(&event, &good, &board(Some("ab"))).unwrap_err();
        assert!(said.contains("NOT hold") && said.contains("the board says ab"), "{said}");
        let mut tampered = good.clone();
        tampered["seed"] = json!("ff".repeat(32));
        assert!(verify(&event, &tampered, &board(None)).unwrap_err().contains("NOT hold"));
        let other = EventId::parse("other").unwrap();
        assert!(verify(&event, &proof(&other), &board(None)).unwrap_err().contains("for 'other'"));
        assert!(
            !verify(&event, &Value::Null, &board(None)).unwrap_err().contains("NOT hold"),
            "unreadable is not untrue"
        );
    }
}
