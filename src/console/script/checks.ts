// What to look at before an event opens: what is in order, what is not, what only people can judge. Pure.

import { lag, type Settings, type Stats } from "./types.js";

export type Verdict = "ok" | "bad" | "look";

export interface Check {
  /** Names the row: `check.{id}`; with `said` what to say about it: `check.{id}.{said}`. */
  readonly id: string;
  readonly said: string;
  readonly verdict: Verdict;
  readonly gaps: Readonly<Record<string, number | string>>;
}

export interface Seen {
  readonly settings: Settings;
  readonly stats: Stats;
  /** The line's time, ms since 1970. */
  readonly now: number;
  /** Public keys in the JWK Set; null: not known. */
  readonly keys: number | null;
  /** How many a second the operator expects at the peak; null: not said. */
  readonly expected: number | null;
  /** For how long the relay has acked nothing although there was something, ms. */
  readonly stuck: number;
}

/** What one lane takes a second (docs/configuration.md). */
const PER_LANE = 400;
const MOST_LANES = 256;
const DEFAULT_LIMIT = 200;
/** So long a relay may take a breath. */
const STUCK_MS = 30_000;

export function checks(seen: Seen): Check[] {
  return [opens(seen), early(seen), held(seen), back(seen), lanes(seen), limits(seen), relay(seen), keys(seen), door(seen), page(seen), message(seen), test(seen)];
}

function check(id: string, verdict: Verdict, said: string, gaps: Check["gaps"] = {}): Check {
  return { id, said, verdict, gaps };
}

function opens({ settings, stats, now }: Seen): Check {
  if (stats.phase === "ended") return check("opens", "bad", "ended");
  const start = settings.event_start_time;
  if (start === null) return check("opens", "look", "open");
  const ms = Date.parse(start) - now;
  return check("opens", "ok", ms > 0 ? "in" : "since", { at: start, left: ms });
}

function early({ settings, now }: Seen): Check {
  const { event_start_time, prequeue_start_time } = settings;
  if (event_start_time === null || Date.parse(event_start_time) <= now) return check("early", "ok", "past");
  return prequeue_start_time === null ? check("early", "look", "none") : check("early", "ok", "from", { at: prequeue_start_time });
}

function held({ settings }: Seen): Check {
  const { suspended, queue_all, sold_out, queueing_method } = settings;
  const by = suspended ? "suspended" : queue_all ? "queue_all" : sold_out ? "sold_out" : queueing_method;
  return check("held", by === "fifo" ? "ok" : "bad", by);
}

function back({ settings }: Seen): Check {
  if (settings.return_url !== null) return check("back", "ok", "url", { url: settings.return_url });
  return settings.gate ? check("back", "ok", "gate") : check("back", "bad", "none");
}

function lanes({ settings, expected }: Seen): Check {
  const gaps = { lanes: settings.lanes, most: settings.lanes * PER_LANE };
  if (expected === null) return check("lanes", "look", "unknown", gaps);
  let wanted = 1;
  while (wanted * PER_LANE < expected && wanted < MOST_LANES) wanted *= 2;
  return settings.lanes < wanted ? check("lanes", "bad", "few", { ...gaps, wanted }) : check("lanes", "ok", "enough", gaps);
}

function limits({ settings }: Seen): Check {
  const { total_active_users: slots, new_users_per_minute: limit, session_duration_seconds: stay } = settings;
  // So many are inside at once where everybody stays as long as may be.
  const inside = Math.ceil((limit * stay) / 60);
  const gaps = { slots, limit, inside, through: Math.floor((slots * 60) / stay) };
  if (slots === DEFAULT_LIMIT && limit === DEFAULT_LIMIT) return check("limits", "look", "default", gaps);
  return check("limits", "ok", inside > slots ? "slots" : "pace", gaps);
}

function relay({ stats, stuck }: Seen): Check {
  const behind = lag(stats);
  if (stats.head_seq === 0) return check("relay", "look", "unused");
  if (behind === 0) return check("relay", "ok", "all", { n: stats.acked_seq });
  return check("relay", stuck > STUCK_MS ? "bad" : "ok", stuck > STUCK_MS ? "stuck" : "moves", { n: behind, left: stuck });
}

function keys({ keys }: Seen): Check {
  if (keys === null) return check("keys", "look", "unknown");
  return keys > 0 ? check("keys", "ok", "some", { n: keys }) : check("keys", "bad", "none");
}

function door({ settings }: Seen): Check {
  return check("door", settings.door === "none" ? "look" : "ok", settings.door);
}

function page({ settings }: Seen): Check {
  return check("page", "ok", settings.page === null ? "ours" : "own", { n: settings.page ?? 0 });
}

function message({ settings }: Seen): Check {
  return check("message", "ok", settings.message ? "some" : "none", { text: settings.message });
}

function test({ settings }: Seen): Check {
  return check("test", settings.test ? "bad" : "ok", settings.test ? "on" : "off");
}
