// What the admin API answers, as far as the console looks at it (docs/openapi.yaml has all of it).

export type Phase = "scheduled" | "prequeue" | "open" | "suspended" | "sold_out" | "ended";

/** An event's settings. */
export interface Settings {
  readonly event: string;
  readonly config_version: number;
  readonly name: string;
  readonly total_active_users: number;
  readonly new_users_per_minute: number;
  readonly session_duration_seconds: number;
  readonly queueing_method: "fifo" | "passthrough" | "reject";
  readonly queue_all: boolean;
  readonly suspended: boolean;
  readonly sold_out: boolean;
  readonly prequeue_start_time: string | null;
  readonly event_start_time: string | null;
  readonly event_end_time: string | null;
  readonly lanes: number;
  readonly gate: object | null;
  readonly door: "none" | "turnstile";
  readonly max_unacked: number;
  readonly return_url: string | null;
  readonly message: string;
  readonly page: number | null;
  readonly test: boolean;
}

/** Counts of one moment, by the line's clock. */
export interface Stats {
  readonly phase: Phase;
  readonly entered: number;
  readonly waiting: number;
  readonly called: number;
  readonly present: number;
  readonly active: number;
  readonly admitted: number;
  readonly left: number;
  readonly head_seq: number;
  readonly acked_seq: number;
  readonly admitted_last_minute: number;
  readonly pace_per_minute: number | null;
  /** The limit in force, per minute. */
  readonly new_users_per_minute: number;
  readonly brake: { readonly percent: number; readonly cause: "canary" | "lag" } | null;
  readonly updated_at: string;
}

export interface History {
  readonly number: number;
  readonly position: number | null;
  readonly state: string;
  readonly entered_at: string | null;
  readonly called_at: string | null;
  readonly gone: { readonly why: "left" | "void"; readonly at: string | null } | null;
  readonly admission: {
    readonly seq: number;
    readonly jti: string;
    readonly admitted_at: string;
    readonly session_expires_at: string;
    readonly release_at: string;
    readonly over_at: string | null;
    readonly over_by: string | null;
    readonly redeemed: boolean;
  } | null;
}

export interface Entry {
  readonly at: string;
  readonly by: string;
  readonly action: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Admissions that are not in Kafka yet. */
export const lag = (stats: Stats): number => Math.max(0, stats.head_seq - stats.acked_seq);

/** What holds the line: the operator, or a relay that is too far behind or has pulled the brake all the way. */
export function paused(settings: Settings, stats: Stats | null): "queue_all" | "relay" | null {
  if (settings.queue_all) return "queue_all";
  return stats && (lag(stats) >= settings.max_unacked || stats.brake?.percent === 0) ? "relay" : null;
}
