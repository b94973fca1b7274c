// Time: the client's own, and the server's as far as it is known.

/** Where the client takes its time from. A page gives one that hidden tabs do not slow down, a test one that it turns by hand. */
export interface Clock {
  /** Milliseconds since 1970, by the device. */
  now(): number;
  /** Calls back in so many milliseconds, unless what it answers is called before. */
  after(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/** Sleeps that can be ended before their time. */
export class Sleeper {
  readonly #clock: Clock;
  readonly #naps = new Set<{ due: number; end: () => void }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sleeps so many seconds; throws the reason of the signal when that is given. */
  sleep(seconds: number, signal: AbortSignal | undefined): Promise<void> {
    const ms = Math.max(0, Math.min(seconds, 86_400)) * 1000;
    return new Promise((resolve, reject) => {
      const over = (settle: () => void) => () => {
        cancel();
        signal?.removeEventListener("abort", stop);
        this.#naps.delete(nap);
        settle();
      };
      const nap = { due: this.#clock.now() + ms, end: over(resolve) };
      const stop = over(() => reject(signal?.reason));
      const cancel = this.#clock.after(ms, nap.end);
      signal?.addEventListener("abort", stop);
      this.#naps.add(nap);
      if (signal?.aborted) stop();
    });
  }

  /** Ends the sleeps whose time is up, or all. Timers stand still while a device sleeps, so somebody has to look. */
  wake(all: boolean): void {
    for (const nap of [...this.#naps]) if (all || this.#clock.now() >= nap.due) nap.end();
  }
}

/** The server's clock, from what its answers say (`Date`), so that the device's may be wrong. */
export class ServerTime {
  readonly #clock: Clock;
  #offset = 0;
  #known = false;

  constructor(clock: Clock, now: number | undefined) {
    this.#clock = clock;
    if (now !== undefined) this.#learn(now - clock.now());
  }

  now(): number {
    return this.#clock.now() + this.#offset;
  }

  /** An answer has come that was sent at `date`. */
  heard(date: string | null): void {
    const sent = Date.parse(date ?? "");
    if (!Number.isNaN(sent)) this.#learn(sent - this.#clock.now());
  }

  // Each answer gives a lower bound: whole seconds, rounded down, and the way here took time. The highest is the best, unless it lies
  // so far off that the device's clock was set meanwhile.
  #learn(offset: number): void {
    if (!this.#known || offset > this.#offset || offset < this.#offset - 5000) this.#offset = offset;
    this.#known = true;
  }
}
