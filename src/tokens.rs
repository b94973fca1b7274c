//! Tickets and passes as this deployment makes them.

use ropeline_queue::{Number, Seq, UnixMillis, Visitor};
use ropeline_ticket::claims::{AdmittedBy, PASS_TYP, PassClaims, TICKET_TYP, TicketClaims, pass_jti, passthrough_jti};

use crate::clock;
use crate::deployment::Deployment;
use crate::directory::Event;
use crate::http::problem::Problem;

/// How long a ticket of an event without an end lasts, seconds.
const TICKET_SECONDS: u64 = 24 * 60 * 60;
/// How long a ticket outlives its event, seconds.
const AFTER_THE_END_SECONDS: u64 = 60 * 60;
/// A poll gets a new ticket when that lasts this much longer, seconds.
const REISSUE_SECONDS: u64 = 10 * 60;

/// A token and when it ends, seconds since 1970.
pub struct Token {
    /// Compact JWS.
    pub text: String,
    /// `exp`.
    pub exp: u64,
}

/// The Worker's time, seconds since 1970. It dates tokens; it orders nothing.
pub fn now_seconds() -> u64 {
    clock::now().second()
}

/// A place as its ticket says it.
pub struct Place {
    /// The visitor.
    pub sub: String,
    /// The number given at enter.
    pub number: Number,
    /// What the event had committed itself to before a draw.
    pub commitment: Option<String>,
    /// The position, where a draw has given one.
    pub position: Option<u64>,
}

/// When a ticket made now ends, seconds.
fn ticket_ends(event: &Event) -> u64 {
    let end = event.settings.event_end_time.map(|end| end.second() + AFTER_THE_END_SECONDS);
    end.unwrap_or_else(|| now_seconds() + TICKET_SECONDS)
}

/// A ticket for this place.
pub async fn ticket(deployment: &Deployment, event: &Event, place: Place) -> Result<Token, Problem> {
    let exp = ticket_ends(event);
    let iat = now_seconds().min(exp);
    let issuer = &deployment.issuer;
    let mut claims = TicketClaims {
        iss: issuer.clone(),
        aud: issuer.clone(),
        sub: place.sub,
        evt: event.id.to_string(),
        num: place.number.get(),
        com: place.commitment,
        pos: place.position,
        iat,
        exp,
        jti: String::new(),
    };
    claims.jti = deployment.mac.jti(&claims);
    let text = deployment.keys.sign(TICKET_TYP, &claims).await.map_err(Problem::internal)?;
    Ok(Token { text, exp })
}

/// Whether a ticket made now would last long enough to be worth it.
pub fn is_due(event: &Event, exp: u64) -> bool {
    ticket_ends(event) >= exp + REISSUE_SECONDS
}

/// The pass of this admission. Every pass of it has the same `jti`.
pub async fn pass(
    deployment: &Deployment,
    event: &Event,
    visitor: &Visitor,
    number: Number,
    seq: Seq,
    session_expires_at: UnixMillis,
) -> Result<Token, Problem> {
    // Rounded down: the slot is kept 30 s beyond the session's end, so also beyond what a verifier's leeway gives.
    let exp = session_expires_at.second();
    let jti = pass_jti(event.id.as_str(), seq.get());
    let claims = PassClaims {
        num: Some(number.get()),
        seq: Some(seq.get()),
        ..blank(deployment, event, visitor.to_string(), exp, jti)
    };
    sign(deployment, &claims).await
}

/// A pass for somebody who needs no place, for as long as a session would last.
pub async fn passthrough(deployment: &Deployment, event: &Event, sub: String) -> Result<Token, Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(Problem::internal)?;
    let exp = now_seconds() + event.settings.session_duration_seconds;
    let blank = blank(deployment, event, sub, exp, passthrough_jti(&random));
    sign(deployment, &PassClaims { adm: Some(AdmittedBy::Passthrough), ..blank }).await
}

fn blank(deployment: &Deployment, event: &Event, sub: String, exp: u64, jti: String) -> PassClaims {
    PassClaims {
        iss: deployment.issuer.clone(),
        aud: event.settings.audience.clone(),
        sub,
        evt: event.id.to_string(),
        num: None,
        seq: None,
        adm: None,
        iat: now_seconds().min(exp),
        exp,
        jti,
    }
}

async fn sign(deployment: &Deployment, claims: &PassClaims) -> Result<Token, Problem> {
    let exp = claims.exp;
    let text = deployment.keys.sign(PASS_TYP, claims).await.map_err(Problem::internal)?;
    Ok(Token { text, exp })
}
