// What this tab keeps over a reload: samples, and the key where the operator says so. Nothing outlives the tab but the language.

import type { Sample } from "./samples.js";

const NAME = "ropeline-console";
const KEY = `${NAME}-key`;
const SAMPLES = `${NAME}-samples-`;
/** Of so many events samples are kept. */
const MOST_EVENTS = 6;

/** Storage may be forbidden or full: then nothing is kept. */
function attempt<T>(what: () => T): T | null {
  try {
    return what();
  } catch {
    return null;
  }
}

export const keptKey = (): string | null => attempt(() => sessionStorage.getItem(KEY));

/** Null: it is not to be kept. */
export function keepKey(key: string | null): void {
  attempt(() => (key === null ? sessionStorage.removeItem(KEY) : sessionStorage.setItem(KEY, key)));
}

/** Nothing is left of whoever was here. */
export function forget(): void {
  attempt(() => {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(NAME)) sessionStorage.removeItem(name);
  });
}

export function keptSamples(event: string): Sample[] {
  const kept = attempt(() => JSON.parse(sessionStorage.getItem(SAMPLES + event) ?? "[]") as unknown);
  return Array.isArray(kept) ? (kept as Sample[]) : [];
}

export function keepSamples(event: string, samples: readonly Sample[]): void {
  const write = () => sessionStorage.setItem(SAMPLES + event, JSON.stringify(samples));
  const others = () => Object.keys(sessionStorage).filter((name) => name.startsWith(SAMPLES) && name !== SAMPLES + event);
  attempt(() => {
    for (const name of others().slice(MOST_EVENTS - 1)) sessionStorage.removeItem(name);
  });
  attempt(write);
}

/** The language chosen by hand. */
export const choice = (): string | null => attempt(() => localStorage.getItem(`${NAME}-language`));

export function choose(language: string): void {
  attempt(() => localStorage.setItem(`${NAME}-language`, language));
}
