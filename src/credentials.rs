//! What a visitor shows: the ticket, the visitor key, the pass.
//!
//! A ticket or pass comes as bearer or in its cookie, never in a URL; the bearer wins. Whatever changes something needs the visitor
//! key (or the shop's assertion) beside the ticket, and if a cookie vouches for anything, the request must come from a page of this
//! very origin.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_queue::settings::VisitorIdentity;
use ropeline_queue::{Account, Number, Subject, Visitor};
use ropeline_ticket::check::{Expect, TokenError};
use ropeline_ticket::claims::{PASS_TYP, PassClaims, TICKET_TYP, TicketClaims};
use ropeline_ticket::jws;

use crate::assertions;
use crate::deployment::Deployment;
use crate::directory::Event;
use crate::http::cookies::{self, Purpose};
use crate::http::problem::{Problem, Slug};
use crate::http::request::Call;
use crate::tokens::now_seconds;

/// How far the clock of the isolate that made a token may be ahead of this one's, seconds.
const SKEW_SECONDS: u64 = 5;
/// How long a browser keeps its visitor key.
const VISITOR_SECONDS: u64 = 30 * 24 * 60 * 60;

/// A ticket that was shown, and how.
pub struct ShownTicket {
    /// What it says; signature or MAC have been checked as told.
    pub claims: TicketClaims,
    /// Whether it came in a cookie.
    pub by_cookie: bool,
}

/// How far a ticket is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By the MAC in its `jti`: enough to answer a question, and done in microseconds.
    Mac,
    /// By its signature: whatever changes something.
    Signature,
}

/// The event that a bearer ticket or pass names, before anything of it is believed: only to find its settings.
pub fn event_of_bearer(call: &Call) -> Option<String> {
    let bearer = call.bearer()?;
    let parsed = jws::parse(&bearer, TICKET_TYP).or_else(|_| jws::parse(&bearer, PASS_TYP)).ok()?;
    let claims: serde_json::Value = parsed.claims().ok()?;
    claims.get("evt")?.as_str().map(str::to_owned)
}

/// The ticket shown for this event.
pub async fn ticket(deployment: &Deployment, call: &Call, event: &Event, proof: Proof) -> Result<ShownTicket, Problem> {
    let bearer = call.bearer();
    let by_cookie = bearer.is_none();
    let cookie = || call.cookie(&cookies::name(deployment, Purpose::Ticket, event.id.as_str())).map(str::to_owned);
    let text = bearer.or_else(cookie).ok_or_else(|| {
        Problem::new(
            Slug::TicketMissing,
            "send the ticket as 'Authorization: Bearer …' or in its cookie; enter gives one",
        )
    })?;
    let token = jws::parse(&text, TICKET_TYP).map_err(refuse)?;
    let claims: TicketClaims = token.claims().map_err(refuse)?;
    match proof {
        Proof::Mac if deployment.mac.check(&claims) => {}
        Proof::Mac => return Err(refuse(TokenError::BadSignature)),
        Proof::Signature => deployment.keys.verify(&token).await.map_err(refuse)?,
    }
    let expect = expect(deployment, event, &deployment.issuer);
    expect.check(&claims).map_err(refuse)?;
    Ok(ShownTicket { claims, by_cookie })
}

/// The pass shown for this event: the bearer, where that is a pass, or the cookie's.
pub async fn pass(
    deployment: &Deployment,
    call: &Call,
    event: &Event,
    bearer_too: bool,
) -> Result<PassClaims, Problem> {
    let bearer = if bearer_too { call.bearer() } else { None };
    let cookie = || call.cookie(&cookies::name(deployment, Purpose::Pass, event.id.as_str())).map(str::to_owned);
    let text = bearer.or_else(cookie).ok_or_else(|| {
        Problem::new(
            Slug::TicketMissing,
            "send the pass as 'Authorization: Bearer …' or in its cookie; claim gives one",
        )
    })?;
    check_pass(deployment, event, &text).await
}

/// What a pass of this event says: signature, audience, event and times have been checked.
pub async fn check_pass(deployment: &Deployment, event: &Event, text: &str) -> Result<PassClaims, Problem> {
    let token = jws::parse(text, PASS_TYP).map_err(refuse)?;
    let claims: PassClaims = token.claims().map_err(refuse)?;
    deployment.keys.verify(&token).await.map_err(refuse)?;
    // Said before the audience, which differs with the event as a rule: this is the clearer answer.
    if claims.evt != event.id.as_str() {
        return Err(refuse(TokenError::WrongEvent));
    }
    expect(deployment, event, &event.settings.audience).check(&claims).map_err(refuse)?;
    Ok(claims)
}

fn expect<'a>(deployment: &'a Deployment, event: &'a Event, audience: &'a str) -> Expect<'a> {
    Expect {
        issuer: &deployment.issuer,
        audience,
        event: event.id.as_str(),
        now_seconds: now_seconds(),
        leeway_seconds: SKEW_SECONDS,
    }
}

/// What a visitor shows of itself beside the ticket: its secret key or, in an event of accounts, the shop's assertion. In the header,
/// or in its cookie with proof that the request comes from a page of this origin.
pub fn secret(deployment: &Deployment, call: &Call, event: &Event) -> Result<String, Problem> {
    if let Some(secret) = call.header("ropeline-visitor") {
        return Ok(secret);
    }
    let (purpose, missing) = match event.settings.visitor_identity {
        VisitorIdentity::Secret => (
            Purpose::Visitor,
            "send the visitor key that was used at enter as header 'Ropeline-Visitor' or in its cookie",
        ),
        VisitorIdentity::Asserted => (
            Purpose::Assertion,
            "this event is for accounts of the shop: send its assertion as header 'Ropeline-Visitor' or in its cookie",
        ),
    };
    let secret = call
        .cookie(&cookies::name(deployment, purpose, event.id.as_str()))
        .ok_or_else(|| Problem::new(Slug::VisitorMissing, missing))?;
    same_origin(call)?;
    Ok(secret.to_owned())
}

