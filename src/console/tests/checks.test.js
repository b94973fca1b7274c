// The checklist before an opening, and what changes say of themselves.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { changes, checks, event, stats, T0 } from "./parts.js";

const seen = (settings = {}, more = {}) => ({ settings: event(settings), stats: stats(), now: T0, keys: 1, expected: 1_600, stuck: 0, ...more });
const of = (id, ...what) => {
  const { said, verdict, gaps } = checks(seen(...what)).find((check) => check.id === id);
  return { verdict, said, gaps };
};
const verdict = (id, ...what) => {
  const { verdict, said } = of(id, ...what);
  return `${verdict} ${said}`;
};

test("an event that is ready has nothing to be done", () => {
  assert.deepEqual(checks(seen()).filter((check) => check.verdict !== "ok"), []);
});

test("the opening is told by the line's time", () => {
  assert.equal(of("opens").gaps.left, 30 * 60_000);
  assert.equal(verdict("opens", { event_start_time: "2026-11-26T19:59:00.000Z" }), "ok since");
  assert.equal(verdict("opens", { event_start_time: null }), "look open");
  assert.equal(verdict("opens", {}, { stats: stats({ phase: "ended" }) }), "bad ended");
  assert.equal(verdict("early", { prequeue_start_time: null }), "look none");
  assert.equal(verdict("early", { event_start_time: null, prequeue_start_time: null }), "ok past");
});

test("whatever holds the line is red, by its name", () => {
  for (const name of ["queue_all", "suspended", "sold_out"]) assert.equal(verdict("held", { [name]: true }), `bad ${name}`);
  for (const method of ["reject", "passthrough"]) assert.equal(verdict("held", { queueing_method: method }), `bad ${method}`);
});

test("the admitted need a way to the shop: an address, or the gate", () => {
  assert.equal(verdict("back", { return_url: null }), "bad none");
  assert.equal(verdict("back", { return_url: null, gate: {} }), "ok gate");
});

test("lanes are held against what is expected, at 400 a second each", () => {
  assert.equal(verdict("lanes"), "ok enough");
  assert.deepEqual(of("lanes", {}, { expected: 1_601 }), { verdict: "bad", said: "few", gaps: { lanes: 4, most: 1_600, wanted: 8 } });
  assert.equal(of("lanes", {}, { expected: 900_000 }).gaps.wanted, 256);
  assert.equal(verdict("lanes", {}, { expected: null }), "look unknown");
});

test("the limits say which of them binds, and that nobody has chosen them", () => {
  assert.equal(verdict("limits"), "ok pace");
  assert.deepEqual(of("limits", { total_active_users: 1_000 }).gaps, { slots: 1_000, limit: 500, inside: 2_500, through: 200 });
  assert.equal(verdict("limits", { total_active_users: 1_000 }), "ok slots");
  assert.equal(verdict("limits", { total_active_users: 200, new_users_per_minute: 200 }), "look default");
});

test("a relay that stands still is red after half a minute, one that moves is not", () => {
  const behind = (stuck) => [{}, { stats: stats({ head_seq: 12 }), stuck }];
  assert.equal(verdict("relay", ...behind(30_000)), "ok moves");
  assert.equal(verdict("relay", ...behind(30_001)), "bad stuck");
  assert.equal(verdict("relay", {}, { stats: stats({ head_seq: 0, acked_seq: 0 }) }), "look unused");
});

test("keys, door, page, message and rehearsal are told as they are", () => {
  assert.equal(verdict("keys", {}, { keys: 0 }), "bad none");
  assert.equal(verdict("keys", {}, { keys: null }), "look unknown");
  assert.equal(verdict("door", { door: "none" }), "look none");
  assert.equal(verdict("page", { page: 7 }), "ok own");
  assert.equal(verdict("message", { message: "Hello" }), "ok some");
  assert.equal(verdict("test", { test: true }), "bad on");
});

test("both languages have the same texts with the same gaps, and one for everything that is said", () => {
  const [en, ko] = ["en", "ko"].map((code) => JSON.parse(readFileSync(new URL(`../texts/${code}.json`, import.meta.url), "utf8")));
  assert.deepEqual(Object.keys(ko), Object.keys(en));
  const gaps = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
  for (const [key, text] of Object.entries(en)) assert.deepEqual(gaps(ko[key]), gaps(text), key);
  const source = (name) => readFileSync(new URL(`../script/${name}.ts`, import.meta.url), "utf8");
  const said = [...source("checks").matchAll(/check\("(\w+)", "\w+", "(\w+)"/g)].map(([, id, said]) => `check.${id}.${said}`);
  assert.ok(said.length >= 15, `${said.length}`);
  for (const key of said) assert.ok(en[key], key);
});

test("a change has what differs, and nothing else; what cannot be taken back is dangerous", () => {
  const settings = event();
  assert.equal(changes.limits(settings, 500, 3_000), null);
  const limits = changes.limits(settings, 600, 3_000);
  assert.deepEqual(limits.patch, { new_users_per_minute: 600 });
  assert.deepEqual(limits.rows, [["new_users_per_minute", 500, 600]]);
  assert.equal(limits.is_dangerous, false);
  assert.equal(changes.message(settings, ""), null);
  const sold = changes.flipped(settings, "sold_out");
  assert.deepEqual([sold.name, sold.patch, sold.is_dangerous], ["sold_out", { sold_out: true }, true]);
  const back = changes.flipped(event({ sold_out: true }), "sold_out");
  assert.deepEqual([back.name, back.patch, back.is_dangerous], ["sold_out.off", { sold_out: false }, false]);
  const end = changes.ended(settings, T0);
  assert.deepEqual([end.patch, end.is_dangerous], [{ event_end_time: "2026-11-26T20:00:00.000Z" }, true]);
});

test("the audit is told as old and new value where it has both", () => {
  assert.deepEqual(changes.said({ sold_out: { from: false, to: true }, seq: 3, which: { number: 7 } }), [
    { name: "sold_out", from: false, to: true },
    { name: "seq", to: 3 },
    { name: "which", to: { number: 7 } },
  ]);
});
