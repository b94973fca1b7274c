// One visitor: what became of a number, and the end of a session.

import type { Api } from "./api.js";
import { ask, trouble } from "./dialog.js";
import { button, el, field, form, say } from "./dom.js";
import type { History } from "./types.js";
import { count, t, when } from "./words.js";

export class Visitor {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #path: string;
  readonly #changed: () => void;
  readonly #whom = el("input", { type: "text", autocomplete: "off", required: true });
  readonly #said = el("p", { role: "status" });
  readonly #rows = el("dl", { class: "rows" });

  /** `changed`: a session was ended. */
  constructor(api: Api, event: string, changed: () => void) {
    this.#api = api;
    this.#path = `admin/events/${event}`;
    this.#changed = changed;
    const look = el("button", { type: "submit", class: "quiet" }, t("visitor.look"));
    const end = button(t("do.end_session"), () => void this.#end(), "danger");
    this.element = el(
      "section",
      { class: "visitor", "aria-labelledby": "visitor" },
      el("h2", { id: "visitor" }, t("visitor")),
      form({}, () => void this.#look(), field(t("visitor.whom"), this.#whom), el("div", { class: "actions" }, look, end)),
      this.#said,
      this.#rows,
    );
  }

  /** Its number, or the `jti` of its pass. */
  get #which(): { number: number } | { jti: string } {
    const given = this.#whom.value.trim();
    return /^\d+$/.test(given) ? { number: Number(given) } : { jti: given };
  }

  async #look(): Promise<void> {
    const which = this.#which;
    this.#rows.replaceChildren();
    if (!("number" in which)) return say(this.#said, t("visitor.number"));
    try {
      const { body } = await this.#api.call<History>(`${this.#path}/visitors/${which.number}`);
      say(this.#said, t("visitor.is", { n: body.number, state: t(`state.${body.state}`) }));
      this.#rows.replaceChildren(...facts(body).map(([name, fact]) => el("div", {}, el("dt", {}, t(`visitor.${name}`)), el("dd", {}, fact))));
    } catch (error) {
      say(this.#said, trouble(error));
    }
  }

  async #end(): Promise<void> {
    if (!this.#whom.reportValidity()) return;
    const which = this.#which;
    const whom = "number" in which ? t("visitor.of", { n: which.number }) : which.jti;
    const send = async () => void (await this.#api.call(`${this.#path}/end-session`, { method: "POST", body: which }));
    const outcome = await ask({ title: `${t("do.end_session")} ${whom}`, what: t("do.end_session.what"), rows: [], is_dangerous: true, send });
    if (outcome !== "done") return;
    this.#changed();
    if ("number" in which) await this.#look();
    else say(this.#said, t("done", { what: t("do.end_session") }));
  }
}

function facts({ position, entered_at, called_at, gone, admission }: History): [string, string][] {
  const at = (time: string | null) => (time === null ? null : when(time));
  const over = admission?.over_at ? `${when(admission.over_at)} (${t(`over.${admission.over_by ?? ""}`)})` : null;
  const all: [string, string | null | undefined][] = [
    ["position", position === null ? null : count(position)],
    ["entered_at", at(entered_at)],
    ["called_at", at(called_at)],
    ["gone", gone && `${t(`gone.${gone.why}`)}${gone.at ? `, ${when(gone.at)}` : ""}`],
    ["admitted_at", admission && when(admission.admitted_at)],
    ["jti", admission?.jti],
    ["session_expires_at", admission && when(admission.session_expires_at)],
    ["over", over],
    ["release_at", admission && when(admission.release_at)],
    ["redeemed", admission && t(admission.redeemed ? "value.yes" : "value.no")],
  ];
  return all.filter((fact): fact is [string, string] => typeof fact[1] === "string");
}
