// Who did what to an event, newest first.

import { said } from "./changes.js";
import { el } from "./dom.js";
import type { Entry } from "./types.js";
import { t, value, when } from "./words.js";

const MOST_ROWS = 50;

export class Audit {
  readonly element: HTMLElement;
  readonly #body = el("tbody");
  #shown = "";

  constructor() {
    const head = ["time", "audit.by", "audit.action", "audit.detail"].map((key) => el("th", { scope: "col" }, t(key)));
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), this.#body);
    const scroll = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-labelledby": "audit" }, table);
    this.element = el("section", { class: "audit", "aria-labelledby": "audit" }, el("h2", { id: "audit" }, t("audit")), scroll);
  }

  show(entries: readonly Entry[]): void {
    const newest = `${entries.length} ${entries[0]?.at ?? ""}`;
    if (newest === this.#shown) return;
    this.#shown = newest;
    this.#body.replaceChildren(...entries.slice(0, MOST_ROWS).map(row));
  }
}

function row({ at, by, action, detail }: Entry): HTMLElement {
  // What an event began with is all of its settings.
  const parts = action === "create" ? [] : said(detail);
  const lines = parts.map(({ name, from, to }) => el("div", {}, `${t(name)}: ${from === undefined ? "" : `${value(from)} → `}${value(to)}`));
  return el("tr", {}, el("th", { scope: "row" }, when(at, { dateStyle: "short", timeStyle: "medium" })), el("td", {}, by || "–"), el("td", {}, t(`action.${action}`)), el("td", {}, ...lines));
}
