// One call to the server, repeated until it is answered. All of them may be repeated: the same key gets the same place, the same
// place the same pass.

import type { Clock, ServerTime, Sleeper } from "./clock.js";
import { Problem } from "./problem.js";

/** A request that has no answer by then is given up and sent again. */
const LIMIT_MS = 20_000;

export interface Caller {
  readonly url: string;
  readonly fetch: typeof fetch;
  readonly cookies: boolean;
  readonly clock: Clock;
  readonly time: ServerTime;
  readonly sleeper: Sleeper;
  readonly onTrouble: ((problem: Problem | null, failures: number) => void) | undefined;
}

export interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Record<string, unknown>;
}

/** Sends it until there is an answer. What cannot become better is thrown as a {@link Problem}. */
export async function call(caller: Caller, request: () => Request | Promise<Request>, signal: AbortSignal | undefined): Promise<unknown> {
  for (let failures = 1; ; failures += 1) {
    if (signal?.aborted) throw signal.reason;
    const answer = await once(caller, await request(), signal);
    if (!(answer instanceof Problem)) {
      caller.onTrouble?.(null, 0);
      return answer;
    }
    if (!answer.isTemporary) throw answer;
    caller.onTrouble?.(answer, failures);
    await caller.sleeper.sleep(pause(answer, failures), signal);
  }
}

async function once(caller: Caller, request: Request, signal: AbortSignal | undefined): Promise<unknown> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const cancel = caller.clock.after(LIMIT_MS, abort);
  signal?.addEventListener("abort", abort);
  let status = 0;
  let retryAfter: number | null = null;
  let body: unknown = null;
  try {
    const answer = await caller.fetch(`${caller.url}/${request.path}`, {
      method: request.method,
      headers: { ...request.headers, ...(request.body && { "Content-Type": "application/json" }) },
      body: request.body ? JSON.stringify(request.body) : null,
      signal: stop.signal,
      cache: "no-store",
      credentials: caller.cookies ? "same-origin" : "omit",
      redirect: "error",
    });
    caller.time.heard(answer.headers.get("Date"));
    status = answer.status;
    retryAfter = seconds(answer.headers.get("Retry-After"), caller.time);
    if (status === 204) return null;
    body = await answer.json();
    if (answer.ok && typeof body === "object" && body !== null) return body;
  } catch {
    // No answer, or one that is not the line's (a proxy's error page): both will pass.
  } finally {
    cancel();
    signal?.removeEventListener("abort", abort);
  }
  if (signal?.aborted) throw signal.reason;
  return new Problem(status, retryAfter, body);
}

// RFC 9110 §10.2.3: seconds, or a date.
function seconds(value: string | null, time: ServerTime): number | null {
  if (!value) return null;
  const told = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - time.now()) / 1000;
  return told > 0 ? told : null;
}

// Never before the server says, and a little later, so that not all come back in one wave. Only who waits for the opening comes at
// once: being late would cost the place.
function pause(problem: Problem, failures: number): number {
  const told = problem.retryAfter;
  if (told === null) return 2 ** Math.min(failures, 5) * (0.5 + Math.random() / 2);
  return problem.slug === "not-open-yet" ? told : told * (1 + Math.random() / 5);
}
