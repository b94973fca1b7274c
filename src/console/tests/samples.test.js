// What the console says about a line is what it saw of it.
import assert from "node:assert/strict";
import { test } from "node:test";

import { event, samples as made, stats, T0 } from "./parts.js";

const { add, ceiling, entering, enteringNow, GAP_MS, KEPT_MS, picked, runs, sample } = made;

const at = (seconds, said = {}) => sample(event(), stats({ updated_at: new Date(T0 + seconds * 1_000).toISOString(), ...said }));
/** All of them, one after the other. */
const watched = (all) => all.reduce((samples, next) => add(samples, next), []);
const steps = (from, to, step, of = () => ({})) => Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => at(from + i * step, of(from + i * step)));

test("a rate is what came between two samples, by the line's clock", () => {
  const all = watched([at(0, { entered: 100 }), at(2, { entered: 300 }), at(6, { entered: 301 })]);
  assert.deepEqual(entering(all), [null, 100, 0.25]);
});

test("nobody is invented where nobody looked: behind a gap there is neither rate nor line", () => {
  const all = watched([...steps(0, 4, 2, (s) => ({ entered: s })), ...steps(60, 64, 2, (s) => ({ entered: s * 100 }))]);
  assert.deepEqual(entering(all), [null, 1, 1, null, 100, 100]);
  const lines = runs(all, all.map((one) => one.entered));
  assert.deepEqual(lines.map((line) => line.length), [3, 3]);
  assert.equal(lines[1][0].x, T0 + 60_000);
});

test("a poll that is a little late is no gap, one that is missing is", () => {
  const gaps = (ms) => watched([at(0), at(ms / 1_000)]).map((one) => one.after_gap);
  assert.deepEqual(gaps(GAP_MS), [true, false]);
  assert.deepEqual(gaps(GAP_MS + 1), [true, true]);
});

test("a missing value breaks the line and is no zero", () => {
  const all = watched(steps(0, 8, 2, (s) => ({ pace_per_minute: s === 4 ? null : 60 })));
  assert.deepEqual(runs(all, all.map((one) => one.pace)).map((line) => line.length), [2, 2]);
});

test("the rate of now is that of ten seconds, and never reaches over a gap", () => {
  const even = watched(steps(0, 60, 2, (s) => ({ entered: s < 30 ? 0 : (s - 30) * 50 })));
  assert.equal(enteringNow(even), 50);
  assert.equal(enteringNow(watched([at(0, { entered: 0 }), at(60, { entered: 6_000 })])), null);
  assert.equal(enteringNow(watched([at(0), at(60), at(62, { entered: 20 })])), 10);
  assert.equal(enteringNow([]), null);
});

test("the same moment is not counted twice, and what is older is not taken", () => {
  const all = watched([at(0), at(2, { entered: 5 }), at(2, { entered: 9 }), at(1, { entered: 9 })]);
  assert.deepEqual(all.map((one) => one.entered), [0, 5]);
});

test("a day of watching is bounded, goes back six hours, and the last ten minutes are whole", () => {
  const all = watched(steps(0, 24 * 3_600, 2));
  assert.ok(all.length < 1_000, `${all.length} samples`);
  const last = all[all.length - 1].at;
  const age = last - all[0].at;
  assert.ok(age <= KEPT_MS && age > KEPT_MS - 120_000, `${age} ms`);
  assert.equal(all.filter((one) => last - one.at < 600_000).length, 300);
  assert.equal(all.slice(1).filter((one) => one.after_gap).length, 0, "thinning makes no gaps");
});

test("a gap outlives thinning", () => {
  const all = watched([...steps(0, 600, 2), ...steps(620, 3 * 3_600, 2)]);
  const gaps = all.slice(1).filter((one) => one.after_gap);
  assert.equal(gaps.length, 1);
  assert.ok(Math.abs(gaps[0].at - (T0 + 620_000)) <= 60_000);
  const rates = entering(all);
  assert.equal(rates[all.indexOf(gaps[0])], null);
});

test("thinned rates are means, not single moments", () => {
  const all = watched(steps(0, 2 * 3_600, 2, (s) => ({ entered: Math.round(s * 7) })));
  for (const rate of entering(all).slice(1)) assert.ok(Math.abs(rate - 7) < 0.01, `${rate}`);
});

test("the table has the newest first, spread over the whole time", () => {
  const rows = picked(watched(steps(0, 600, 2)), 30);
  assert.ok(rows.length > 25 && rows.length <= 30, `${rows.length}`);
  assert.equal(rows[0].at, T0 + 600_000);
  assert.ok(rows[rows.length - 1].at < T0 + 60_000);
});

test("the top of a chart is round, and never below what is drawn", () => {
  assert.deepEqual([0, 1, 3, 20, 51, 7_128].map(ceiling), [1, 1, 5, 20, 100, 10_000]);
});
