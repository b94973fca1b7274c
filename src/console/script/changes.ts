// What an operator can change of an event, and how it is said before it is done. Pure.

import type { Settings } from "./types.js";

type Changed = Partial<Pick<Settings, "new_users_per_minute" | "total_active_users" | "message" | "queue_all" | "suspended" | "sold_out" | "event_end_time">>;

export interface Change {
  /** What it is called, and what it will do: `do.{name}` and `do.{name}.what`. */
  readonly name: string;
  readonly patch: Changed;
  /** Setting, old value, new value. */
  readonly rows: readonly (readonly [keyof Changed, unknown, unknown])[];
  /** It cannot be taken back, or everybody sees it: the id is to be typed. */
  readonly is_dangerous: boolean;
}

const DANGEROUS = /^(end|sold_out)$/;

function change(name: string, settings: Settings, patch: Changed): Change | null {
  const rows = (Object.keys(patch) as (keyof Changed)[])
    .filter((key) => patch[key] !== settings[key])
    .map((key) => [key, settings[key], patch[key]] as const);
  const only = Object.fromEntries(rows.map(([key, , to]) => [key, to]));
  return rows.length ? { name, patch: only, rows, is_dangerous: DANGEROUS.test(name) } : null;
}

/** None where it is as it was. */
export function limits(settings: Settings, new_users_per_minute: number, total_active_users: number): Change | null {
  return change("limits", settings, { new_users_per_minute, total_active_users });
}

export function message(settings: Settings, message: string): Change | null {
  return change("message", settings, { message });
}

export type Switch = "queue_all" | "suspended" | "sold_out";

/** On if it is off, off if it is on. */
export function flipped(settings: Settings, name: Switch): Change | null {
  return change(settings[name] ? `${name}.off` : name, settings, { [name]: !settings[name] });
}

/** `now` is the line's time: a device's may be wrong. */
export function ended(settings: Settings, now: number): Change | null {
  return change("end", settings, { event_end_time: new Date(now).toISOString() });
}

/** What an entry of the audit says: settings with their old and new values, or what else is known. */
export function said(detail: Readonly<Record<string, unknown>>): { name: string; from?: unknown; to: unknown }[] {
  return Object.entries(detail).map(([name, value]) => {
    const pair = value as { from?: unknown; to?: unknown } | null;
    return pair && typeof pair === "object" && "from" in pair && "to" in pair ? { name, from: pair.from, to: pair.to } : { name, to: value };
  });
}
