// One event: asked every two seconds for its counts, more slowly for its settings and its audit.

import { Problem, type Api } from "./api.js";
import { Audit } from "./audit.js";
import type { Change } from "./changes.js";
import { Charts } from "./charts.js";
import { Checklist } from "./checklist.js";
import { ask, trouble } from "./dialog.js";
import { el, say } from "./dom.js";
import { Knobs } from "./knobs.js";
import { Badge, Numbers } from "./numbers.js";
import { Poll } from "./poll.js";
import { add, enteringNow, sample, type Sample } from "./samples.js";
import { keepSamples, keptSamples } from "./store.js";
import { lag, type Entry, type Settings, type Stats } from "./types.js";
import { Visitor } from "./visitor.js";
import { t } from "./words.js";

const COUNTS_MS = 2_000;
const SETTINGS_MS = 10_000;
/** How often samples are put where a reload finds them. */
const KEEP_MS = 10_000;

export class EventView {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #id: string;
  readonly #name = el("h1", { id: "title", tabindex: "-1" });
  readonly #badge = new Badge();
  readonly #wrong = el("p", { class: "trouble", role: "status" });
  readonly #numbers = new Numbers();
  readonly #charts = new Charts();
  readonly #checklist = new Checklist();
  readonly #knobs = new Knobs(() => this.#now(), (change) => void this.#ask(change));
  readonly #audit = new Audit();
  readonly #polls: readonly [Poll, Poll];
  #settings: Settings | null = null;
  #etag = "";
  #stats: Stats | null = null;
  #statsAt = 0;
  #movedAt = performance.now();
  #keys: number | null = null;
  #by = "";
  #samples: Sample[];
  #keptAt = performance.now();

  constructor(api: Api, prefix: string, id: string) {
    this.#api = api;
    this.#id = id;
    this.#samples = keptSamples(id);
    say(this.#name, id);
    const visitor = new Visitor(api, id, () => this.#again());
    const page = el("a", { href: `${prefix}/events/${id}/wait`, target: "_blank", rel: "noopener" }, t("event.page"));
    this.element = el(
      "div",
      { class: "event" },
      el("nav", { "aria-label": t("event.ways") }, el("a", { href: "#" }, `← ${t("list")}`), page),
      el("header", {}, this.#name, el("code", {}, id), this.#badge.element),
      this.#wrong,
      this.#numbers.element,
      el("div", { class: "columns" }, el("div", {}, this.#charts.element, this.#checklist.element), el("div", {}, this.#knobs.element, visitor.element)),
      this.#audit.element,
    );
    addEventListener("pagehide", this.#keep);
    this.#polls = [new Poll(COUNTS_MS, () => this.#shown(() => this.#count())), new Poll(SETTINGS_MS, () => this.#shown(() => this.#read()))];
  }

  stop(): void {
    for (const poll of this.#polls) poll.stop();
    removeEventListener("pagehide", this.#keep);
    this.#keep();
  }

  readonly #keep = (): void => {
    this.#keptAt = performance.now();
    if (this.#samples.length) keepSamples(this.#id, this.#samples);
  };

  /** What was changed is seen at once. */
  #again(): void {
    for (const poll of this.#polls) poll.now();
  }

  /** What goes wrong is told in place; that there is no answer at all, the top of the page tells. */
  async #shown(what: () => Promise<void>): Promise<void> {
    try {
      await what();
      say(this.#wrong, "");
    } catch (error) {
      say(this.#wrong, error instanceof Problem && error.status === 0 ? "" : trouble(error));
      throw error;
    }
  }

  async #count(): Promise<void> {
    const stats = (await this.#api.call<Stats>(`admin/events/${this.#id}/stats`)).body;
    if (lag(stats) === 0 || stats.acked_seq !== this.#stats?.acked_seq) this.#movedAt = performance.now();
    [this.#stats, this.#statsAt] = [stats, performance.now()];
    if (this.#settings) this.#samples = add(this.#samples, sample(this.#settings, stats));
    if (performance.now() - this.#keptAt > KEEP_MS) this.#keep();
    this.#show();
  }

  async #read(): Promise<void> {
    const path = `admin/events/${this.#id}`;
    const [event, audit] = await Promise.all([this.#api.call<Settings>(path), this.#api.call<{ entries: Entry[] }>(`${path}/audit`)]);
    this.#take(event.body, event.etag);
    this.#by = audit.body.entries[0]?.by ?? "";
    this.#audit.show(audit.body.entries);
    if (this.#keys === null) this.#keys = (await this.#api.call<{ keys: unknown[] }>("jwks.json")).body.keys.length;
    this.#show();
  }

  // An answer that was under way while the event was changed is older than what is shown.
  #take(settings: Settings, etag: string): void {
    if (this.#settings && settings.config_version < this.#settings.config_version) return;
    [this.#settings, this.#etag] = [settings, etag];
    this.#show();
  }

  /** The line's time, ms since 1970. */
  #now(): number {
    return this.#stats ? Date.parse(this.#stats.updated_at) + performance.now() - this.#statsAt : Date.now();
  }

  #show(): void {
    const [settings, stats] = [this.#settings, this.#stats];
    if (!settings) return;
    say(this.#name, settings.name);
    this.#badge.show(settings, stats);
    this.#knobs.show(settings, stats?.phase === "ended");
    if (!stats) return;
    this.#numbers.show(settings, stats, enteringNow(this.#samples));
    this.#charts.draw(this.#samples);
    this.#checklist.show({ settings, stats, now: this.#now(), keys: this.#keys, stuck: performance.now() - this.#movedAt });
  }

  async #ask({ name, patch, rows, is_dangerous }: Change): Promise<void> {
    // Whatever is read meanwhile: what was shown is what is changed.
    const etag = this.#etag;
    const send = async () => {
      const body = name === "end" ? { event_end_time: new Date(this.#now()).toISOString() } : patch;
      const answer = await this.#api.call<Settings>(`admin/events/${this.#id}`, { method: "PATCH", body, etag });
      this.#take(answer.body, answer.etag);
    };
    const typed = is_dangerous ? this.#id : undefined;
    const outcome = await ask({ title: t(`do.${name}`), what: t(`do.${name}.what`), rows, typed, is_dangerous, send });
    if (outcome === "off") return;
    if (outcome === "changed") await this.#shown(() => this.#read()).catch(() => {});
    const what = t(`do.${name}`);
    say(this.#knobs.said, outcome === "done" ? t("done", { what }) : t("changed", { what, by: this.#by }));
    this.#again();
  }
}
