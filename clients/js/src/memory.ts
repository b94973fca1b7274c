// What outlives a reload: the visitor's key, the ticket, and the best that was ever shown.
//
// Invariant: for one number, `ahead` only falls and `frontier` only rises, whichever tab asks and however old the board is that an
// answer came from.

import { isTurn, type Place } from "./place.js";

/** Where the client keeps it: `localStorage` and the like. */
export interface Store {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

interface Kept {
  key?: string;
  ticket?: string;
  number?: number;
  first?: number;
  ahead?: number;
  frontier?: number;
}

const KINDS = { key: "string", ticket: "string", number: "number", first: "number", ahead: "number", frontier: "number" };

function isOurs([name, value]: [string, unknown]): boolean {
  return typeof value === KINDS[name as keyof Kept];
}

export class Memory {
  readonly #name: string;
  readonly #store: Store | null;
  #kept: Kept = {};
  /** What the storage said last: a storage that keeps nothing must not undo what this page knows. */
  #text: string | null = null;

  constructor(event: string, store: Store | null | undefined) {
    this.#name = `ropeline-${event}`;
    this.#store = store === undefined ? found() : store;
  }

  /** As it stands now: another tab may have written since. */
  get kept(): Readonly<Kept> {
    try {
      const text = this.#store?.getItem(this.#name) ?? null;
      if (text === this.#text) return this.#kept;
      this.#text = text;
      const read: unknown = JSON.parse(text ?? "null");
      if (read && typeof read === "object") this.#kept = Object.fromEntries(Object.entries(read).filter(isOurs));
    } catch {
      // No storage here, or somebody else's value in it: what this page knows will do.
    }
    return this.#kept;
  }

  /** The visitor's key: made once, before the first call. Whoever knows it has the place. */
  key(): string {
    const { key } = this.kept;
    if (key) return key;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    this.#write({ key: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") });
    return this.kept.key ?? "";
  }

  /** Notes an answer, and makes of it what may be shown. */
  remember(told: Place): Place {
    let kept = this.kept;
    const { number, frontier, ticket } = told;
    if (number !== null && number !== kept.number) {
      const { key, ticket: old, frontier: seen } = kept;
      kept = { ...(key && { key }), ...(old && { ticket: old }), ...(seen && { frontier: seen }), number };
    }
    const next: Kept = { ...kept, frontier: Math.max(kept.frontier ?? 0, frontier) };
    if (told.ahead !== null) {
      next.first = kept.first ?? told.ahead;
      next.ahead = Math.min(kept.ahead ?? told.ahead, told.ahead);
    }
    if (ticket) next.ticket = ticket;
    this.#write(next, true);
    const ahead = number === null ? told.ahead : (next.ahead ?? null);
    const progress = isTurn(told) ? 1 : ahead === null ? null : next.first ? 1 - ahead / next.first : 1;
    return { ...told, ahead, progress };
  }

  #write(change: Kept, whole = false): void {
    this.#kept = whole ? change : { ...this.#kept, ...change };
    try {
      this.#store?.setItem(this.#name, JSON.stringify(this.#kept));
      this.#text = this.#store?.getItem(this.#name) ?? null;
    } catch {
      // Full, or not allowed: it lasts as long as the page.
    }
  }
}

function found(): Store | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // a browser that forbids even to look
  }
}
