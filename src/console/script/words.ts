// Texts, numbers and times in the language chosen.

import en from "../texts/en.json";
import ko from "../texts/ko.json";
import { choice, choose } from "./store.js";

const TEXTS: Record<string, Record<string, string>> = { en, ko };

let language = choice() ?? navigator.languages.map((tag) => tag.slice(0, 2)).find((code) => code in TEXTS) ?? "en";

export const languages = [
  ["en", "English"],
  ["ko", "한국어"],
] as const;

export const chosen = (): string => language;

/** Speaks another one from now on. */
export function speak(code: string): void {
  language = code;
  choose(code);
}

export type Gaps = Readonly<Record<string, string | number>>;

/** A text with its gaps filled; the key itself where there is none, such as a setting's name. */
export function t(key: string, gaps: Gaps = {}): string {
  const filled = (_: string, name: string) => {
    const value = gaps[name] ?? "";
    return typeof value === "number" ? count(value) : value;
  };
  return (TEXTS[language]?.[key] ?? key).replace(/\{(\w+)\}/g, filled);
}

export function count(value: number, digits = 0): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** A rate; a dash where it is not known. */
export const rate = (value: number | null, digits = 1): string => (value === null ? "–" : count(value, value < 10 ? digits : 0));

/** A date and time of the operator's own zone. */
export function when(at: string | number, parts: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "medium" }): string {
  return new Intl.DateTimeFormat(language, parts).format(new Date(at));
}

/** The time of day alone. */
export const clock = (at: number): string => when(at, { timeStyle: "medium" });

/** How long something takes or is ago, roughly. */
export function span(ms: number): string {
  const units = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
  ] as const;
  const [unit, size] = units.find(([, size]) => ms >= size * 2) ?? (["second", 1_000] as const);
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(Math.max(0, Math.round(ms / size)));
}

/** A setting's value as people read it. */
export function value(of: unknown): string {
  if (of === null || of === undefined || of === "") return t("value.none");
  if (typeof of === "boolean") return t(of ? "value.yes" : "value.no");
  if (typeof of === "number") return count(of);
  if (typeof of === "string") return /^\d{4}-\d\d-\d\dT/.test(of) ? when(of) : of;
  return JSON.stringify(of);
}
