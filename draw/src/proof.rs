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
pub enum ProofError {
    /// Not the body of that call.
    #[error("the proof is not the JSON of GET …/draw: {0}")]
    NotJson(#[from] serde_json::Error),
    /// No 32 bytes in hex.
    #[error("'{field}' of the proof is not 64 characters of 0-9 and a-f")]
    NotHex {
        /// Which member.
        field: &'static str,
    },
    /// Of another version.
    #[error("the proof is for '{found}'; this program knows '{}'", shuffle::ALGORITHM)]
    OtherAlgorithm {
        /// The one it names.
        found: String,
    },
    /// A part that this version does not have.
    #[error("'beacon' of the proof is not zero; '{}' has none", shuffle::ALGORITHM)]
    Beacon,
    /// More than can take part.
    #[error("'count' of the proof: {0}")]
    TooMany(#[from] shuffle::TooMany),
    /// The draw is not the one that was promised.
    #[error(
        "the seed is NOT the one committed to: the proof says {published}, but its seed has the commitment {computed}"
    )]
    OtherSeed {
        /// The commitment of the proof.
        published: String,
        /// The commitment that its seed has.
        computed: String,
    },
    /// No ticket.
    #[error("the ticket cannot be read: {0}")]
    Ticket(#[from] ropeline_ticket::TokenError),
    /// A ticket of another event.
    #[error("the ticket is for the event '{found}', the proof for '{expected}'")]
    OtherEvent {
        /// That of the ticket.
        found: String,
        /// That of the proof.
        expected: EventId,
    },
    /// A ticket without the promise.
    #[error(
        "the ticket names no commitment, although number {number} took part in the draw: use the one that enter answered with"
    )]
    NoCommitment {
        /// Its number.
        number: Number,
    },
    /// A ticket with another promise.
    #[error("the draw is NOT the one promised: the ticket names the commitment {promised}, the proof {published}")]
    OtherCommitment {
        /// In the ticket.
        promised: String,
        /// In the proof.
        published: String,
    },
    /// A ticket with another position.
    #[error("the ticket says position {told}, but the draw gives {drawn} to number {number}")]
    OtherPosition {
        /// Its number.
        number: Number,
        /// In the ticket.
        told: u64,
        /// By the proof.
        drawn: Position,
    },
}

impl ProofError {
    /// Whether everything could be read, and what it says is untrue.
    #[must_use]
    pub fn is_untrue(&self) -> bool {
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
pub struct Proof {
    /// Whose draw it is.
    pub event: EventId,
    /// What was published before the draw, in hex.
    pub commitment: String,
    /// Every position.
    pub draw: Draw,
}

impl Proof {
    /// Reads and checks the body of `GET /queue/events/{event}/draw`.
    ///
    /// # Errors
    /// [`ProofError`], [untrue](ProofError::is_untrue) when the seed is not the one committed to.
    pub fn read(json: &str) -> Result<Self, ProofError> {
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
    ///
    /// # Errors
    /// [`ProofError`] when it cannot be read, or says otherwise than the proof.
    pub fn of_ticket(&self, ticket: &str) -> Result<(Number, Position), ProofError> {
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
