// Asks again and again, never two at a time: slower where it fails, and not at all while nobody looks.

/** A tab that is hidden for longer rests until it is seen again. */
export const REST_AFTER_MS = 60_000;
const SLOWEST_MS = 16_000;

export class Poll {
  readonly #every: number;
  readonly #ask: () => Promise<void>;
  #bell: ReturnType<typeof setTimeout> | undefined;
  #is_asking = false;
  #is_over = false;
  #again = false;
  #failures = 0;
  #hidden = 0;

  constructor(every_ms: number, ask: () => Promise<void>) {
    this.#every = every_ms;
    this.#ask = ask;
    document.addEventListener("visibilitychange", this.#seen);
    this.#seen();
    this.now();
  }

  /** At once: something was changed. */
  now(): void {
    clearTimeout(this.#bell);
    if (this.#is_asking) this.#again = true;
    else if (!this.#is_over) void this.#run();
  }

  stop(): void {
    this.#is_over = true;
    clearTimeout(this.#bell);
    document.removeEventListener("visibilitychange", this.#seen);
  }

  readonly #seen = (): void => {
    this.#hidden = document.hidden ? performance.now() : 0;
    if (!document.hidden && this.#rests) {
      this.#rests = false;
      this.now();
    }
  };
  #rests = false;

  async #run(): Promise<void> {
    if (this.#hidden && performance.now() - this.#hidden > REST_AFTER_MS) {
      this.#rests = true;
      return;
    }
    const began = performance.now();
    this.#is_asking = true;
    this.#again = false;
    try {
      await this.#ask();
      this.#failures = 0;
    } catch {
      this.#failures += 1;
    }
    this.#is_asking = false;
    if (this.#is_over) return;
    const every = Math.min(this.#every * 2 ** this.#failures, Math.max(SLOWEST_MS, this.#every));
    const wait = this.#again ? 0 : Math.max(0, every - (performance.now() - began));
    this.#bell = setTimeout(() => void this.#run(), wait);
  }
}
