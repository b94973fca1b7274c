//! `GET /queue/events/{event}`: the board, public and cacheable; and `/draw`: the proof of a draw.

use ropeline_queue::settings::QueueingMethod;
use ropeline_queue::wire::{Board, Paused, Phase};
use ropeline_queue::{UnixMillis, hex, shuffle};
use serde::Serialize;
use serde_json::json;

use super::Context;
use crate::boards;
use crate::http::problem::{Problem, Slug};
use crate::http::reply::{Caching, Reply};

/// What the public sees.
#[derive(Serialize)]
struct PublicBoard<'a> {
    event: &'a str,
    version: u64,
    config_version: u64,
    paused: Option<Paused>,
    phase: Phase,
    queueing_method: QueueingMethod,
    frontier: u64,
    last_number: u64,
    pace_per_minute: Option<u64>,
    event_start_time: Option<String>,
    prequeue_start_time: Option<String>,
    event_end_time: Option<String>,
    message: &'a str,
    shuffle: Option<PublicShuffle<'a>>,
    #[serde(flatten)]
    counts: Option<Counts>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

/// The draw: the seed and the last number that takes part only after the cut.
#[derive(Serialize)]
struct PublicShuffle<'a> {
    commitment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

/// What tells resellers how a sale goes: only with `public_counts`.
#[derive(Serialize)]
struct Counts {
    waiting: u64,
    active_users: u64,
    total_active_users: u64,
    new_users_per_minute: u64,
    admitted_last_minute: u64,
}

impl Counts {
    const fn of(board: &Board) -> Self {
        Self {
            waiting: board.waiting,
            active_users: board.active_users,
            total_active_users: board.total_active_users,
            new_users_per_minute: board.new_users_per_minute,
            admitted_last_minute: board.admitted_last_minute,
        }
    }
}

/// 200 *board*, or 304.
pub async fn board(c: &Context, id: &str) -> Result<Reply, Problem> {
    let event = c.event(id).await?;
    let copy = boards::get(&c.env, &event).await?;
    let board = &*copy.board;
    let mut body = PublicBoard {
        event: event.id.as_str(),
        version: board.version,
        config_version: board.config_version,
        paused: board.paused,
        phase: board.phase,
        queueing_method: board.queueing_method,
        frontier: board.frontier,
        last_number: board.last_number,
        pace_per_minute: board.pace_per_minute,
        event_start_time: board.event_start_time.map(UnixMillis::rfc3339),
        prequeue_start_time: board.prequeue_start_time.map(UnixMillis::rfc3339),
        event_end_time: board.event_end_time.map(UnixMillis::rfc3339),
        message: &board.message,
        shuffle: board.shuffle.as_ref().map(|shuffle| PublicShuffle {
            commitment: &shuffle.commitment,
            seed: shuffle.seed.as_deref(),
            count: shuffle.count,
        }),
        counts: board.public_counts.then(|| Counts::of(board)),
        stale: copy.stale,
        updated_at: None,
    };
    // Without the time: what says the same is the same.
    let etag = etag(&serde_json::to_string(&body).map_err(Problem::internal)?);
    if matches(c, &etag) {
        return Ok(Reply::empty(304).public(1).with("etag", etag));
    }
    body.updated_at = Some(board.updated_at.rfc3339());
    Ok(Reply::json(200, &body)?.public(1).with("etag", etag))
}

/// The draw's proof, from which anybody recomputes every position; 404 before the cut.
pub async fn draw(c: &Context, id: &str) -> Result<Reply, Problem> {
    let event = c.event(id).await?;
    let copy = boards::get(&c.env, &event).await?;
    let Some(shuffle) = &copy.board.shuffle else {
        return Err(Problem::new(
            Slug::NotFound,
            "this event draws no order: positions are numbers ('shuffle_at_event_start' is off)",
        ));
    };
    let (Some(seed), Some(count), Some(cut_at)) = (&shuffle.seed, shuffle.count, shuffle.cut_at) else {
        return Err(Problem::new(
            Slug::NotFound,
            "the order is drawn when the event opens; until then the board has its commitment, ask again after 'event_start_time'",
        ));
    };
    let body = json!({
        "event": event.id,
        "algorithm": shuffle::ALGORITHM,
        "commitment": shuffle.commitment,
        "seed": seed,
        "count": count,
        "beacon": hex::encode(&shuffle::BEACON),
        "cut_at": cut_at.rfc3339(),
    });
    let mut reply = Reply::json(200, &body)?;
    let etag = etag(reply.body.as_deref().unwrap_or_default());
    if matches(c, &etag) {
        reply = Reply::empty(304);
    }
    reply.caching = Caching::Immutable;
    Ok(reply.with("etag", etag))
}

/// A weak tag that changes with the text.
pub fn etag(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("W/\"{hash:016x}\"")
}

/// Whether the caller has this tag already (`If-None-Match`, RFC 9110 §13.1.2).
pub fn matches(c: &Context, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let given = c.call.header("if-none-match").unwrap_or_default();
    given.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}
