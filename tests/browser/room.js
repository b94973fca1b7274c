// A browser in front of the real Worker: what all the tests here share.
//
// `cargo xtask test browser` starts the Worker and two shops, and says by the environment where they are.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

function given(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run \`cargo xtask test browser\``);
  return value;
}

export const worker = given("ROPELINE_URL");
/** By event: a shop stands behind it, and this is its `return_url`. */
export const shops = { walk: given("ROPELINE_SHOP_WALK"), plain: given("ROPELINE_SHOP_PLAIN") };
const screens = given("ROPELINE_SCREENS");
const modules = createRequire(join(given("ROPELINE_MODULES"), "here.js"));
const { chromium: playwright } = modules("playwright-core");
const { source: axe } = modules("axe-core");

/** A browser that closes with the test. */
export async function browser(t) {
  // The package's own arguments switch web security off, and with it what these tests are about.
  const launched = await playwright.launch({
    executablePath: given("ROPELINE_CHROMIUM"),
    args: ["--no-sandbox"],
    env: { ...process.env, LD_LIBRARY_PATH: given("ROPELINE_CHROMIUM_LIBRARIES") },
  });
  t.after(() => launched.close());
  return launched;
}

/** A call as an operator makes it; the body is JSON, or a text of its own type. */
async function keyed(role, method, path, body, type = "application/json") {
  const headers = { Authorization: `Bearer ${given(`ROPELINE_${role}_KEY`)}`, "Content-Type": type };
  const answer = await fetch(`${worker}/queue/${path}`, { method, headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  if (!answer.ok) assert.fail(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

export const adminKey = given("ROPELINE_ADMIN_KEY");
export const originKey = given("ROPELINE_ORIGIN_KEY");
/** What an operator is answered. */
export const read = async (path) => (await keyed("ADMIN", "GET", path)).json();
export const create = (event, settings) => keyed("ADMIN", "PUT", `admin/events/${event}`, { name: "Aurora, live in Seoul", ...settings });
export const change = (event, settings) => keyed("ADMIN", "PATCH", `admin/events/${event}`, settings);
export const upload = (event, html) => keyed("ADMIN", "PUT", `admin/events/${event}/page`, html, "text/html; charset=utf-8");
export const complete = (event, jti) => keyed("ORIGIN", "POST", "complete", { event, jti });
export const waitPage = (event, query = "") => `${worker}/queue/events/${event}/wait${query}`;

/** Somebody else in the line. */
export async function visitor(event, claim = false) {
  const key = randomUUID();
  const enter = await fetch(`${worker}/queue/enter`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ event, visitor: key, claim }),
  });
  const place = await enter.json();
  assert.ok(enter.ok, JSON.stringify(place));
  const headers = { Authorization: `Bearer ${place.ticket}`, "Ropeline-Visitor": key };
  return { place, leave: () => fetch(`${worker}/queue/leave`, { method: "POST", headers }) };
}

/** An event with one slot, which is taken, and some who wait; answers how to clear the way. */
export async function crowded(event, waiting, settings = {}) {
  await create(event, { total_active_users: 1, new_users_per_minute: 600, ...settings });
  const first = await visitor(event, true);
  assert.equal(first.place.state, "admitted");
  const others = [];
  for (let i = 0; i < waiting; i += 1) others.push(await visitor(event));
  return async () => {
    for (const other of others) await other.leave();
    await complete(event, `${event}/${first.place.seq}`);
  };
}

/** Opens a page on which nothing may go wrong unseen: no error in a script, no breach of its policy, no request to anybody else. */
export async function open(context, address, also = []) {
  const page = await context.newPage();
  const faults = [];
  page.faults = faults;
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => /Content Security Policy|Refused to/.test(message.text()) && faults.push(message.text()));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "data:" && ![worker, ...also].includes(origin)) faults.push(`a request to ${request.url()}`);
  });
  await page.goto(address);
  return page;
}

export const view = (page) => page.locator("#room").getAttribute("data-view");

/** Waits until the page shows this view. */
export async function shows(page, name, timeout = 20_000) {
  await page.locator(`#room[data-view="${name}"]`).waitFor({ timeout });
}

export const number = (page) => page.locator("#number").textContent();

/** axe finds nothing, nothing hangs over the edge, and nothing has gone wrong so far. A screenshot of it goes to target/screens. */
export async function inspect(page, name) {
  mkdirSync(screens, { recursive: true });
  await page.screenshot({ path: join(screens, `${name}.png`), fullPage: true });
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  const faults = found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(faults, [], name);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${name} is ${over} px too wide`);
  assert.deepEqual(page.faults ?? [], [], name);
}
