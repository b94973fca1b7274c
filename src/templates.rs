//! The isolate's copies of the pages that operators have put around the room.
//!
//! The directory says of each event which version of its own page it has, if any. Only where the copy is an older one the line is asked:
//! a view of the page costs no object anything. One request asks, and the others are served the last copy meanwhile, or else our own
//! page, as they are when the line cannot be asked.

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
/// Nobody else asks for so long: the one who does may have died, or the line may not answer.
const AGAIN_MS: f64 = 2_000.0;
/// Copies kept at most: of 64 KiB each, a fraction of what an isolate has.
const MOST_COPIES: usize = 100;

struct Kept {
    version: u64,
    own: Option<Rc<Own>>,
    /// Which version the line was asked for last, and when.
    asked: (u64, f64),
}

thread_local! {
    static TEMPLATES: RefCell<HashMap<EventId, Kept>> = RefCell::default();
}

/// The event's own page; none: ours is to be shown.
pub async fn get(env: &Env, event: &Event) -> Option<Rc<Own>> {
    let wanted = event.settings.page?;
    let kept = TEMPLATES.with_borrow_mut(|templates| {
        if templates.len() >= MOST_COPIES && !templates.contains_key(&event.id) {
            templates.clear();
        }
        let never = || Kept { version: 0, own: None, asked: (0, f64::NEG_INFINITY) };
        let kept = templates.entry(event.id.clone()).or_insert_with(never);
        let (version, at) = kept.asked;
        if kept.version >= wanted || (version >= wanted && age_ms(at) < AGAIN_MS) {
            return Some(kept.own.clone());
        }
        kept.asked = (wanted, now_ms());
        None
    });
    if let Some(own) = kept {
        return own;
    }
    let line = Address::line(event.id.as_str());
    let answer = call_once(env, line, Message::of(&LineCommand::Page), BOUND).await;
    let (version, own) = match answer.and_then(Answer::read::<Option<PageRow>>) {
        // It was read when it was uploaded; by an earlier version, perhaps.
        Ok(Some(PageRow { version, html })) => match Own::read(&html) {
            Ok(own) => (version, Some(Rc::new(own))),
            Err(fault) => {
                worker::console_error!("templates: the page of {}: {fault}", event.id);
                (version, None)
            }
        },
        // Taken away a moment ago: the directory will say so.
        Ok(None) => (wanted, None),
        Err(error) => {
            worker::console_warn!("templates: {error}");
            return TEMPLATES.with_borrow_mut(|templates| {
                let kept = templates.get_mut(&event.id)?;
                kept.asked.1 = now_ms();
                kept.own.clone()
            });
        }
    };
    TEMPLATES.with_borrow_mut(|templates| {
        let kept = Kept { version, own: own.clone(), asked: (wanted, now_ms()) };
        templates.insert(event.id.clone(), kept);
    });
    own
}
