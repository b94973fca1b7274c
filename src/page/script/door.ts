// The door's challenge: Turnstile's widget, the one thing on the page that comes from elsewhere, and only where an event has a door.

import type { Challenge, Clock } from "ropeline";
import { get, type View } from "./view.js";
import { words } from "./words.js";

interface Turnstile {
  render(at: HTMLElement, options: Record<string, unknown>): string;
  remove(widget: string): void;
}

const SOURCE = "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit";
const AGAIN_MS = 10_000;

/** Shows challenges in the view, each until it is solved. */
export function door(clock: Clock, view: () => View): (challenge: Challenge, signal?: AbortSignal) => Promise<string> {
  return async (challenge, signal) => {
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      view().show("door");
      try {
        const token = await solve(await turnstile(), challenge, signal);
        view().trouble("");
        view().show("joining");
        return token;
      } catch {
        if (signal?.aborted) throw signal.reason;
        view().trouble(words("trouble.challenge"));
        await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve));
      }
    }
  };
}

async function solve(turnstile: Turnstile, challenge: Challenge, signal: AbortSignal | undefined): Promise<string> {
  const at = get("door");
  let widget = "";
  try {
    at.hidden = false;
    return await new Promise((resolve, reject) => {
      // The script may have taken so long to load that nobody waits for it any more.
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", reject);
      widget = turnstile.render(at, {
        sitekey: challenge.site_key,
        action: challenge.action,
        cData: challenge.cdata,
        language: document.documentElement.lang,
        callback: resolve,
        "error-callback": reject,
      });
    });
  } finally {
    if (widget) turnstile.remove(widget);
    at.hidden = true;
  }
}

function turnstile(): Promise<Turnstile> {
  const found = () => (globalThis as { turnstile?: Turnstile }).turnstile;
  return new Promise((resolve, reject) => {
    const known = found();
    if (known) return resolve(known);
    const script = document.createElement("script");
    script.src = SOURCE;
    script.onload = () => {
      const loaded = found();
      if (loaded) resolve(loaded);
      else reject(new Error(SOURCE));
    };
    script.onerror = reject;
    document.head.append(script);
  });
}
