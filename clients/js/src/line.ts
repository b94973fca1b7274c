// A line as its visitor has it: which call comes next, and what an answer means.

import { call, type Caller, type Request } from "./calls.js";
import { ServerTime, Sleeper, systemClock, type Clock } from "./clock.js";
import { Memory, type Store } from "./memory.js";
import { isOver, isTurn, type Place } from "./place.js";
import { Problem, type Challenge } from "./problem.js";

/** How a line is reached, and where its place is kept. */
export interface Options {
  /** Where Ropeline is, with its prefix: `https://queue.example.com/queue`. */
  readonly url: string;
  readonly event: string;
  /** Keeps key and ticket. Left out: `localStorage` where there is one; null: nothing outlives this object. */
  readonly store?: Store | null;
  /** Key and ticket are cookies that the server has set, as on the waiting page; `store` then only keeps what was shown. */
  readonly cookies?: boolean;
  /** Told when a call got no answer and will be repeated, with how many have failed in a row; and with null when one came. */
  readonly onTrouble?: (problem: Problem | null, failures: number) => void;
  /**
   * Solves the challenge of an event that has a door, and answers its token. Called whenever one is needed; without it `door-failed`
   * is thrown.
   */
  readonly door?: (challenge: Challenge, signal: AbortSignal | undefined) => Promise<string>;
  /**
   * In an event of accounts: the shop's assertion of who this is, in place of a key. Asked before every call that needs it, so it may
   * answer one that it keeps until that expires.
   */
  readonly assertion?: () => string | Promise<string>;
  readonly fetch?: typeof fetch;
  readonly clock?: Clock;
  /** The server's time, milliseconds since 1970, where it is known already. */
  readonly serverTime?: number;
}

interface Stop {
  /** Ends it: what was under way throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How long one whose claim says that it is sold out waits before it asks whether something came back, seconds. */
const SOLD_OUT_SECONDS = 30;

/** One visitor's place in the line of one event. */
export class Line {
  readonly event: string;
  readonly #caller: Caller;
  readonly #memory: Memory;
  readonly #door: Options["door"];
  readonly #assertion: Options["assertion"];
  #failing = false;

  constructor(options: Options) {
    const clock = options.clock ?? systemClock;
    const { onTrouble } = options;
    this.event = options.event;
    this.#door = options.door;
    this.#assertion = options.assertion;
    this.#memory = new Memory(options.event, options.store);
    this.#caller = {
      url: options.url.replace(/\/$/, ""),
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      cookies: options.cookies === true,
      clock,
      time: new ServerTime(clock, options.serverTime),
      sleeper: new Sleeper(clock),
      onTrouble: (problem, failures) => {
        this.#failing = problem !== null;
        onTrouble?.(problem, failures);
      },
    };
  }

  /** The server's time, milliseconds since 1970, as well as it is known: for a countdown that does not trust the device's clock. */
  now(): number {
    return this.#caller.time.now();
  }

