//! The time of this isolate, for ages and timeouts. It orders nothing, it may stand still while code runs, and it may step.

use ropeline_queue::UnixMillis;

/// Milliseconds since 1970.
pub fn now_ms() -> f64 {
    worker::js_sys::Date::now()
}

/// The same as the engine takes it.
pub fn now() -> UnixMillis {
    UnixMillis(now_ms() as u64)
}

/// How long ago that was, milliseconds. After a step back of the clock what is of the future is as old as can be: taken for young, it
/// would stay so until the clock has caught up.
pub fn age_ms(since: f64) -> f64 {
    let age = now_ms() - since;
    if age < 0.0 { f64::INFINITY } else { age }
}
