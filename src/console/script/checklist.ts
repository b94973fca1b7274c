// The checks before an opening, each with what to do.

import { checks, type Seen } from "./checks.js";
import { el, field, say } from "./dom.js";
import { span, t, when } from "./words.js";

const MARKS = { ok: "✓", bad: "✕", look: "?" } as const;

export class Checklist {
  readonly element: HTMLDetailsElement;
  readonly #list = el("ul", { class: "checks" });
  readonly #sum = el("span", { class: "note" });
  readonly #expected = el("input", { type: "number", min: "1", max: "1000000", step: "1", inputmode: "numeric", input: () => this.#again() });
  #seen: Omit<Seen, "expected"> | null = null;
  #shown = "";

  constructor() {
    const summary = el("summary", {}, el("h2", {}, t("checks")), this.#sum);
    this.element = el("details", { class: "checklist" }, summary, field(t("checks.expected"), this.#expected), this.#list);
  }

  show(seen: Omit<Seen, "expected">): void {
    // Open when it is of use; after that it is the operator's to open.
    if (!this.#seen) this.element.open = /^(scheduled|prequeue)$/.test(seen.stats.phase);
    this.#seen = seen;
    this.#again();
  }

  #again(): void {
    if (!this.#seen) return;
    const all = checks({ ...this.#seen, expected: Number(this.#expected.value) || null });
    const rows = all.map(({ id, said, verdict, gaps: { at, left, ...more } }) => {
      const gaps = { ...more, at: at === undefined ? "" : when(at), left: span(Number(left)) };
      return { verdict, name: t(`check.${id}`), text: t(`check.${id}.${said}`, gaps) };
    });
    const now = JSON.stringify(rows);
    if (now === this.#shown) return;
    this.#shown = now;
    const of = (verdict: string) => rows.filter((row) => row.verdict === verdict).length;
    say(this.#sum, t("checks.sum", { ok: of("ok"), bad: of("bad"), look: of("look") }));
    this.#list.replaceChildren(
      ...rows.map(({ verdict, name, text }) =>
        el("li", { class: verdict }, el("span", { class: "mark", role: "img", "aria-label": t(`verdict.${verdict}`) }, MARKS[verdict]), el("div", {}, el("b", {}, name), " ", text)),
      ),
    );
  }
}