  /**
   * Takes a place, or finds the one that this visitor has. `claim`: and goes in where there is room. `again`: takes a new one at the
   * end of the line, once the old one is over.
   */
  async enter(options: Stop & { readonly again?: boolean; readonly claim?: boolean } = {}): Promise<Place> {
    const { signal } = options;
    for (let token: string | undefined; ; ) {
      try {
        return await this.#place(() => this.#entering(options, token), signal);
      } catch (problem) {
        if (!(problem instanceof Problem) || !problem.challenge || !this.#door) throw problem;
        token = await this.#door(problem.challenge, signal);
      }
    }
  }

  /** It is this place's turn: go in. `admitted` with a pass, or `called`: ask again after `poll_after_seconds`. */
  claim(options: Stop = {}): Promise<Place> {
    return this.#held(() => this.#place(() => this.#post("claim"), options.signal), options.signal);
  }

  /** Gives the place up, or ends the session. */
  leave(options: Stop = {}): Promise<void> {
    const leave = async () => void (await call(this.#caller, () => this.#post("leave"), options.signal));
    return this.#held(leave, options.signal);
  }

  /**
   * Takes a place and waits in it, answer by answer, until there is a pass or the place is over; claims when it is called. Loss of the
   * network and sleep of the device only delay it. What cannot be waited for (`sold-out`, `event-ended`, `unknown-event` …) is thrown
   * as a {@link Problem}.
   */
  async *wait(options: Stop = {}): AsyncGenerator<Place, void, void> {
    const { signal } = options;
    const unhook = this.#hook();
    try {
      let place = this.#memory.kept.ticket ? await this.#status(signal) : await this.enter(options);
      let claimed = false;
      for (;;) {
        yield place;
        if (isOver(place)) return;
        // A claim says itself whose turn it is; who is just called does not wait to make one.
        const turn = isTurn(place) && place.phase !== "sold_out";
        if (!turn || claimed) await this.#caller.sleeper.sleep(place.poll_after_seconds, signal);
        claimed = turn;
        place = await (turn ? this.#claimOrStatus(signal) : this.#status(signal));
      }
    } finally {
      unhook();
    }
  }

  /** Asks at once, whenever it was to be: for a page that has learned that something changed. */
  wake(): void {
    this.#caller.sleeper.wake(true);
  }

  async #claimOrStatus(signal: AbortSignal | undefined): Promise<Place> {
    try {
      return await this.claim(signal && { signal });
    } catch (problem) {
      if (!(problem instanceof Problem) || !/^(not-your-turn|sold-out)$/.test(problem.slug)) throw problem;
      await this.#caller.sleeper.sleep(problem.retryAfter ?? SOLD_OUT_SECONDS * (1 + Math.random()), signal);
      return this.#status(signal);
    }
  }

  #status(signal: AbortSignal | undefined): Promise<Place> {
    const ask = (): Request => {
      const seen = this.#memory.kept.frontier ?? 0;
      return { method: "GET", path: `status?event=${encodeURIComponent(this.event)}&seen=${seen}`, headers: this.#bearer() };
    };
    return this.#held(() => this.#place(ask, signal), signal);
  }

  async #place(request: () => Request | Promise<Request>, signal: AbortSignal | undefined): Promise<Place> {
    const told = (await call(this.#caller, request, signal)) as Place;
    const poll = told.poll_after_seconds;
    // What is a cookie that scripts cannot read is not kept where they can.
    if (this.#caller.cookies) delete (told as { ticket?: string }).ticket;
    return this.#memory.remember({ ...told, poll_after_seconds: poll > 0 ? Math.max(0.3, Math.min(poll, 120)) : 5 });
  }

  /** With a ticket; one that is no good, or lost, is fetched anew with the key, once. */
  async #held<T>(send: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    try {
      return await send();
    } catch (problem) {
      if (!(problem instanceof Problem) || !problem.isOfTicket) throw problem;
      await this.enter(signal && { signal });
      return send();
    }
  }

  async #entering({ again, claim }: { readonly again?: boolean; readonly claim?: boolean }, token: string | undefined): Promise<Request> {
    const body: Record<string, unknown> = { event: this.event };
    if (this.#assertion) body["assertion"] = await this.#assertion();
    else if (!this.#caller.cookies) body["visitor"] = this.#memory.key();
    if (again) body["again"] = true;
    if (claim) body["claim"] = true;
    if (token) body["door_token"] = token;
    return { method: "POST", path: "enter", body };
  }

  async #post(path: string): Promise<Request> {
    const headers = this.#bearer();
    if (this.#assertion) headers["Ropeline-Visitor"] = await this.#assertion();
    else if (headers["Authorization"]) headers["Ropeline-Visitor"] = this.#memory.key();
    return { method: "POST", path, body: { event: this.event }, headers };
  }

  #bearer(): Record<string, string> {
    const { ticket } = this.#memory.kept;
    return this.#caller.cookies || !ticket ? {} : { Authorization: `Bearer ${ticket}` };
  }

  // Where there is a window: its timers stand still while the device sleeps, and it knows when the network is back.
  #hook(): () => void {
    const target: Partial<EventTarget> = globalThis;
    const look = () => this.#caller.sleeper.wake(false);
    const online = () => this.#caller.sleeper.wake(this.#failing);
    const all = [["online", online], ["pageshow", look], ["focus", look], ["visibilitychange", look]] as const;
    for (const [name, hear] of all) target.addEventListener?.(name, hear, true);
    return () => {
      for (const [name, hear] of all) target.removeEventListener?.(name, hear, true);
    };
  }
}
