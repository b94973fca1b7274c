//! The published proof of a draw, and a ticket beside it: read, then checked.
//!
//! Invariant: there is a [`Proof`] only if its seed is the one that its commitment was made from.

use ropeline_queue::shuffle::{self, Draw};
use ropeline_queue::{EventId, Number, Position, hex};
use ropeline_ticket::{TICKET_TYP, TicketClaims, jws};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Why a proof or a ticket cannot be used, or does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProofError {
    #[error("the proof is not the JSON of GET …/draw: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("'{field}' of the proof is not 64 characters of 0-9 and a-f")]
    NotHex { field: &'static str },
    #[error("the proof is for '{found}'; this program knows '{}'", shuffle::ALGORITHM)]
    OtherAlgorithm { found: String },
    #[error("'beacon' of the proof is not zero; '{}' has none", shuffle::ALGORITHM)]
    Beacon,
    #[error("'count' of the proof: {0}")]
    TooMany(#[from] shuffle::TooMany),
    #[error(
        "the seed is NOT the one committed to: the proof says {published}, but its seed has the commitment {computed}"
    )]
    OtherSeed { published: String, computed: String },
    #[error("the ticket cannot be read: {0}")]
    Ticket(#[from] ropeline_ticket::TokenError),
    #[error("the ticket is for the event '{found}', the proof for '{expected}'")]
    OtherEvent { found: String, expected: EventId },
    #[error(
        "the ticket names no commitment, although number {number} took part in the draw: use the one that enter answered with"
    )]
    NoCommitment { number: Number },
    #[error("the draw is NOT the one promised: the ticket names the commitment {promised}, the proof {published}")]
    OtherCommitment { promised: String, published: String },
    #[error("the ticket says position {told}, but the draw gives {drawn} to number {number}")]
    OtherPosition { number: Number, told: u64, drawn: Position },
}

impl ProofError {
    /// Whether everything could be read, and what it says is untrue.
    pub(crate) fn is_untrue(&self) -> bool {
        matches!(
            self,
            Self::OtherSeed { .. }
                | Self::OtherEvent { .. }
                | Self::NoCommitment { .. }
                | Self::OtherCommitment { .. }
                | Self::OtherPosition { .. }
        )
    }
}

/// As published. `cut_at` and fields of later versions play no part in the draw.
#[derive(Deserialize)]
struct Published {
    #[serde(deserialize_with = "event")]
    event: EventId,
    algorithm: String,
    commitment: String,
    seed: String,
    count: u64,
    beacon: Option<String>,
}

fn event<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventId, D::Error> {
    EventId::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A proof whose commitment holds.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) event: EventId,
    pub(crate) commitment: String,
    pub(crate) draw: Draw,
}

impl Proof {
    /// Reads and checks the body of `GET /queue/events/{event}/draw`.
    pub(crate) fn read(json: &str) -> Result<Self, ProofError> {
        let published: Published = serde_json::from_str(json)?;
        if published.algorithm != shuffle::ALGORITHM {
            return Err(ProofError::OtherAlgorithm { found: published.algorithm });
        }
        let bytes = |field, text: &str| hex::decode::<32>(text).ok_or(ProofError::NotHex { field });
        let commitment = bytes("commitment", &published.commitment)?;
        let seed = bytes("seed", &published.seed)?;
        if let Some(beacon) = published.beacon
            && bytes("beacon", &beacon)? != shuffle::BEACON
        {
            return Err(ProofError::Beacon);
        }
        let computed = shuffle::commitment(&published.event, &seed);
        if computed != commitment {
            let computed = hex::encode(&computed);
            return Err(ProofError::OtherSeed { published: published.commitment, computed });
        }
        let draw = Draw::new(&published.event, &seed, published.count)?;
        Ok(Self { event: published.event, commitment: published.commitment, draw })
    }

    /// The number and position of a ticket that was given under this commitment, or after the draw. Its signature is not
    /// checked here: that takes the keys of the waiting room.
    pub(crate) fn of_ticket(&self, ticket: &str) -> Result<(Number, Position), ProofError> {
        let claims: TicketClaims = jws::parse(ticket.trim(), TICKET_TYP)?.claims()?;
        if claims.evt != self.event.as_str() {
            return Err(ProofError::OtherEvent { found: claims.evt, expected: self.event.clone() });
        }
        let number = Number(claims.num);
        match claims.com {
            Some(promised) if promised != self.commitment => {
                return Err(ProofError::OtherCommitment { promised, published: self.commitment.clone() });
            }
            None if claims.num <= self.draw.count() => return Err(ProofError::NoCommitment { number }),
            _ => {}
        }
        let drawn = self.draw.position(number);
        match claims.pos {
            Some(told) if told != drawn.get() => Err(ProofError::OtherPosition { number, told, drawn }),
            _ => Ok((number, drawn)),
        }
    }
}
