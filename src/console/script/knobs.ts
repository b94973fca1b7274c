// What can be turned while an event runs. Each asks first.

import { ended, flipped, limits, message, type Change, type Switch } from "./changes.js";
import { button, el, field, form, say } from "./dom.js";
import type { Settings } from "./types.js";
import { t } from "./words.js";

const SWITCHES: readonly Switch[] = ["queue_all", "suspended", "sold_out"];

export class Knobs {
  readonly element: HTMLElement;
  /** What came of the last change. */
  readonly said = el("p", { role: "status", class: "said" });
  readonly #pace = el("input", { type: "number", min: "1", max: "1000000", step: "1", required: true, inputmode: "numeric" });
  readonly #slots = el("input", { type: "number", min: "1", max: "1000000", step: "1", required: true, inputmode: "numeric" });
  readonly #message = el("textarea", { rows: "3", maxlength: "1000" });
  readonly #switches = new Map(SWITCHES.map((name) => [name, button("", () => this.#change(flipped(this.#known, name)), name === "sold_out" ? "danger" : "quiet")] as const));
  readonly #end = button(t("do.end"), () => this.#change(ended(this.#known, this.#now())), "danger");
  readonly #now: () => number;
  readonly #asked: (change: Change) => void;
  #known!: Settings;
  #shown = new Map<HTMLInputElement | HTMLTextAreaElement, string>();

  constructor(now: () => number, asked: (change: Change) => void) {
    this.#now = now;
    this.#asked = asked;
    const submit = (name: string) => el("button", { type: "submit", class: "quiet" }, `${t(`do.${name}`)}…`);
    const state = (name: string, press: HTMLElement) => el("div", { class: "switch" }, el("span", {}, t(name)), press);
    const numbers = () => this.#change(limits(this.#known, Number(this.#pace.value), Number(this.#slots.value)));
    this.element = el(
      "section",
      { class: "knobs", "aria-labelledby": "knobs" },
      el("h2", { id: "knobs" }, t("knobs")),
      this.said,
      form({}, numbers, field(t("new_users_per_minute"), this.#pace), field(t("total_active_users"), this.#slots), submit("limits")),
      form({}, () => this.#change(message(this.#known, this.#message.value)), field(t("message"), this.#message), submit("message")),
      ...[...this.#switches].map(([name, press]) => state(name, press)),
      state("end", this.#end),
    );
  }

  show(settings: Settings, is_over: boolean): void {
    this.#known = settings;
    this.#fill(this.#pace, String(settings.new_users_per_minute));
    this.#fill(this.#slots, String(settings.total_active_users));
    this.#fill(this.#message, settings.message);
    for (const [name, press] of this.#switches) {
      say(press, t(settings[name] ? `do.${name}.off` : `do.${name}`));
      press.parentElement?.classList.toggle("on", settings[name]);
    }
    this.#end.disabled = is_over;
  }

  // What somebody is typing stays.
  #fill(input: HTMLInputElement | HTMLTextAreaElement, value: string): void {
    if (input.value === (this.#shown.get(input) ?? "")) input.value = value;
    this.#shown.set(input, value);
  }

  #change(change: Change | null): void {
    say(this.said, change ? "" : t("same"));
    if (change) this.#asked(change);
  }
}
