// The operator's console. `cargo xtask page` makes ../made/console.js of it.
//
//   signin.ts   the key                      api.ts      calls, and what is wrong with them
//   list.ts     all events                   poll.ts     when to ask
//   event.ts    one event, of                store.ts    what a reload keeps
//     numbers.ts, charts.ts (chart.ts), checklist.ts, knobs.ts (dialog.ts), visitor.ts, audit.ts
//   samples.ts, checks.ts, changes.ts        what is computed of it all, without a browser
//   words.ts    texts, numbers, times        dom.ts      elements
//
// The key is in memory; in sessionStorage only if the operator says so; in no address, cookie or log.

import { Api, type Problem } from "./api.js";
import { button, el, say } from "./dom.js";
import { EventView } from "./event.js";
import { List } from "./list.js";
import { refusal, signIn } from "./signin.js";
import { forget, keptKey } from "./store.js";
import { chosen, languages, span, speak, t } from "./words.js";

const main = document.getElementById("console") as HTMLElement;
const bar = document.getElementById("bar") as HTMLElement;
const prefix = main.dataset["prefix"] ?? "";
const state = el("span", { role: "status" });
const ago = el("span", { class: "note" });
let api: Api | null = null;
let view: EventView | List | null = null;
let why = "";

const kept = keptKey();
if (kept) take(new Api(prefix, kept));
addEventListener("hashchange", () => show(true));
setInterval(heard, 1_000);
show(false);

function take(next: Api): void {
  api = next;
  api.onchange = heard;
  // What was under way when the key was taken away is nobody's any more.
  api.onrefused = (problem) => void (api === next && leave(problem));
}

function leave(problem: Problem | null): void {
  why = problem ? refusal(problem) : "";
  api = null;
  // A view that stops keeps what it has seen.
  view?.stop();
  view = null;
  forget();
  show(true);
}

/** Builds what is to be seen; anew in another language. */
function show(moves: boolean): void {
  view?.stop();
  document.documentElement.lang = chosen();
  const id = location.hash.slice(1);
  const asked = /^[a-z0-9-]{1,64}$/.test(id) ? id : "";
  view = api && (asked ? new EventView(api, prefix, asked) : new List(api));
  const entered = (next: Api) => {
    why = "";
    take(next);
    show(true);
  };
  main.replaceChildren(view ? view.element : signIn(prefix, why, entered));
  document.title = [api && asked, t("title")].filter(Boolean).join(" · ");
  const spoken = languages.map(([code, name]) => {
    const press = button(name, () => {
      speak(code);
      show(false);
      bar.querySelector<HTMLElement>(`[lang=${code}]`)?.focus();
    }, "plain");
    press.lang = code;
    press.setAttribute("aria-pressed", String(code === chosen()));
    return press;
  });
  const speaks = el("div", { class: "languages", role: "group", "aria-label": t("languages") }, ...spoken);
  const out = api ? button(t("leave"), () => leave(null), "plain") : null;
  const live = el("p", { class: "state" }, ...(api ? [state, " ", ago] : []));
  bar.replaceChildren(el("b", {}, t("title")), live, speaks, ...(out ? [out] : []));
  heard();
  if (moves) (main.querySelector<HTMLElement>(api ? "#title" : "input") ?? main).focus();
}

/** Whether the Worker answers, and since when it does not. */
function heard(): void {
  const is_lost = api !== null && !api.is_connected;
  say(state, api ? t(is_lost ? "lost" : "live") : "");
  say(ago, is_lost && api ? t("lost.since", { ago: span(performance.now() - api.heard) }) : "");
  document.body.classList.toggle("lost", is_lost);
}
