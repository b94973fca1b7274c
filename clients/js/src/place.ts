// What the server says about a place: *place* of the HTTP contract, with what this client makes of it.

/** What a place is. Take one that you do not know for `waiting`: later versions may have more. */
export type State =
  | "prequeue"
  | "waiting"
  | "called"
  | "admitted"
  | "passthrough"
  | "left"
  | "ended"
  | (string & Record<never, never>);

/** When the turn comes, in seconds from now. */
export interface Eta {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

/** One answer about a place. */
export interface Place {
  readonly event: string;
  /** `scheduled`, `prequeue`, `open`, `suspended`, `sold_out`, `ended`, or one of a later version. */
  readonly phase: string;
  /** Why nobody is called at the moment, if so. */
  readonly paused: string | null;
  readonly state: State;
  /** The number given at enter; null where no place was needed. */
  readonly number: number | null;
  /** The place in the order of admission; null while a draw is still to come. */
  readonly position: number | null;
  /** At most this many are before it; null while a draw is still to come. For one number it never grows. */
  readonly ahead: number | null;
  readonly frontier: number;
  readonly eta_seconds: Eta | null;
  readonly poll_after_seconds: number;
  /** What the operator tells the visitors: text, never HTML. */
  readonly message: string;
  /** How far this place has come, 0 to 1; null where nobody knows yet. For one number it never falls. */
  readonly progress: number | null;
  readonly ticket?: string;
  readonly ticket_expires_at: string | null;
  /** The way into the shop, when `admitted` or `passthrough`. */
  readonly pass?: string;
  readonly seq?: number;
  readonly session_expires_at?: string;
}

/** Whether it is this place's turn. */
export function isTurn(place: Place): boolean {
  return place.state === "called" || place.state === "admitted" || place.state === "passthrough";
}

/** Whether there is nothing more to wait for. */
export function isOver(place: Place): boolean {
  return place.pass !== undefined || place.state === "left" || place.state === "ended";
}