/// Who shows this key or this assertion.
pub async fn visitor(event: &Event, secret: &str) -> Result<Visitor, Problem> {
    match event.settings.visitor_identity {
        VisitorIdentity::Secret => Subject::of_visitor(&event.salt, secret)
            .map(Visitor::from)
            .map_err(|error| Problem::field(Slug::MalformedRequest, "visitor", error.to_string())),
        VisitorIdentity::Asserted => Ok(of_account(event, assertions::account(event, secret).await?)),
    }
}

/// Whom a token of this event names.
pub fn named(event: &Event, sub: &str) -> Option<Visitor> {
    match event.settings.visitor_identity {
        VisitorIdentity::Secret => Subject::parse(sub).map(Visitor::from).ok(),
        VisitorIdentity::Asserted => Account::parse(sub).map(|account| of_account(event, account)).ok(),
    }
}

fn of_account(event: &Event, account: Account) -> Visitor {
    Visitor { sub: Subject::of_account(&event.salt, &account), account: Some(account) }
}

/// A browser that comes to see a page, which is no call and changes nothing of whoever is sent to it.
pub struct Browser {
    /// By its key or assertion; somebody whom nobody knows, if it shows neither.
    pub visitor: Visitor,
    /// The cookie with a visitor key, for one that had none.
    pub new_key: Option<String>,
    /// Whether it can be given a place: in an event of accounts only with an assertion.
    pub may_enter: bool,
}

/// The browser that asks.
pub async fn browser(deployment: &Deployment, call: &Call, event: &Event) -> Result<Browser, Problem> {
    let id = event.id.as_str();
    let is_open = event.settings.visitor_identity == VisitorIdentity::Secret;
    let purpose = if is_open { Purpose::Visitor } else { Purpose::Assertion };
    if let Some(secret) = call.cookie(&cookies::name(deployment, purpose, id))
        && let Ok(visitor) = visitor(event, secret).await
    {
        return Ok(Browser { visitor, new_key: None, may_enter: true });
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(Problem::internal)?;
    let key = URL_SAFE_NO_PAD.encode(key);
    let visitor = Subject::of_visitor(&event.salt, &key).map_err(Problem::internal)?.into();
    let new_key = is_open.then(|| cookies::set(deployment, Purpose::Visitor, id, &key, VISITOR_SECONDS));
    Ok(Browser { visitor, new_key, may_enter: is_open })
}

/// Refuses a request that a foreign page may have made with this visitor's cookies.
pub fn same_origin(call: &Call) -> Result<(), Problem> {
    if call.is_same_origin() {
        return Ok(());
    }
    Err(Problem::new(
        Slug::Forbidden,
        "cookies only vouch for requests of pages of this very origin; elsewhere send the ticket as bearer and the key as 'Ropeline-Visitor'",
    ))
}

/// A place whose holder has shown both ticket and key.
pub struct Holder {
    /// Who.
    pub visitor: Visitor,
    /// Which place.
    pub number: Number,
    /// Its position, where the ticket says it.
    pub position: Option<u64>,
    /// The end of the ticket shown, seconds.
    pub ticket_exp: u64,
    /// Whether the ticket came in a cookie, so that the pass should go into one.
    pub by_cookie: bool,
}

/// Checks ticket and visitor key of a call that changes something.
pub async fn holder(deployment: &Deployment, call: &Call, event: &Event) -> Result<Holder, Problem> {
    let ticket = ticket(deployment, call, event, Proof::Signature).await?;
    if ticket.by_cookie {
        same_origin(call)?;
    }
    let secret = secret(deployment, call, event)?;
    let mismatch = || {
        let detail = match event.settings.visitor_identity {
            VisitorIdentity::Secret => {
                "the visitor key is not the one this ticket was given for; send the one used at enter"
            }
            VisitorIdentity::Asserted => {
                "the assertion is for another account than this ticket; enter with it to find that account's place"
            }
        };
        Problem::new(Slug::VisitorMismatch, detail)
    };
    let visitor = match visitor(event, &secret).await {
        Ok(visitor) => visitor,
        // No key at all: not the one, then.
        Err(problem) if problem.slug == Slug::MalformedRequest => return Err(mismatch()),
        Err(problem) => return Err(problem),
    };
    if visitor.to_string() != ticket.claims.sub {
        return Err(mismatch());
    }
    let ShownTicket { claims, by_cookie } = ticket;
    Ok(Holder { visitor, number: Number(claims.num), position: claims.pos, ticket_exp: claims.exp, by_cookie })
}

fn refuse(error: TokenError) -> Problem {
    match error {
        TokenError::Expired { .. } => {
            Problem::new(Slug::TicketExpired, "it has expired; nothing is lost: enter again with the same visitor key")
        }
        TokenError::WrongEvent => {
            Problem::new(Slug::WrongEvent, "it is for another event; use the one that this event gave")
        }
        other => Problem::new(
            Slug::TicketInvalid,
            format!("{other}; use the token as it was given, or enter again with the same visitor key"),
        ),
    }
}
