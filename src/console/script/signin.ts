// The way in: a key, tried at once.

import { Api, Problem } from "./api.js";
import { trouble } from "./dialog.js";
import { el, field, form, say } from "./dom.js";
import { keepKey } from "./store.js";
import { t } from "./words.js";

/** `why`: what was wrong with the key before. */
export function signIn(prefix: string, why: string, signedIn: (api: Api) => void): HTMLElement {
  const key = el("input", { type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const keep = el("input", { type: "checkbox" });
  const wrong = el("p", { class: "trouble", role: "alert" }, why);
  const enter = el("button", { type: "submit", class: "main" }, t("key.enter"));
  const send = async () => {
    enter.disabled = true;
    say(wrong, "");
    const secret = key.value.trim();
    try {
      // What no header can have is no key.
      if (!/^[\x21-\x7e]+$/.test(secret)) throw new Problem(401, t("key.wrong"), t("key.wrong.what"));
      const api = new Api(prefix, secret);
      await api.call("admin/events");
      keepKey(keep.checked ? secret : null);
      signedIn(api);
    } catch (error) {
      say(wrong, refusal(error));
    } finally {
      enter.disabled = false;
    }
  };
  return form(
    { class: "signin" },
    () => void send(),
    el("h1", { id: "title", tabindex: "-1" }, t("key")),
    el("p", {}, t("key.what")),
    field(t("key.field"), key),
    el("label", { class: "check" }, keep, t("key.keep")),
    wrong,
    enter,
  );
}

/** Why a key was refused. */
export function refusal(error: unknown): string {
  if (!(error instanceof Problem) || !error.is_of_key) return trouble(error);
  return `${t(error.status === 401 ? "key.wrong" : "key.role")} (${trouble(error)})`;
}
