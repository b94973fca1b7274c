//! The isolate's copies of the pages that operators have put around the room.
//!
//! The directory says of each event which version of its own page it has, if any. Only where the copy is an older one the line is asked:
//! a view of the page costs no object anything. When the line cannot be asked the last copy serves, or else our own page does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use ropeline_queue::EventId;
use worker::Env;

use crate::clock::{age_ms, now_ms};
use crate::directory::Event;
use crate::objects::call::{Address, Answer, Message, call_once};
use crate::objects::command::{LineCommand, PageRow};
use crate::page::own::Own;

/// Nobody waits longer than that for looks.
const BOUND: Duration = Duration::from_secs(2);
/// A line that does not answer is left alone for so long.
const AGAIN_MS: f64 = 2_000.0;
/// Copies kept at most: of 64 KiB each, a fraction of what an isolate has.
const MOST_COPIES: usize = 100;

struct Kept {
    version: u64,
    own: Option<Rc<Own>>,
    /// When the line was asked last, and did not answer.
    failed: f64,
}

thread_local! {
    static TEMPLATES: RefCell<HashMap<EventId, Kept>> = RefCell::default();
}

/// The event's own page; none: ours is to be shown.
pub async fn get(env: &Env, event: &Event) -> Option<Rc<Own>> {
    let wanted = event.settings.page?;
    let kept = TEMPLATES.with_borrow(|templates| {
        let Kept { version, own, failed } = templates.get(&event.id)?;
        (*version >= wanted || age_ms(*failed) < AGAIN_MS).then(|| own.clone())
    });
    if let Some(own) = kept {
        return own;
    }
    let line = Address::line(event.id.as_str());
    let answer = call_once(env, line, Message::of(&LineCommand::Page), BOUND).await;
    TEMPLATES.with_borrow_mut(|templates| {
        if templates.len() >= MOST_COPIES {
            templates.clear();
        }
        let none = || Kept { version: 0, own: None, failed: f64::NEG_INFINITY };
        let kept = templates.entry(event.id.clone()).or_insert_with(none);
        match answer.and_then(Answer::read::<Option<PageRow>>) {
            Ok(Some(PageRow { version, html })) => {
                // It was read when it was uploaded; by an earlier version, perhaps.
                let faulty = |fault| worker::console_error!("templates: the page of {}: {fault}", event.id);
                *kept = Kept { version, own: Own::read(&html).map_err(faulty).ok().map(Rc::new), ..none() };
            }
            // Taken away a moment ago: the directory will say so.
            Ok(None) => *kept = Kept { version: wanted, ..none() },
            Err(error) => {
                worker::console_warn!("templates: {error}");
                kept.failed = now_ms();
            }
        }
        kept.own.clone()
    })
}
