// Which way it goes: wait, go on to the shop, leave, and what stands in the way.

import { Line, Problem, type Place } from "ropeline";
import { clock } from "./clock.js";
import { door } from "./door.js";
import { chime } from "./sound.js";
import { get, View } from "./view.js";
import { when, words } from "./words.js";

/** When to try again what should not have gone wrong. */
const AGAIN_MS = 30_000;
/** How often to look whether somebody has signed in at the shop, as people do in another tab. */
const LOOK_IN_MS = 10_000;
/** How often who waits for the opening looks whether it was moved. */
const LOOK_MS = 60_000;
/** Two days: how long the cookie lasts that tells the page without a script how far the line was. */
const SEEN_SECONDS = 172_800;
const LANGUAGE_SECONDS = 2_592_000;

export function start(source: string): void {
  const { event = "", prefix = "", returnUrl, gate, accounts, seenCookie = "", now } = get("room").dataset;
  const bells = clock(source);
  const line = new Line({ url: prefix, event, cookies: true, clock: bells, serverTime: Number(now), onTrouble, door: door(bells, () => view) });
  const view: View = new View(bells, () => line.now());
  let stop = new AbortController();
  let number: number | null = null;
  /** Whoever came back from the shop is not sent there again unasked. */
  let isBack = navigated() === "back_forward";
  let isLooking = false;

  get("again").onclick = () => {
    isBack = false;
    void run(true);
  };
  get("leave-yes").onclick = () => void leave();
  window.addEventListener("offline", () => view.trouble(words("trouble.offline")));
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    isBack = true;
    void run();
  });
  // At the gate the address is the shop's, and stays as it is.
  if (gate) get("languages").onclick = chooseLanguage;
  void run();

  function chooseLanguage(click: MouseEvent): void {
    const { lang } = click.target as HTMLElement;
    if (!lang) return;
    click.preventDefault();
    setCookie(seenCookie.replace("-seen-", "-language-"), lang, LANGUAGE_SECONDS);
    location.reload();
  }

  async function run(again = false): Promise<void> {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    // Who is looked for again and again is not told so each time.
    if (view.current !== "outside") view.show("joining");
    try {
      if (again) await line.enter({ again: true, signal });
      let last: Place | undefined;
      for await (const place of line.wait({ signal })) {
        last = place;
        number = place.number;
        setCookie(seenCookie, String(place.frontier), SEEN_SECONDS);
        if (!place.pass && place.state !== "left" && place.state !== "ended") view.place(place);
      }
      if (last?.pass) arrive(last, last.pass);
      else over(last?.state === "left" ? "left" : last?.phase === "ended" ? "event_ended" : "session_ended");
    } catch (problem) {
      if (!signal.aborted) refused(problem);
    }
  }

  async function leave(): Promise<void> {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    try {
      await line.leave({ signal });
      over("left");
    } catch (problem) {
      if (!signal.aborted) refused(problem);
    }
  }

  function arrive(place: Place, pass: string): void {
    view.trouble("");
    if (gate) {
      // The pass is in its cookie: the same address leads to the shop now. Should it not, not over and over at once.
      view.show("going");
      const delay = Math.max(chime() ? 1_500 : 0, hasJustArrived(event) ? 5_000 : 0);
      bells.after(delay, () => location.replace(location.href.split("#")[0] ?? ""));
      return;
    }
    const end = Date.parse(place.session_expires_at ?? "");
    if (!returnUrl) {
      const until = Number.isNaN(end) ? undefined : words("until", { time: when(end, { timeStyle: "short" }) });
      view.show("admitted", until);
      // Then look again: it was renewed elsewhere, or it is over.
      if (!Number.isNaN(end)) later(Math.max(5_000, end - line.now() + 1_000));
      return;
    }
    const go = get<HTMLFormElement>("go");
    go.action = returnUrl;
    get<HTMLInputElement>("pass").value = pass;
    view.show(isBack ? "admitted" : "going");
    go.hidden = !isBack;
    if (isBack) return;
    // The chime is heard out. Should the shop be slow to answer, there is something to press.
    bells.after(chime() ? 1_500 : 0, () => go.submit());
    bells.after(6_500, () => (go.hidden = view.current !== "going"));
  }

  function over(name: string): void {
    view.trouble("");
    view.show(name);
  }

  function later(ms: number): void {
    const { signal } = stop;
    bells.after(ms, () => void (signal.aborted || run()));
  }

  function refused(problem: unknown): void {
    const { slug, isOfTicket, message } = problem instanceof Problem ? problem : { slug: "", isOfTicket: false, message: String(problem) };
    const ends = /^(place-left|session-ended|event-ended|sold-out|unknown-event)$/;
    if (ends.test(slug)) return over(slug === "place-left" ? "left" : slug.replace("-", "_"));
    const isLost = slug === "visitor-missing";
    // Only loading the page makes a key. Once: a browser without cookies would load for ever.
    if (isLost && !accounts && navigated() !== "reload") return location.reload();
    if (isLost && accounts) {
      view.trouble("");
      view.show("outside", words("trouble.account"));
      return later(LOOK_IN_MS);
    }
    view.trouble(isLost || isOfTicket ? words("trouble.cookies") : words("trouble.wrong", { detail: message }));
    later(AGAIN_MS);
  }

  function onTrouble(problem: Problem | null, failures: number): void {
    if (problem === null) return view.trouble("");
    switch (problem.slug) {
      case "not-open-yet":
        view.show("scheduled");
        view.opensAt(Date.parse(problem.opensAt ?? ""));
        return look();
      case "queue-closed":
      case "line-full":
        return view.trouble(words("trouble.closed"));
    }
    if (!navigator.onLine) view.trouble(words("trouble.offline"));
    // One lost call is no news: most are answered the next time.
    else if (failures > 1) view.trouble(words(number === null ? "trouble.busy" : "trouble.slow"));
  }

  // The server says when to come; the board, which costs it nothing, whether that has changed.
  function look(): void {
    if (isLooking) return;
    isLooking = true;
    bells.after(LOOK_MS, async () => {
      isLooking = false;
      if (view.current !== "scheduled") return;
      try {
        const board = (await (await fetch(`${prefix}/events/${event}`)).json()) as { phase?: string; event_start_time?: string };
        if (board.phase !== "scheduled") return line.wake();
        view.opensAt(Date.parse(board.event_start_time ?? ""));
      } catch {
        // The next look may tell.
      }
      look();
    });
  }
}

function setCookie(name: string, value: string, seconds: number): void {
  const secure = name.startsWith("__Host-") ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${seconds}; SameSite=Lax${secure}`;
}

/** Whether this tab was on its way to the shop a moment ago already. */
function hasJustArrived(event: string): boolean {
  const name = `ropeline-arrived-${event}`;
  try {
    const before = Number(sessionStorage.getItem(name));
    sessionStorage.setItem(name, String(Date.now()));
    return Date.now() - before < 10_000;
  } catch {
    return false;
  }
}

function navigated(): string {
  return (performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming | undefined)?.type ?? "";
}
