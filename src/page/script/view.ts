// What is seen and heard of the room. Nothing that is shown of a place ever gets worse: `ahead` only falls, the bar only fills.

import type { Clock, Place } from "ropeline";
import { canSound, chime, toggle } from "./sound.js";
import { count, left, range, when, words } from "./words.js";

/** How often a screen reader is told of a number that moves. */
const SPEAK_MS = 30_000;
const IN_LINE = /^(prequeue|waiting|paused|called|sold_out_place)$/;

export function get<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

export class View {
  readonly #room = get("room");
  readonly #name = this.#room.dataset["name"] ?? "";
  readonly #clock: Clock;
  readonly #now: () => number;
  #spoken = { view: "", ahead: null as number | null, at: 0 };
  #opens = 0;
  #tick = () => {};

  /** `now` is the server's time: the countdown does not trust the device's. */
  constructor(clock: Clock, now: () => number) {
    this.#clock = clock;
    this.#now = now;
    get("plain").hidden = true;
    const sound = get("sound");
    sound.onclick = () => sound.setAttribute("aria-pressed", String(toggle()));
    get("leave").onclick = () => this.#ask(true);
    get("leave-no").onclick = () => this.#ask(false);
    this.opensAt(Number(this.#room.dataset["opens"]));
  }

  get current(): string {
    return this.#room.dataset["view"] ?? "";
  }

  /** Where the place is in its line. */
  place(place: Place): void {
    const { ahead, state, position } = place;
    const isTurn = /^(called|admitted|passthrough)$/.test(state);
    const held = place.paused !== null || place.phase === "suspended";
    this.show(
      place.phase === "sold_out" ? "sold_out_place" : isTurn ? "called" : state === "prequeue" ? "prequeue" : held ? "paused" : "waiting",
    );
    text("message", place.message);
    text("number", place.number === null ? "–" : count(place.number));
    const isDrawn = position !== null && position !== place.number;
    get("drawn").hidden = !isDrawn;
    if (isDrawn) text("position", count(position));
    get("ahead").classList.toggle("words", ahead === null);
    text("ahead", ahead === null ? words("drawn") : count(ahead));
    const eta = isTurn ? words("eta.now") : range(place.eta_seconds);
    text("eta", eta);
    get("wait").hidden = !/^(waiting|called)$/.test(this.current);
    const bar = get<HTMLProgressElement>("progress");
    bar.hidden = place.progress === null;
    bar.value = Math.max(bar.value, Math.round((place.progress ?? 0) * 1000));
    if (this.current === "waiting" && ahead !== null) {
      const gaps = { n: count(ahead), name: this.#name, eta };
      document.title = words("title.ahead", gaps);
      this.#speak(ahead, words("say.ahead", gaps));
    }
  }

  /** One of the views, by the name of its words. */
  show(view: string, lead = words(`${view}.lead`)): void {
    const before = this.current;
    this.#room.dataset["view"] = view;
    const headline = words(view);
    text("headline", headline);
    text("lead", lead);
    const inLine = IN_LINE.test(view);
    get("facts").hidden = !inLine;
    get("next").hidden = !inLine && view !== "joining" && view !== "scheduled";
    if (!inLine) get("progress").hidden = true;
    if (!inLine) get<HTMLProgressElement>("progress").value = 0;
    get("again").hidden = view !== "left" && view !== "session_ended";
    get("go").hidden = true;
    get("sound").hidden = !canSound || !(inLine || view === "scheduled");
    get("leave").hidden = !inLine || !get("sure").hidden;
    if (!inLine) get("sure").hidden = true;
    this.#countdown();
    if (view === before) return;
    if (view === "called") chime();
    const gaps = { name: this.#name, view: headline };
    const way = view === "called" ? "title.turn" : view === "joining" || view === "waiting" ? "title" : "title.view";
    document.title = words(way, gaps);
    if (view !== "waiting") this.#speak(null, `${headline}. ${lead}`);
    // Whoever pressed a button that is gone now goes on at the headline.
    if (document.activeElement?.closest("[hidden]")) get("headline").focus({ preventScroll: true });
  }

  /** What stands in the way; nothing where empty. */
  trouble(words: string): void {
    text("trouble", words);
  }

  /** When the sale opens, milliseconds since 1970. */
  opensAt(ms: number): void {
    if (ms > 0) this.#opens = ms;
    this.#countdown();
  }

  #countdown(): void {
    const isBefore = this.#opens > 0 && /^(scheduled|prequeue)$/.test(this.current);
    get("count").hidden = !isBefore;
    this.#tick();
    if (!isBefore) return;
    const go = this.#opens - this.#now();
    text("left", left(go));
    get("count").title = words("opens", { time: when(this.#opens, { dateStyle: "medium", timeStyle: "short" }) });
    this.#tick = go > 0 ? this.#clock.after(go % 1000 || 1000, () => this.#countdown()) : () => {};
  }

  // Screen readers hear changes of state at once, and numbers now and then.
  #speak(ahead: number | null, said: string): void {
    const now = this.#clock.now();
    const { view, ahead: before, at } = this.#spoken;
    if (view === this.current && (ahead === before || now - at < SPEAK_MS)) return;
    this.#spoken = { view: this.current, ahead, at: now };
    text("live", said);
  }

  #ask(open: boolean): void {
    get("sure").hidden = !open;
    get("leave").hidden = open;
    get(open ? "leave-no" : "leave").focus();
  }
}

function text(id: string, said: string): void {
  if (get(id).textContent !== said) get(id).textContent = said;
}
