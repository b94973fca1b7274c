// All charts of an event over one window of time, and the same as a table.

import { Chart, type Series } from "./chart.js";
import { button, el, say } from "./dom.js";
import { entering, picked, type Sample } from "./samples.js";
import { clock, rate, span, t } from "./words.js";

const WINDOWS = [600_000, 3_600_000, 6 * 3_600_000];
/** No window is shorter. */
const LEAST_MS = 60_000;
const MOST_ROWS = 30;

const of = (name: keyof Sample): Series["values"] => (samples) => samples.map((sample) => sample[name] as number | null);
const ALL: readonly (readonly Series[])[] = [
  [{ name: "entering", values: entering }],
  [{ name: "waiting", values: of("waiting") }],
  [
    { name: "admitted", values: of("admitted") },
    { name: "limit", values: of("limit"), is_bound: true },
  ],
  [{ name: "pace", values: of("pace") }],
  [
    { name: "active", values: of("active") },
    { name: "slots", values: of("slots"), is_bound: true },
  ],
  [{ name: "lag", values: of("lag") }],
];

export class Charts {
  readonly element: HTMLElement;
  readonly #charts = ALL.map((series) => new Chart(series));
  readonly #windows: readonly HTMLButtonElement[];
  readonly #times = [el("span"), el("span")] as const;
  readonly #table = el("tbody");
  readonly #details: HTMLDetailsElement;
  #window = WINDOWS[0] ?? 0;
  #samples: readonly Sample[] = [];

  constructor() {
    this.#windows = WINDOWS.map((ms) => {
      const press = () => {
        this.#window = ms;
        this.draw(this.#samples);
      };
      return button(span(ms), press);
    });
    const columns = ["time", ...ALL.map(([series]) => `chart.${series?.name ?? ""}`)];
    const head = el("tr", {}, ...columns.map((key) => el("th", { scope: "col" }, t(key))));
    const table = el("table", {}, el("thead", {}, head), this.#table);
    const scroll = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("charts.table") }, table);
    this.#details = el("details", { toggle: () => this.draw(this.#samples) }, el("summary", {}, t("charts.table")), scroll);
    this.element = el(
      "section",
      { class: "charts", "aria-labelledby": "charts" },
      el("h2", { id: "charts" }, t("charts")),
      el("div", { class: "windows", role: "group", "aria-label": t("charts.window") }, ...this.#windows),
      el("div", { class: "grid" }, ...this.#charts.map((chart) => chart.element)),
      el("p", { class: "times" }, ...this.#times),
      this.#details,
    );
  }

  draw(samples: readonly Sample[]): void {
    this.#samples = samples;
    this.#windows.forEach((window, i) => window.setAttribute("aria-pressed", String(WINDOWS[i] === this.#window)));
    const to = samples[samples.length - 1]?.at ?? Date.now();
    // What came before the first sample would be nothing but empty.
    const watched = to - (samples[0]?.at ?? to);
    const from = to - Math.min(this.#window, Math.max(LEAST_MS, watched));
    for (const chart of this.#charts) chart.draw(samples, from, to);
    say(this.#times[0], clock(from));
    say(this.#times[1], clock(to));
    if (!this.#details.open) return;
    const rates = entering(samples);
    const rows = samples.map((sample, i) => ({ ...sample, entering: rates[i] ?? null })).filter(({ at }) => at >= from);
    this.#table.replaceChildren(
      ...picked(rows, MOST_ROWS).map((row) => {
        const values = [row.entering, row.waiting, row.admitted, row.pace, row.active, row.lag];
        return el("tr", {}, el("th", { scope: "row" }, clock(row.at)), ...values.map((value) => el("td", {}, rate(value))));
      }),
    );
  }
}
