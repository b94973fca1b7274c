//! Doubles between a Worker and its Durable Objects, on the real runtime with the real bundle.
//!
//! `faults/shim.js` stands before the product's module in the test's configuration. It replaces the bindings of the object
//! namespaces by doubles that note every call and fail as told, and wraps the object classes, so that an object can be reset
//! around a command, and its alarm be late, double, or lost.
//!
//! ```no_run
//! # async fn test() {
//! use ropeline_e2e::faults::{Fault, Rule};
//! let world = ropeline_e2e::WorldOptions::default().faults().start();
//! world.fault(Rule::lane("enter", Fault::OVERLOADED)).await;
//! // … a visitor enters, and is told 503 …
//! assert_eq!(world.calls("LANE", "enter").await.len(), 1);
//! # }
//! ```

use std::collections::BTreeMap;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::World;

/// What happens to a call.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// It fails before it reaches the object, with an error of these properties. Every stub that has failed goes on failing.
    Throw {
        /// The platform's `.overloaded`.
        overloaded: bool,
        /// The platform's `.retryable`.
        retryable: bool,
        /// Not at once.
        after_ms: u64,
    },
    /// The object does it and answers, and the connection is cut before the answer is there.
    Lost {
        /// The platform's `.retryable`.
        retryable: bool,
    },
    /// The object is reset before it sees the command.
    ResetBefore,
    /// The object is reset when what the command wrote is on disk; its answer is lost.
    ResetAfter,
    /// There never is an answer, and the object never sees the command.
    Hang,
    /// It takes longer on its way there.
    Delay {
        /// So many milliseconds.
        ms: u64,
    },
    /// It waits on its way there, until [`World::release`].
    HoldBefore {
        /// For this name.
        name: &'static str,
    },
    /// The object has done it; the answer waits until [`World::release`].
    HoldAfter {
        /// For this name.
        name: &'static str,
    },
    /// This answer, and not the object's; the object never sees the command.
    Answer {
        /// Its status.
        status: u16,
        /// Its body, or status text.
        text: String,
        /// In the status text, where short answers are, instead of the body.
        in_status: bool,
    },
    /// What the object answered to the last such command, once more; the object never sees this one.
    Old,
}

impl Fault {
    /// The object has too much to do.
    pub const OVERLOADED: Self = Self::Throw { overloaded: true, retryable: false, after_ms: 0 };
    /// The object could not be reached, as while a deploy goes on.
    pub const RETRYABLE: Self = Self::Throw { overloaded: false, retryable: true, after_ms: 0 };
    /// An error of unknown outcome.
    pub const BROKEN: Self = Self::Throw { overloaded: false, retryable: false, after_ms: 0 };

    /// This answer in the body.
    #[must_use]
    pub fn answer(status: u16, text: &str) -> Self {
        Self::Answer { status, text: text.to_owned(), in_status: false }
    }
}

/// Which calls a fault is for.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    binding: &'static str,
    command: &'static str,
    contains: Option<String>,
    skip: u32,
    times: u32,
    fault: Fault,
}

impl Rule {
    /// The next call of this command to any line.
    #[must_use]
    pub fn line(command: &'static str, fault: Fault) -> Self {
        Self { binding: "LINE", command, contains: None, skip: 0, times: 1, fault }
    }

    /// The next call of this command to any lane.
    #[must_use]
    pub fn lane(command: &'static str, fault: Fault) -> Self {
        Self { binding: "LANE", ..Self::line(command, fault) }
    }

    /// The next call of this command to the registry.
    #[must_use]
    pub fn registry(command: &'static str, fault: Fault) -> Self {
        Self { binding: "REGISTRY", ..Self::line(command, fault) }
    }

    /// So many calls, and not one.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Only after so many calls.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Only calls with this in their JSON.
    #[must_use]
    pub fn with(self, contains: &str) -> Self {
        Self { contains: Some(contains.to_owned()), ..self }
    }
}

/// A call as the double saw it.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    /// `REGISTRY`, `LANE` or `LINE`.
    pub binding: String,
    /// The object's name.
    pub object: String,
    /// Which stub it went through; each has a number of its own.
    pub stub: u64,
    /// The command's name.
    pub command: String,
    /// The command as JSON.
    pub text: String,
    /// Whether it came in the address, which logs show; else in the body.
    pub in_address: bool,
    /// The kind of fault it met; `none`.
    pub fault: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What the object answered, whatever became of the answer; none if it was not asked, or has not answered yet.
    pub answer: Option<ObjectAnswer>,
}

/// What an object answers.
#[derive(Debug, Clone, Deserialize)]
pub struct ObjectAnswer {
    /// Its status.
    pub status: u16,
    /// Its body, or what stood for it in the status text.
    pub text: String,
}

impl ObjectAnswer {
    /// As JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }
}

/// How often the runtime's alarms reach their objects.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarms {
    /// Once.
    On,
    /// Each of them twice.
    Twice,
    /// Not at all.
    Never,
}

/// What the limit for addresses does.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressLimit {
    /// Its work.
    Counts,
    /// It throws.
    Fails,
    /// It never answers.
    Hangs,
}

