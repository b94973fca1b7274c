// What went wrong, as the server says it (RFC 9457), or that it said nothing.

/** The challenge whose token opens the door of an event. */
export interface Challenge {
  /** `turnstile` */
  readonly kind: string;
  readonly site_key: string;
  /** What it must be rendered with. */
  readonly action: string;
  readonly cdata: string;
}

/** A refusal. Its slugs are those of the HTTP contract; `no-answer` is ours: the network is down, or who answered is not the line. */
export class Problem extends Error {
  /** The last part of `type`, such as `sold-out`. */
  readonly slug: string;
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
  /** In how many seconds to ask again, where the server says so. */
  readonly retryAfter: number | null;
  /** When the event opens, with `not-open-yet`. */
  readonly opensAt: string | null;
  /** What to solve, with `door-failed`. */
  readonly challenge: Challenge | null;

  constructor(status: number, retryAfter: number | null, body: unknown) {
    const said = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    const slug = typeof said["type"] === "string" ? String(said["type"].split(":").pop()) : "no-answer";
    super(typeof said["detail"] === "string" ? said["detail"] : slug);
    this.name = "Problem";
    this.slug = slug;
    this.status = status;
    this.retryAfter = retryAfter;
    this.opensAt = typeof said["event_start_time"] === "string" ? said["event_start_time"] : null;
    this.challenge = (said["door"] as Challenge | undefined) ?? null;
  }

  /** Whether the same call may be answered later. */
  get isTemporary(): boolean {
    return (
      this.slug === "no-answer" ||
      this.slug === "not-open-yet" ||
      this.slug === "conflict" ||
      this.status >= 500 ||
      this.status === 429 ||
      this.status === 408
    );
  }

  /** Whether the ticket is no good, so that entering again with the same key gives a new one for the same place. */
  get isOfTicket(): boolean {
    return /^ticket-|^visitor-mismatch$|^wrong-event$/.test(this.slug);
  }
}
