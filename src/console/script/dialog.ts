// The question before a change: what will happen, old and new values, and for what cannot be taken back the event's id.

import { Problem } from "./api.js";
import { button, el, field, form, say } from "./dom.js";
import { t, value } from "./words.js";

export interface Question {
  readonly title: string;
  readonly what: string;
  readonly rows: readonly (readonly [string, unknown, unknown])[];
  /** To be typed first. */
  readonly typed?: string | undefined;
  readonly is_dangerous: boolean;
  /** Does it. What it throws is shown. */
  readonly send: () => Promise<void>;
}

/** What was wrong, as the Worker said it. */
export function trouble(error: unknown): string {
  if (!(error instanceof Problem)) return String(error);
  return error.status === 0 ? t("lost.answer") : `${error.title}: ${error.message}`;
}

export type Outcome = "done" | "off" | "changed";

/** Asks; answers once it is done, called off (Escape does that, too), or not to be asked any more: somebody else was faster (412). */
export function ask(question: Question): Promise<Outcome> {
  return new Promise((resolve) => {
    let outcome: Outcome = "off";
    const typed = el("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
    const wrong = el("p", { class: "trouble", role: "alert" });
    const yes = el("button", { type: "submit", class: question.is_dangerous ? "danger" : "main" }, t("ask.yes"));
    const no = button(t("ask.no"), () => dialog.close());
    const fits = () => question.typed === undefined || typed.value.trim() === question.typed;
    const look = () => (yes.disabled = !fits());
    typed.addEventListener("input", look);
    const send = async () => {
      if (!fits()) return;
      yes.disabled = no.disabled = true;
      say(wrong, "");
      try {
        await question.send();
        outcome = "done";
        dialog.close();
      } catch (error) {
        if (error instanceof Problem && error.status === 412) {
          outcome = "changed";
          return dialog.close();
        }
        say(wrong, trouble(error));
      } finally {
        no.disabled = false;
        look();
      }
    };
    const rows = question.rows.map(([name, from, to]) =>
      el("div", {}, el("dt", {}, t(name)), el("dd", {}, el("del", {}, value(from)), " → ", el("ins", {}, value(to)))),
    );
    const dialog = el(
      "dialog",
      { "aria-labelledby": "ask-title", "aria-describedby": "ask-what" },
      form(
        {},
        () => void send(),
        el("h2", { id: "ask-title" }, question.title),
        el("p", { id: "ask-what" }, question.what),
        rows.length ? el("dl", { class: "rows" }, ...rows) : null,
        question.typed === undefined ? null : field(t("ask.type", { id: question.typed }), typed),
        wrong,
        el("div", { class: "actions" }, no, yes),
      ),
    );
    // A call that is under way is waited for.
    dialog.addEventListener("cancel", (event) => no.disabled && event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(outcome);
    });
    document.body.append(dialog);
    look();
    dialog.showModal();
    (question.typed === undefined ? no : typed).focus();
  });
}
