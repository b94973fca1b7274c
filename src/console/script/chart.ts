// One small chart: lines over time, gaps where nobody looked.

import { el, say, svg } from "./dom.js";
import { ceiling, runs, type Sample } from "./samples.js";
import { clock, rate, t } from "./words.js";

export interface Series {
  /** Its words are `chart.{name}`. */
  readonly name: string;
  readonly values: (samples: readonly Sample[]) => (number | null)[];
  /** A bound, drawn in dashes. */
  readonly is_bound?: boolean;
}

const WIDTH = 320;
const HEIGHT = 96;

export class Chart {
  readonly element: HTMLElement;
  readonly #series: readonly Series[];
  readonly #lines: readonly SVGPathElement[];
  readonly #picture: SVGSVGElement;
  readonly #top = el("span");
  readonly #now = el("b");

  constructor(series: readonly Series[]) {
    this.#series = series;
    this.#lines = series.map(({ is_bound }) => svg("path", { class: is_bound ? "bound" : "value" }));
    const grid = [0, 0.5, 1].map((y) => svg("path", { class: "grid", d: `M0 ${y * HEIGHT}H${WIDTH}` }));
    this.#picture = svg("svg", { viewBox: `0 -2 ${WIDTH} ${HEIGHT + 4}`, preserveAspectRatio: "none", role: "img" }, ...grid, ...this.#lines);
    const names = series.map(({ name, is_bound }) => el("span", { class: is_bound ? "is-bound" : "is-value" }, t(`chart.${name}`)));
    const caption = el("figcaption", {}, ...names, this.#now);
    this.element = el("figure", { class: "chart" }, caption, el("div", { class: "plot" }, el("div", { class: "scale" }, this.#top, el("span", {}, "0")), this.#picture));
  }

  /** Draws what lies between two times. */
  draw(samples: readonly Sample[], from: number, to: number): void {
    const all = this.#series.map(({ values }) => values(samples));
    const shown = samples.map(({ at }) => at >= from && at <= to);
    const known = all.map((values) => values.filter((value, i): value is number => value !== null && shown[i] === true));
    const top = ceiling(Math.max(1, ...known.flat()));
    const x = (at: number) => (((at - from) / (to - from)) * WIDTH).toFixed(1);
    const y = (value: number) => (HEIGHT * (1 - value / top)).toFixed(1);
    this.#lines.forEach((line, i) => {
      const values = (all[i] ?? []).map((value, at) => (shown[at] ? value : null));
      const path = runs(samples, values).map((run) => `M${run.map((point) => `${x(point.x)} ${y(point.y)}`).join("L")}${run.length === 1 ? "h0" : ""}`);
      line.setAttribute("d", path.join(""));
    });
    say(this.#top, rate(top));
    const first = known[0] ?? [];
    const last = all[0]?.[samples.length - 1] ?? null;
    say(this.#now, rate(last));
    const gaps = { name: t(`chart.${this.#series[0]?.name ?? ""}`), now: rate(last), from: clock(from), to: clock(to) };
    const label = first.length ? t("chart.label", { ...gaps, low: rate(Math.min(...first)), high: rate(Math.max(...first)) }) : t("chart.empty", gaps);
    this.#picture.setAttribute("aria-label", label);
  }
}