/// Only in a world with [`crate::WorldOptions::faults`].
impl World {
    async fn tell(&self, told: &Value) -> Value {
        let answer = self.raw(Method::POST, "/__faults", &[], told.to_string()).await;
        assert_eq!(answer.status.as_u16(), 200, "{told}: {}", answer.text());
        answer.json()
    }

    /// From now on calls meet this, each rule in turn.
    pub async fn fault(&self, rule: Rule) {
        self.tell(&json!({"op": "rule", "rule": rule})).await;
    }

    /// No faults any more, and calls are counted anew. What is held stays held.
    pub async fn forget_faults(&self) {
        self.tell(&json!({"op": "forget"})).await;
    }

    /// Lets go whatever is held by this name, for good.
    pub async fn release(&self, name: &str) {
        self.tell(&json!({"op": "release", "name": name})).await;
    }

    /// From now on no answer has more than these shapes, by `BINDING command`: as if the objects were of the version that they
    /// are from.
    pub async fn answer_as(&self, shapes: &BTreeMap<String, Value>) {
        self.tell(&json!({"op": "shapes", "shapes": shapes})).await;
    }

    /// Every call since [`World::forget_faults`], in the order in which they came.
    ///
    /// # Panics
    /// When the double's answer cannot be read.
    pub async fn all_calls(&self) -> Vec<Call> {
        serde_json::from_value(self.tell(&json!({"op": "calls"})).await).expect("calls")
    }

    /// The calls of one command.
    pub async fn calls(&self, binding: &str, command: &str) -> Vec<Call> {
        let mut calls = self.all_calls().await;
        calls.retain(|call| call.binding == binding && call.command == command);
        calls
    }

    /// So many visitors enter through this lane at the same moment; comes back when all are answered.
    pub async fn flood(&self, lane: &str, count: u32) {
        self.tell(&json!({"op": "flood", "object": lane, "count": count})).await;
    }

    /// How many of the flood have been answered so far, by status.
    pub async fn flooded(&self) -> Value {
        self.tell(&json!({"op": "flooded"})).await
    }

    /// How many alarms the runtime has rung, whether they reached their objects or not.
    ///
    /// # Panics
    /// When the double's answer cannot be read.
    pub async fn alarms_rung(&self) -> u64 {
        self.tell(&json!({"op": "rung"})).await.as_u64().expect("a count")
    }

    /// What the limit for addresses does from now on, in a world with the variable `TEST_ADDRESS_LIMIT`.
    pub async fn address_limit(&self, mode: AddressLimit) {
        self.tell(&json!({"op": "limit", "mode": mode})).await;
    }

    /// What was written to the dataset for alerts; with `fails` each write there throws from now on.
    ///
    /// # Panics
    /// When the shim does not answer.
    pub async fn alerts(&self, fails: bool) -> Vec<Value> {
        let mode = fails.then_some("fails");
        serde_json::from_value(self.tell(&json!({"op": "alerts", "mode": mode})).await).expect("data points")
    }

    /// The keys for which that limit was asked.
    ///
    /// # Panics
    /// When the double's answer cannot be read.
    pub async fn address_limit_asked(&self) -> Vec<Value> {
        serde_json::from_value(self.tell(&json!({"op": "limited"})).await).expect("keys")
    }

    /// What becomes of alarms.
    pub async fn alarms(&self, mode: Alarms) {
        self.tell(&json!({"op": "alarms", "mode": mode})).await;
    }

    /// Rings the alarm of a line now.
    pub async fn ring(&self, event: &str) {
        self.tell(&json!({"op": "ring", "binding": "LINE", "object": event})).await;
    }

    /// All of the product's clocks stand so far ahead. The runtime's own, by which alarms ring, goes on as it was.
    pub async fn clock_ahead(&self, ms: i64) {
        self.tell(&json!({"op": "clock", "ms": ms})).await;
    }

    /// Resets an object, as a deploy does; answers the error that its callers saw.
    pub async fn reset(&self, binding: &str, object: &str) -> Value {
        self.tell(&json!({"op": "reset", "binding": binding, "object": object})).await
    }

    /// What an object has stored, as SQL statements.
    ///
    /// # Panics
    /// When the double's answer cannot be read.
    pub async fn dump(&self, binding: &str, object: &str) -> Vec<String> {
        let told = self.tell(&json!({"op": "dump", "binding": binding, "object": object})).await;
        serde_json::from_value(told).expect("statements")
    }

    /// Runs the statements of a dump in the storage of an object that has none.
    pub async fn load(&self, binding: &str, object: &str, statements: &[String]) {
        self.tell(&json!({"op": "load", "binding": binding, "object": object, "statements": statements})).await;
    }

    /// Sends a command to an object as it stands here.
    ///
    /// # Panics
    /// When the double's answer cannot be read.
    pub async fn send_to(&self, binding: &str, object: &str, text: &str) -> ObjectAnswer {
        let answer = self.tell(&json!({"op": "send", "binding": binding, "object": object, "text": text})).await;
        serde_json::from_value(answer).expect("an answer")
    }
}
