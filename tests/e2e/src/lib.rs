//! What the end-to-end tests share: real parts, visitors, and checkers that know nothing of the product's code.
//!
//! * [`World`] starts a Worker on the real runtime (and, when asked, the relay on a real broker) on free ports, with keys and state
//!   of its own under `target/e2e/<test>`. It is all stopped when the world is dropped; the directory stays when the test failed.
//! * [`Visitor`] is a client with its visitor key, ticket and pass.
//! * [`broker`] is the one Kafka of a test binary.
//! * [`trace`] reads what the line said about every exchange; [`checker`] rebuilds limits and order from that.
//! * [`copies`] holds what stands in Kafka against the admission log.
//! * [`order`] holds numbers against the times at which requests were sent and answered.
//! * [`overload`] brings more than can be served; [`capacity`] raises what comes until it bends.
//! * [`tokens`] forges tickets and passes with the deployment's keys, and with other ones.
//! * [`voucher`] signs assertions as a shop does.
//! * [`faults`] puts doubles between the Worker and its objects, which fail as told.
//! * [`soak`] holds a crowd's history against the promises, over kills of the runtime.
//! * [`monitoring`] runs the real Prometheus and Alertmanager with the files of `ops/`; [`scene`] is a sale before their eyes, in which
//!   [`drill`] makes things go wrong, and [`incident`] does while thousands come.
//! * [`hosts`] makes machines and networks of their own on this one.
//! * [`program`] runs what is behind a command of `cargo xtask`.
//! * [`seed`] makes random parts repeatable: `ROPELINE_SEED`.
//!
//! The tests need what `cargo xtask test e2e` installs and builds. Without it they fail and say so; they are never skipped.

pub mod broker;
pub mod capacity;
mod chart;
pub mod checker;
pub mod copies;
pub mod drill;
pub mod faults;
#[cfg(target_os = "linux")]
pub mod hosts;
pub mod incident;
pub mod monitoring;
pub mod order;
pub mod overload;
pub mod picture;
pub mod program;
mod relay_health;
pub mod scene;
pub mod seed;
pub mod soak;
pub mod tokens;
pub mod trace;
mod visitor;
pub mod voucher;
mod world;

pub use hyper::{Method, StatusCode};
pub use relay_health::HealthOf;
pub use serde_json::{Value, json};
pub use visitor::{Admission, Visitor, new_key};
pub use world::{Role, World, WorldOptions};
pub use xtask::http::{Answer, Client};

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xtask::front::Front;
use xtask::ui::Ui;

/// A panic elsewhere must not hide what failed first.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a bearer secret is called where it must not be shown: as the audit and `ropeline keys list` do.
#[must_use]
pub fn key_name(secret: &str) -> String {
    xtask::keys::sha256(secret).chars().take(8).collect()
}

/// Milliseconds since 1970, by this machine's clock: the one the runtime uses, too.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A time as the settings want it, from milliseconds since 1970.
///
/// # Panics
/// When the year is beyond all years.
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(chrono::DateTime::from_timestamp_millis).expect("a time");
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// What stands before the runtime where no CDN does, before the Worker at `worker`.
///
/// # Panics
/// When it is missing, or does not come up.
#[must_use]
pub fn front(worker: &str, dir: &Path) -> Front {
    Front::start(&Ui::quiet(), worker, dir).unwrap_or_else(|error| panic!("no nginx: {error:#}"))
}

/// Fails the test when `work` is not done in time: no test may hang.
///
/// # Panics
/// When the time is over.
pub async fn within<T>(what: &str, bound: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(bound, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not done within {} s", bound.as_secs()),
    }
}

/// Fails unless the answer is a problem of this slug with this status, in the form of RFC 9457.
///
/// # Panics
/// With the answer.
#[track_caller]
pub fn assert_problem(answer: &Answer, status: u16, slug: &str) {
    let body = answer.json();
    let text = answer.text();
    assert_eq!(answer.status.as_u16(), status, "expected {slug}: {text}");
    assert_eq!(body["type"], format!("urn:ropeline:problem:{slug}"), "{text}");
    assert_eq!(body["status"], status, "{text}");
    assert!(body["title"].is_string() && body["detail"].is_string(), "{text}");
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/problem+json"), "{kind}: {text}");
}

/// Fails unless the answer has this status.
///
/// # Panics
/// With the answer.
#[track_caller]
pub fn assert_status(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
}
