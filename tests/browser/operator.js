// An operator before the console: what its tests share.
import assert from "node:assert/strict";

import { adminKey, browser, open, read, worker } from "./room.js";

/** What was changed is to be seen so soon. */
export const SOON_MS = 2_000;

export const address = (event = "") => `${worker}/queue/admin/${event && `#${event}`}`;
export const settings = (event) => read(`admin/events/${event}`);
export const shown = (page, number) => page.locator(`[data-number=${number}]`).textContent();
export const dialog = (page) => page.getByRole("dialog");
export const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

/** A console that is open, at one event or the list. */
export async function signedIn(t, event, options = {}) {
  const context = await (await browser(t)).newContext({ locale: "en-GB", viewport: { width: 1280, height: 900 }, ...options });
  const page = await open(context, address(event));
  await enter(page);
  await page.locator(event ? ".numbers dd:not(:empty)" : ".events").first().waitFor();
  return page;
}

export async function enter(page, key = adminKey) {
  await page.locator("input[type=password]").fill(key);
  await page.locator(".signin button").click();
}

/** Looks until it is so, at most two seconds. */
export async function soon(what, promise) {
  const began = Date.now();
  await promise(SOON_MS).catch((error) => assert.fail(`${what} was not to be seen within ${SOON_MS} ms: ${error.message.split("\n")[0]}`));
  assert.ok(Date.now() - began <= SOON_MS + 200, what);
}
