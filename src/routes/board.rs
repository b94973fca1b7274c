//! `GET /queue/events/{event}`: the board, public and cacheable; and `/draw`: the proof of a draw.

use ropeline_queue::json::{self, ToJson};
use ropeline_queue::wire::Shuffle;
use ropeline_queue::{UnixMillis, hex, shuffle};

use super::Context;
use crate::boards::{self, Copy};
use crate::http::problem::{Problem, Slug};
use crate::http::reply::{Caching, Reply};

/// 200 *board*, or 304.
pub async fn board(c: &Context, id: &str) -> Result<Reply, Problem> {
    let event = c.event(id).await?;
    let copy = boards::get(&c.env, &event).await?;
    // Without the time: what says the same is the same.
    let body = public(&copy);
    let etag = etag(&body);
    if matches(c, &etag) {
        return Ok(Reply::empty(304).public(1).with("etag", etag));
    }
    let body = json::extended(&[("event", &event.id), ("updated_at", &copy.board.updated_at.rfc3339())], &body);
    Ok(Reply::of(200, body).public(1).with("etag", etag))
}

/// What the public sees, but for the event's name and the time.
fn public(copy: &Copy) -> String {
    let board = &*copy.board;
    let time = |at: Option<UnixMillis>| at.map(UnixMillis::rfc3339);
    let (start, prequeue, end) =
        (time(board.event_start_time), time(board.prequeue_start_time), time(board.event_end_time));
    let shuffle = board.shuffle.as_ref().map_or_else(|| "null".to_owned(), draw_of);
    let shuffle = json::Raw(&shuffle);
    let mut members: Vec<(&str, &dyn ToJson)> = vec![
        ("version", &board.version),
        ("config_version", &board.config_version),
        ("paused", &board.paused),
        ("phase", &board.phase),
        ("queueing_method", &board.queueing_method),
        ("frontier", &board.frontier),
        ("last_number", &board.last_number),
        ("pace_per_minute", &board.pace_per_minute),
        ("event_start_time", &start),
        ("prequeue_start_time", &prequeue),
        ("event_end_time", &end),
        ("message", &board.message),
        ("shuffle", &shuffle),
    ];
    // What tells resellers how a sale goes.
    if board.public_counts {
        members.extend::<[(&str, &dyn ToJson); 5]>([
            ("waiting", &board.waiting),
            ("active_users", &board.active_users),
            ("total_active_users", &board.total_active_users),
            ("new_users_per_minute", &board.new_users_per_minute),
            ("admitted_last_minute", &board.admitted_last_minute),
        ]);
    }
    if copy.stale {
        members.push(("stale", &true));
    }
    json::object(&members)
}

/// The draw: the seed and the last number that takes part only after the cut.
fn draw_of(shuffle: &Shuffle) -> String {
    let mut members: Vec<(&str, &dyn ToJson)> = vec![("commitment", &shuffle.commitment)];
    if let (Some(seed), Some(count)) = (&shuffle.seed, &shuffle.count) {
        members.extend::<[(&str, &dyn ToJson); 2]>([("seed", seed), ("count", count)]);
    }
    json::object(&members)
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
    let body = json::object(&[
        ("event", &event.id),
        ("algorithm", &shuffle::ALGORITHM),
        ("commitment", &shuffle.commitment),
        ("seed", seed),
        ("count", &count),
        ("beacon", &hex::encode(&shuffle::BEACON)),
        ("cut_at", &cut_at.rfc3339()),
    ]);
    let mut reply = Reply::of(200, body);
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
