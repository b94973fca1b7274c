// A line that runs in the test: a clock that jumps from timer to timer, and a server that answers by it.

export class FakeClock {
  #now;
  #timers = new Map();
  #next = 1;

  constructor(now = Date.parse("2026-11-26T20:00:00Z")) {
    this.#now = now;
  }

  now() {
    return this.#now;
  }

  after(ms, call) {
    const id = this.#next++;
    this.#timers.set(id, { due: this.#now + ms, call });
    return () => this.#timers.delete(id);
  }

  /** Time goes by and no timer rings: the device sleeps. */
  sleep(ms) {
    this.#now += ms;
  }

  /** Somebody sets the clock. Timers do not care. */
  set(ms) {
    for (const timer of this.#timers.values()) timer.due += ms;
    this.#now += ms;
  }

  ring() {
    const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.due - b.due)[0] ?? [];
    if (!timer) return false;
    this.#timers.delete(id);
    this.#now = Math.max(this.#now, timer.due);
    timer.call();
    return true;
  }

  /** Lets time go by until the promise is settled. */
  async run(promise) {
    let done = false;
    const settled = promise.finally(() => (done = true));
    settled.catch(() => {});
    for (let rings = 0; ; rings += 1) {
      await quiet();
      if (done) return settled;
      if (!this.ring() || rings > 100_000) throw new Error("nothing will ever happen again");
    }
  }
}

/** All that can happen without a timer has happened. */
export async function quiet() {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** `localStorage`, in memory. */
export class FakeStore {
  #items = new Map();

  getItem(name) {
    return this.#items.get(name) ?? null;
  }

  setItem(name, value) {
    this.#items.set(name, String(value));
  }
}

export const never = () => new Promise(() => {});

/**
 * The server: one event, first come, first served. `moves(seconds)` is the frontier so many seconds after the start; `before` may
 * answer a request in its stead, with a Response, or by throwing as a lost connection does.
 */
export class FakeServer {
  requests = [];
  before = () => undefined;
  place = {};
  #places = new Map();
  #tickets = new Map();
  #started;

  constructor(clock, { moves = () => 0, first = 1, poll = 5 } = {}) {
    this.clock = clock;
    this.moves = moves;
    this.next = first;
    this.poll = poll;
    this.#started = clock.now();
  }

  get entered() {
    return this.#places.size;
  }

  expireTickets() {
    this.#tickets.clear();
  }

  fetch = async (url, init) => {
    const { pathname, searchParams } = new URL(url);
    const path = pathname.replace(/^\/queue\//, "");
    const body = init.body ? JSON.parse(init.body) : {};
    const request = { at: this.clock.now(), path, body, headers: init.headers, seen: searchParams.get("seen"), init };
    this.requests.push(request);
    const stopped = new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(new Error("aborted"))));
    const answer = (await Promise.race([this.before(request), stopped])) ?? this.#answer(request);
    answer.headers.set("Date", new Date(Math.floor(this.clock.now() / 1000) * 1000 + (this.ahead ?? 0)).toUTCString());
    return answer;
  };

  #answer({ path, body, headers, seen }) {
    if (path === "enter") {
      const known = this.#places.get(body.visitor);
      const number = known && !body.again ? known : this.next++;
      this.#places.set(body.visitor, number);
      const ticket = `ticket-${number}-${this.requests.length}`;
      this.#tickets.set(ticket, { number, key: body.visitor });
      return this.#told(number, 0, { ticket, status: known ? 200 : 201 });
    }
    const held = this.#tickets.get(headers.Authorization?.replace("Bearer ", ""));
    if (!held) return problem(401, "ticket-expired");
    if (path !== "status" && headers["Ropeline-Visitor"] !== held.key) return problem(403, "visitor-mismatch");
    if (path === "leave") return new Response(null, { status: 204 });
    if (path === "status") return this.#told(held.number, Number(seen));
    const isTurn = held.number <= this.frontier();
    return isTurn ? this.#told(held.number, 0, { pass: `pass-${held.number}` }) : problem(409, "not-your-turn", { after: 2 });
  }

  frontier() {
    return Math.floor(this.moves((this.clock.now() - this.#started) / 1000));
  }

  #told(number, seen, { ticket, pass, status = 200 } = {}) {
    const frontier = Math.max(this.frontier(), Math.min(seen, number));
    const isTurn = number <= frontier;
    const place = {
      event: "demo", phase: "open", paused: null, state: pass ? "admitted" : isTurn ? "called" : "waiting", number, position: number,
      ahead: Math.max(0, number - frontier - 1), frontier, eta_seconds: null, poll_after_seconds: isTurn ? 1.5 : this.poll, message: "",
      ...(ticket && { ticket }), ...(pass && { pass }), ...this.place,
    };
    return Response.json(place, { status });
  }
}

/** A refusal of the line. */
export function problem(status, slug, { after, ...more } = {}) {
  const headers = { "Content-Type": "application/problem+json", ...(after && { "Retry-After": String(after) }) };
  const body = { type: `urn:ropeline:problem:${slug}`, status, title: slug, detail: `${slug}, and what to do`, ...more };
  return new Response(JSON.stringify(body), { status, headers });
}
