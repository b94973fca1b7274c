// Calls to the admin API. The key is in this object's memory and in the header of its calls, nowhere else.

const LIMIT_MS = 8_000;

/** What went wrong, as the Worker says it (RFC 9457); status 0: there was no answer of the Worker at all. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly type: string;

  constructor(status: number, title: string, detail: string, type = "") {
    super(detail);
    this.status = status;
    this.title = title;
    this.type = type;
  }

  /** The key is no key, or one of another role. */
  get is_of_key(): boolean {
    return /:(unauthorized|forbidden)$/.test(this.type);
  }
}

export interface Answer<T> {
  readonly body: T;
  readonly etag: string;
}

export interface Request {
  readonly method?: string;
  readonly body?: unknown;
  readonly etag?: string;
}

export class Api {
  readonly #prefix: string;
  readonly #key: string;
  /** When the Worker answered last, of `performance.now()`; whatever it said. */
  heard = performance.now();
  /** Whether the last call was answered. */
  is_connected = true;
  onchange = (): void => {};
  /** The key opens nothing, or nothing any more. */
  onrefused = (_: Problem): void => {};

  constructor(prefix: string, key: string) {
    this.#prefix = prefix;
    this.#key = key;
  }

  /** The answer of a path below the prefix, such as `admin/events`. Throws a `Problem`. */
  async call<T>(path: string, { method = "GET", body, etag }: Request = {}): Promise<Answer<T>> {
    const headers: Record<string, string> = { Authorization: `Bearer ${this.#key}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (etag) headers["If-Match"] = etag;
    const stop = new AbortController();
    const bell = setTimeout(() => stop.abort(), LIMIT_MS);
    try {
      // A login in front of the Worker answers with a way to somewhere else: no answer for us.
      const sent = { method, headers, cache: "no-store", redirect: "manual", signal: stop.signal } as const;
      const answer = await fetch(`${this.#prefix}/${path}`, body === undefined ? sent : { ...sent, body: JSON.stringify(body) });
      const text = await answer.text();
      const is_json = /json/.test(answer.headers.get("Content-Type") ?? "");
      if (!answer.ok && !is_json) throw new Problem(0, "", `HTTP ${answer.status}`);
      const read = (is_json && text ? JSON.parse(text) : null) as T;
      this.#hear(true);
      if (answer.ok) return { body: read, etag: answer.headers.get("ETag") ?? "" };
      const { title = "", detail = "", type = "" } = read as { title?: string; detail?: string; type?: string };
      throw new Problem(answer.status, title, detail, type);
    } catch (error) {
      if (error instanceof Problem && error.status > 0) {
        if (error.is_of_key) this.onrefused(error);
        throw error;
      }
      this.#hear(false);
      throw error instanceof Problem ? error : new Problem(0, "", String(error));
    } finally {
      clearTimeout(bell);
    }
  }

  #hear(is_connected: boolean): void {
    if (is_connected) this.heard = performance.now();
    this.is_connected = is_connected;
    this.onchange();
  }
}
