// All events with their state. Each is asked every ten seconds or more slowly: five calls a second, whatever there is.

import type { Api } from "./api.js";
import { el, field, say } from "./dom.js";
import { Badge } from "./numbers.js";
import { Poll } from "./poll.js";
import { lag, type Settings, type Stats } from "./types.js";
import { count, rate, t } from "./words.js";

const LIST_MS = 10_000;
const EACH_MS = 200;
/** More are found by their names. */
const MOST_ROWS = 100;
const COLUMNS = ["event", "state", "waiting", "active", "entering", "admitted", "lag"];

interface Row {
  readonly element: HTMLElement;
  readonly badge: Badge;
  readonly cells: readonly HTMLElement[];
  readonly name: HTMLElement;
  settings: Settings;
  stats: Stats | null;
  entering: number | null;
}

export class List {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #rows = new Map<string, Row>();
  readonly #body = el("tbody", { role: "rowgroup" });
  readonly #note = el("p", { role: "status" });
  readonly #filter = el("input", { type: "search", autocomplete: "off", input: () => this.#show() });
  readonly #polls: readonly Poll[];
  #next = 0;

  constructor(api: Api) {
    this.#api = api;
    const head = COLUMNS.map((name) => el("th", { scope: "col", role: "columnheader" }, t(`list.${name}`)));
    const table = el("table", { class: "events", role: "table", "aria-labelledby": "title" }, el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)), this.#body);
    this.element = el("div", {}, el("h1", { id: "title", tabindex: "-1" }, t("list")), field(t("list.filter"), this.#filter), this.#note, table);
    const all = new Poll(LIST_MS, () => this.#read());
    this.#polls = [all, new Poll(EACH_MS, () => this.#count())];
  }

  stop(): void {
    for (const poll of this.#polls) poll.stop();
  }

  async #read(): Promise<void> {
    const { events } = (await this.#api.call<{ events: Settings[] }>("admin/events")).body;
    const living = new Set(events.map(({ event }) => event));
    for (const id of this.#rows.keys()) if (!living.has(id)) this.#rows.delete(id);
    for (const settings of events) {
      const row = this.#rows.get(settings.event) ?? this.#row(settings);
      row.settings = settings;
      this.#rows.set(settings.event, row);
      this.#fill(row);
    }
    this.#show();
  }

  // The one whose turn it is; in a round, and none more often than the list itself.
  async #count(): Promise<void> {
    const shown = this.#shown();
    if (!shown.length) return;
    const round = Math.max(shown.length, LIST_MS / EACH_MS);
    const row = shown[this.#next % round];
    this.#next = (this.#next + 1) % round;
    if (!row) return;
    const before = row.stats;
    const stats = (await this.#api.call<Stats>(`admin/events/${row.settings.event}/stats`)).body;
    const ms = before ? Date.parse(stats.updated_at) - Date.parse(before.updated_at) : 0;
    row.entering = before && ms > 0 ? ((stats.entered - before.entered) * 1_000) / ms : null;
    row.stats = stats;
    this.#fill(row);
  }

  #shown(): Row[] {
    const wanted = this.#filter.value.trim().toLowerCase();
    const fits = ({ settings: { event, name } }: Row) => `${event} ${name}`.toLowerCase().includes(wanted);
    return [...this.#rows.values()].filter(fits).slice(0, MOST_ROWS);
  }

  #show(): void {
    const shown = this.#shown();
    const elements = shown.map(({ element }) => element);
    const is_same = elements.length === this.#body.childElementCount && elements.every((row, i) => row === this.#body.children[i]);
    if (!is_same) this.#body.replaceChildren(...elements);
    say(this.#note, this.#rows.size === 0 ? t("list.none") : t("list.count", { n: shown.length, all: this.#rows.size }));
  }

  #row(settings: Settings): Row {
    const badge = new Badge();
    const name = el("a", { href: `#${settings.event}` });
    const cells = COLUMNS.map((column) => el("td", { role: "cell", "data-label": t(`list.${column}`) }));
    cells[0]?.append(name, el("small", {}, settings.event));
    cells[1]?.append(badge.element);
    return { element: el("tr", { role: "row" }, ...cells), badge, cells, name, settings, stats: null, entering: null };
  }

  #fill({ badge, cells, name, settings, stats, entering }: Row): void {
    say(name, settings.name);
    badge.show(settings, stats);
    const of = (value: number | undefined, limit: number) => `${value === undefined ? "–" : count(value)} / ${count(limit)}`;
    const values = [
      stats ? count(stats.waiting) : "–",
      of(stats?.active, settings.total_active_users),
      rate(entering),
      of(stats?.admitted_last_minute, settings.new_users_per_minute),
      stats ? count(lag(stats)) : "–",
    ];
    values.forEach((value, i) => {
      const cell = cells[i + 2];
      if (cell) say(cell, value);
    });
  }
}
