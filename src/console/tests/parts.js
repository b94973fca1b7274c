// The console's parts that need no browser, as `cargo xtask test js` has made them; and something to try them on.
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const dir = process.env.ROPELINE_CONSOLE_PARTS;
assert.ok(dir, "ROPELINE_CONSOLE_PARTS is not set: run `cargo xtask test js`");
const part = (name) => import(pathToFileURL(join(dir, `${name}.mjs`)).href);

export const samples = await part("samples");
export const { checks } = await part("checks");
export const changes = await part("changes");

export const T0 = Date.parse("2026-11-26T20:00:00Z");

/** An event that is ready, with what is said of it. */
export const event = (said = {}) => ({
  event: "tour", config_version: 1, name: "A tour", total_active_users: 3_000, new_users_per_minute: 500, session_duration_seconds: 300,
  queueing_method: "fifo", queue_all: false, suspended: false, sold_out: false, prequeue_start_time: "2026-11-26T19:30:00.000Z",
  event_start_time: "2026-11-26T20:30:00.000Z", event_end_time: null, lanes: 4, gate: null, door: "turnstile", max_unacked: 1_000_000,
  return_url: "https://shop.example/in", message: "", page: null, test: false, ...said,
});

export const stats = (said = {}) => ({
  phase: "prequeue", entered: 0, waiting: 0, called: 0, present: 0, active: 0, admitted: 0, left: 0, head_seq: 10, acked_seq: 10,
  admitted_last_minute: 0, pace_per_minute: null, updated_at: new Date(T0).toISOString(), ...said,
});
