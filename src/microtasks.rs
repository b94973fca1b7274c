//! Cheaper microtasks for the executor of futures; see `microtasks.js`. About a twentieth of what an `enter` costs.

use worker::wasm_bindgen;
use worker::wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(module = "/src/microtasks.js")]
extern "C" {
    /// Always true; calling it is what keeps the module in the bundle, where it takes effect when it is loaded.
    #[wasm_bindgen(js_name = areDirect)]
    pub fn are_direct() -> bool;
}
