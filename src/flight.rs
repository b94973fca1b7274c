//! What all requests of an isolate need, one of them asks for; the others wait for what it brings. An isolate that has just started, as many do when a
//! sale opens, would else ask for the same as often as visitors come.
//!
//! A request cannot await what another one has asked for, since the runtime ties every promise to its request. So whoever waits looks again,
//! less and less often.

use std::time::Duration;

use worker::Delay;

use crate::clock::{age_ms, now_ms};

/// Who asks may die meanwhile (its visitor hangs up): after this, milliseconds, another one asks.
pub const DEAD_MS: f64 = 1_000.0;
/// Nobody waits for longer.
const PATIENCE_MS: f64 = 2_500.0;
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(80));

/// Waits as long as another request asks; whether it is over, and not patience.
pub async fn landed(is_under_way: impl Fn() -> bool) -> bool {
    let began = now_ms();
    let mut pause = PAUSES.0;
    while is_under_way() {
        if age_ms(began) > PATIENCE_MS {
            return false;
        }
        Delay::from(pause).await;
        pause = PAUSES.1.min(pause * 2);
    }
    true
}
