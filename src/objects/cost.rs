//! What the objects cost, for measurements: with `ROPELINE_TRACE = "cost"` each answered call prints one JSON line with the rows
//! that its object wrote since the last one, by SQLite's own count. Otherwise this is one look at a flag.

use std::cell::Cell;

use worker::Env;

use super::sql::rows_written;
use crate::clock::now;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

/// An object starts: whether to count.
pub fn begin(env: &Env) {
    COUNTS.set(env.var("ROPELINE_TRACE").is_ok_and(|value| value.to_string() == "cost"));
}

/// An object has answered a call.
pub fn answered(object: &str) {
    if COUNTS.get() {
        let (at, rows) = (now(), rows_written() as u64);
        worker::console_log!(r#"{{"trace":"cost","at":{at},"object":"{object}","rows":{rows}}}"#);
    }
}
