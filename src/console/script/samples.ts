// What was seen of one event, over time. Pure.
//
// A sample stands for its moment and nothing else: where none was taken there is a gap, and a gap stays one when samples are thinned.
// Bound: a sample a second for ten minutes, one in ten seconds for an hour, one a minute for six hours.

import { lag, type Settings, type Stats } from "./types.js";

export interface Sample {
  /** The line's clock, ms since 1970. */
  readonly at: number;
  readonly entered: number;
  readonly waiting: number;
  readonly active: number;
  /** Admitted in the last minute. */
  readonly admitted: number;
  readonly pace: number | null;
  readonly lag: number;
  /** `total_active_users` and `new_users_per_minute` as they were. */
  readonly slots: number;
  readonly limit: number;
  /** Nobody looked for a while before it: no line leads here. */
  readonly after_gap: boolean;
}

/** Longer than this between two samples, and nobody knows what was in between. */
export const GAP_MS = 7_000;
/** How long samples are kept. */
export const KEPT_MS = 6 * 3_600_000;
/** Up to which age, and how far apart. */
const TIERS = [
  [600_000, 1_000],
  [3_600_000, 10_000],
  [KEPT_MS, 60_000],
] as const;

export function sample(settings: Settings, stats: Stats): Sample {
  return {
    at: Date.parse(stats.updated_at),
    entered: stats.entered,
    waiting: stats.waiting,
    active: stats.active,
    admitted: stats.admitted_last_minute,
    pace: stats.pace_per_minute,
    lag: lag(stats),
    slots: settings.total_active_users,
    limit: settings.new_users_per_minute,
    after_gap: true,
  };
}

/** With one more; one that is no later than the last is none. */
export function add(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples[samples.length - 1];
  if (last && next.at <= last.at) return [...samples];
  const after_gap = !last || next.at - last.at > GAP_MS;
  return thin([...samples, { ...next, after_gap }]);
}

/** The last of each bucket; behind a gap if any of the bucket was. */
function thin(samples: readonly Sample[]): Sample[] {
  const now = samples[samples.length - 1]?.at ?? 0;
  const kept: Sample[] = [];
  let before = "";
  for (const next of samples) {
    const tier = TIERS.find(([age]) => now - next.at <= age);
    if (!tier) continue;
    const bucket = `${tier[1]}/${Math.floor(next.at / tier[1])}`;
    if (bucket === before) {
      const merged = kept.pop();
      kept.push(merged?.after_gap ? { ...next, after_gap: true } : next);
    } else {
      kept.push(next);
    }
    before = bucket;
  }
  return kept;
}

/** Who entered per second since the sample before; null behind a gap. */
export function entering(samples: readonly Sample[]): (number | null)[] {
  return samples.map((sample, i) => {
    const before = samples[i - 1];
    return before && !sample.after_gap ? rate(before, sample) : null;
  });
}

/** Who enters per second by the last ten seconds or so; null where they were not watched. */
export function enteringNow(samples: readonly Sample[]): number | null {
  const last = samples[samples.length - 1];
  let first = last;
  for (let i = samples.length - 1; i > 0 && first && !first.after_gap && last && last.at - first.at < 10_000; i -= 1) first = samples[i - 1];
  return first && last && first !== last ? rate(first, last) : null;
}

function rate(from: { at: number; entered: number }, to: { at: number; entered: number }): number {
  return (Math.max(0, to.entered - from.entered) * 1_000) / (to.at - from.at);
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The points that are joined by a line: runs without a gap or a missing value in them. */
export function runs(samples: readonly Sample[], values: readonly (number | null)[]): Point[][] {
  const all: Point[][] = [];
  let run: Point[] | null = null;
  samples.forEach(({ at, after_gap }, i) => {
    const y = values[i] ?? null;
    if (y === null) run = null;
    else if (run && !after_gap) run.push({ x: at, y });
    else all.push((run = [{ x: at, y }]));
  });
  return all;
}

/** At most `most` of them, evenly in time, the newest first. */
export function picked<T extends { at: number }>(samples: readonly T[], most: number): T[] {
  const [first, last] = [samples[0], samples[samples.length - 1]];
  if (!first || !last) return [];
  const step = Math.max(1, (last.at - first.at) / most);
  const out: T[] = [];
  for (let i = samples.length - 1; i >= 0 && out.length < most; i -= 1) {
    const next = samples[i];
    const before = out[out.length - 1];
    if (next && (!before || before.at - next.at >= step)) out.push(next);
  }
  return out;
}

/** A round number no smaller than this, for the top of a chart. */
export function ceiling(value: number): number {
  const scale = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return scale * ([1, 2, 5].find((step) => step * scale >= value) ?? 10);
}
