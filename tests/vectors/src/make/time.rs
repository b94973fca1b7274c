//! Times: expired, not yet, nonsense.

use serde_json::json;

use super::{reject, saying, with};
use crate::{EXPIRES, ISSUED, Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let between = |iat: u64, exp: u64| saying(&with(with(good_claims(), "iat", json!(iat)), "exp", json!(exp)));
    vec![
        reject("expired", between(ISSUED, ISSUED + 300), "its session was over in 2023"),
        reject("expired in 1970", between(0, 0), "zero is a time like any other"),
        reject("not yet", between(EXPIRES - 300, EXPIRES), "made in 2099: one of the clocks is wrong"),
        reject("expired before it was made", between(EXPIRES, ISSUED), "it was never good"),
        reject(
            "exp in milliseconds, iat too",
            between(ISSUED * 1_000, EXPIRES * 1_000),
            "times are seconds: this one is not yet made",
        ),
    ]
}
