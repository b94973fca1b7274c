// The numbers of an event at this moment.

import { el, say } from "./dom.js";
import { lag, paused, type Settings, type Stats } from "./types.js";
import { count, rate, t } from "./words.js";

const ALL = ["waiting", "active", "entering", "admitted", "pace", "lag", "called", "entered", "let_in", "gave_up"] as const;

/** The phase in words, and what holds the line. */
export class Badge {
  readonly element = el("span", { class: "badge" });

  show(settings: Settings, stats: Stats | null): void {
    const held = stats && stats.phase !== "ended" ? paused(settings, stats) : null;
    this.element.dataset["phase"] = held ? "paused" : (stats?.phase ?? "");
    const phase = stats ? t(`phase.${stats.phase}`) : "…";
    say(this.element, held ? `${phase} · ${t(`paused.${held}`)}` : phase);
  }
}

export class Numbers {
  readonly element: HTMLElement;
  readonly #values = new Map(ALL.map((name) => [name, el("dd", { "data-number": name })] as const));
  readonly #notes = new Map(ALL.map((name) => [name, el("dd", { class: "note" })] as const));

  constructor() {
    const parts = ALL.map((name) => el("div", {}, el("dt", {}, t(`number.${name}`)), this.#values.get(name) ?? null, this.#notes.get(name) ?? null));
    this.element = el("dl", { class: "numbers" }, ...parts);
  }

  show(settings: Settings, stats: Stats, entering: number | null): void {
    const set = (name: (typeof ALL)[number], value: string, note = "") => {
      const [shown, beside] = [this.#values.get(name), this.#notes.get(name)];
      if (shown) say(shown, value);
      if (beside) say(beside, note);
    };
    set("waiting", count(stats.waiting));
    set("active", count(stats.active), t("number.of", { n: settings.total_active_users }));
    set("entering", rate(entering), t("number.per_second"));
    const limit = t("number.of", { n: stats.new_users_per_minute });
    const brake = stats.brake && t(`brake.${stats.brake.cause}`, { percent: stats.brake.percent });
    set("admitted", count(stats.admitted_last_minute), brake ? `${limit} · ${brake}` : limit);
    set("pace", rate(stats.pace_per_minute), t("number.per_minute"));
    set("lag", count(lag(stats)), t("number.in_kafka", { n: stats.acked_seq }));
    set("called", count(stats.called), t("number.present", { n: stats.present }));
    set("entered", count(stats.entered));
    set("let_in", count(stats.admitted));
    set("gave_up", count(stats.left));
  }
}
