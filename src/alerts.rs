//! What an operator should be woken for although no object of ours can be asked: a data point in Workers Analytics Engine, where the
//! deployment has the binding [`ALERTS`].
//!
//! Shape: `index1` the event, `blob1` what happened, `double1` 1.

use worker::Env;
use worker::js_sys::Reflect;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{self, JsValue};

use crate::directory::Event;

/// The binding of the dataset.
const ALERTS: &str = "ALERTS";

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Alert {
    /// The gate let somebody by who has no pass, since the line cannot be asked and its event wants that.
    GateOpen,
}

#[wasm_bindgen(module = "/src/alerts.js")]
extern "C" {
    fn write(dataset: &JsValue, what: &str, event: &str);
}

/// Tells it.
pub fn tell(env: &Env, alert: Alert, event: &Event) {
    let what = match alert {
        Alert::GateOpen => "gate_open",
    };
    let dataset = Reflect::get(env, &JsValue::from(ALERTS)).unwrap_or(JsValue::UNDEFINED);
    write(&dataset, what, event.id.as_str());
}
