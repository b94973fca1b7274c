//! An event goes its way: it opens once and ends once, by the line's clock; nobody gets a place, is called or let in when that is
//! switched off; and a draw is what the event committed itself to, secret before its cut and the same for ever after it.

use ropeline_queue::UnixMillis;
use ropeline_queue::line::{Change, Course, Outcome};
use ropeline_queue::settings::QueueingMethod;
use ropeline_queue::shuffle::commitment;
use ropeline_queue::wire::{Board, Shuffle};

use super::Verdict;
use crate::plan::demo;
use crate::rows::LineRows;

/// What the public has seen.
#[derive(Debug, Default)]
pub(super) struct Way {
    drawn: Option<Shuffle>,
    commitment: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether people may be called and let in, by what is stored.
fn moves(rows: &LineRows, course: &Course) -> bool {
    let settings = &rows.configured.settings;
    let off = settings.queue_all || settings.suspended || settings.sold_out || course.pace == Some(0);
    course.opened.is_some()
        && course.ended_at.is_none()
        && !off
        && settings.queueing_method != QueueingMethod::Passthrough
}

/// Whether places may be given, by what is stored.
fn gives(rows: &LineRows, course: &Course, clk: UnixMillis) -> bool {
    let settings = &rows.configured.settings;
    let begun =
        course.opened.is_some() || settings.suspended || settings.prequeue_start_time.is_some_and(|at| at <= clk);
    begun && course.ended_at.is_none() && !settings.sold_out && settings.queueing_method != QueueingMethod::Reject
}

impl Way {
    /// A transaction of the line. Settings come in transactions of their own.
    pub(super) fn line_writes(&self, rows: &LineRows, changes: &[&Change]) -> Verdict {
        let settings = &rows.configured.settings;
        let clk = changes.iter().find_map(|change| match change {
            Change::Head(head) => Some(head.clk),
            _ => None,
        });
        let clk = clk.unwrap_or(rows.head.clk);
        let new_settings = changes.iter().any(|change| matches!(change, Change::Configured(_)));
        let mut course = rows.course;
        for change in changes {
            match change {
                Change::Course(new) => {
                    if (course.opened.is_some() && course.opened != new.opened)
                        || (course.ended_at.is_some() && course.ended_at != new.ended_at)
                        || course.seed != new.seed
                    {
                        return Err(format!("what was done is undone: {new:?} after {course:?}"));
                    }
                    let opens = new.opened.filter(|_| course.opened.is_none());
                    if let Some(opened) = opens {
                        let early = !new_settings && settings.event_start_time.is_some_and(|start| start > clk);
                        if early || opened.at != clk || opened.count != rows.head.last_number.get() {
                            return Err(format!("opens at {clk} as {opened:?}, with {}", rows.head.last_number));
                        }
                    }
                    let ends = new.ended_at.filter(|_| course.ended_at.is_none());
                    if ends.is_some_and(|_| !new_settings && settings.event_end_time.is_none_or(|end| end > clk)) {
                        return Err(format!("ends at {clk} before its time"));
                    }
                    course = *new;
                }
                Change::Called { .. } | Change::Admit(_) if !moves(rows, &course) => {
                    return Err(format!("somebody is called or let in, but {course:?} and {settings:?}"));
                }
                Change::Lane(lane, row)
                    if rows.lanes.get(lane) != Some(row)
                        && matches!(row.outcome, Some(Outcome::Range { .. }))
                        && !gives(rows, &course, clk) =>
                {
                    return Err(format!("places are given, but {course:?} and {settings:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A board has reached an isolate, from where everybody sees it.
    pub(super) fn board_is_public(&mut self, board: &Board) -> Verdict {
        let Some(shuffle) = &board.shuffle else { return Ok(()) };
        let committed = self.commitment.get_or_insert_with(|| shuffle.commitment.clone());
        if *committed != shuffle.commitment {
            return Err(format!("committed to {committed}, and now to {}", shuffle.commitment));
        }
        if shuffle.count.is_some() {
            let drawn = self.drawn.get_or_insert_with(|| shuffle.clone());
            if drawn != shuffle {
                return Err(format!("drawn was {drawn:?}, and now {shuffle:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn is_committed(&self, rows: &LineRows, told: Option<&str>) -> Verdict {
        let expected = hex(&commitment(&demo(), &rows.course.seed.0));
        match told {
            Some(told) if told != expected => {
                Err(format!("a place comes with commitment {told} instead of {expected}"))
            }
            None if rows.configured.settings.shuffle_at_event_start && rows.course.opened.is_none() => {
                Err("a place before the draw comes without a commitment".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The seed is on a board only once the cut is written.
pub(super) fn is_discreet(rows: &LineRows, board: &Board) -> Verdict {
    let Some(shuffle) = &board.shuffle else { return Ok(()) };
    let opened = rows.course.opened;
    let told = shuffle.seed.is_some() || shuffle.count.is_some();
    if told != opened.is_some() || shuffle.count != opened.map(|opened| opened.count) {
        return Err(format!("the board says {shuffle:?}, and stored is {opened:?}"));
    }
    Ok(())
}
