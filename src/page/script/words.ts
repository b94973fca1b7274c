// Texts, numbers and times in the language of the document.

import type { Eta } from "ropeline";

// None in the worker, which runs the same file.
const page = (globalThis as { document?: Document }).document;
const texts = JSON.parse(page?.getElementById("room")?.dataset["words"] ?? "{}") as Record<string, string>;
const language = page?.documentElement.lang;
const numbers = new Intl.NumberFormat(language);

/** A text with its gaps filled; none where there is no such text. */
export function words(key: string, gaps: Record<string, string> = {}): string {
  return (texts[key] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => gaps[name] ?? "");
}

export function count(value: number): string {
  return numbers.format(value);
}

/** A date and time of the visitor's own zone. */
export function when(ms: number, parts: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(language, parts).format(ms);
}

/** A range, in minutes, and from an hour and a half on in half hours: nobody needs more. The Worker says the same without a script. */
export function range(eta: Eta | null): string {
  if (!eta) return words("eta.unknown");
  if (eta.high <= 60) return words("eta.soon");
  const [unit, per, part] = eta.high < 5400 ? (["minutes", 60, 1] as const) : (["hours", 1800, 2] as const);
  const low = Math.floor(eta.low / per) / part;
  const high = Math.ceil(eta.high / per) / part;
  const kind = low === 0 ? "upto" : low === high ? "about" : "range";
  return words(`eta.${unit}.${kind}`, { low: count(low), high: count(high) });
}

/** Hours, minutes and seconds to go. */
export function left(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const days = Math.floor(seconds / 86400);
  const time = `${two((seconds / 3600) % 24)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
  return days ? `${words("days", { n: count(days) })} ${time}` : time;
}
