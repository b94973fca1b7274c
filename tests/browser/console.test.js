// The operator's console, before the real Worker: what it shows is what the line says.
import assert from "node:assert/strict";
import { test } from "node:test";

import { address, dialog, enter, press, shown, signedIn } from "./operator.js";
import { adminKey, browser, change, create, crowded, inspect, open, originKey, read, visitor } from "./room.js";

const looks = {
  "en-desk": { locale: "en-GB", viewport: { width: 1280, height: 900 } },
  "ko-phone-dark": { locale: "ko-KR", viewport: { width: 360, height: 740 }, colorScheme: "dark", reducedMotion: "reduce" },
  "ko-desk": { locale: "ko-KR", viewport: { width: 1280, height: 900 } },
  "en-phone-dark": { locale: "en-GB", viewport: { width: 360, height: 740 }, colorScheme: "dark" },
};

test("without a key there is nothing; a wrong one and one of another role are told, and no key is kept unasked", async (t) => {
  await create("console-hidden", { name: "Nobody should know" });
  const context = await (await browser(t)).newContext({ locale: "en-GB" });
  const page = await open(context, address());
  await page.getByRole("heading", { name: "Who is asking?" }).waitFor();
  assert.ok(!(await page.content()).includes("Nobody should know"));
  await enter(page, "wrong");
  await page.getByText("This key is not known here.").waitFor();
  await inspect(page, "console-wrong-key");
  await enter(page, originKey);
  await page.getByText("This key has another role").waitFor();
  await enter(page);
  await page.getByRole("link", { name: "Nobody should know" }).waitFor();

  const everything = () => page.evaluate(() => JSON.stringify([location.href, document.cookie, { ...sessionStorage }, { ...localStorage }, document.documentElement.outerHTML]));
  assert.ok(!(await everything()).includes(adminKey), "it is in memory alone");
  await page.reload();
  await page.getByRole("heading", { name: "Who is asking?" }).waitFor();
  await page.locator("input[type=checkbox]").check();
  await enter(page);
  await page.locator(".events").waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Nobody should know" }).waitFor();
  await press(page, "Forget the key");
  await page.getByRole("heading", { name: "Who is asking?" }).waitFor();
  assert.ok(!(await everything()).includes(adminKey), "it is forgotten");
  assert.deepEqual(page.faults, []);
});

test("the list has every event with its counts as the line has them, and finds them by name", async (t) => {
  await crowded("console-list", 3, { name: "A list", total_active_users: 1 });
  await create("console-list-paused", { name: "Paused", queue_all: true });
  const page = await signedIn(t, "");
  const row = (event) => page.locator("tr", { has: page.locator(`a[href="#${event}"]`) });
  await row("console-list").getByText("1 / 1").waitFor({ timeout: 30_000 });
  const stats = await read("admin/events/console-list/stats");
  const cells = await row("console-list").locator("td").allTextContents();
  assert.deepEqual([cells[1], cells[2], cells[3], cells[5], cells[6]], ["Open", String(stats.waiting), "1 / 1", "1 / 600", "1"]);
  await row("console-list-paused").getByText("Open · paused").waitFor({ timeout: 30_000 });
  await page.getByLabel("Find by id or name").fill("a list");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.getByRole("link", { name: "A list" }).click();
  await page.getByRole("heading", { level: 1, name: "A list" }).waitFor();
  await page.locator(".numbers dd:not(:empty)").first().waitFor();
  assert.equal(await shown(page, "waiting"), String(stats.waiting));
  assert.equal(await shown(page, "lag"), "1");
  await page.getByRole("link", { name: /All events/ }).click();
  await page.locator(".events").waitFor();
  assert.deepEqual(page.faults, []);
});

test("charts have a point for each look, keep them over a reload, and leave a gap where there was none", async (t) => {
  await create("console-charts", {});
  const page = await signedIn(t, "console-charts");
  const kept = () => page.evaluate(() => JSON.parse(sessionStorage.getItem("ropeline-console-samples-console-charts") ?? "[]"));
  const points = () => page.locator(".chart .value").nth(1).evaluate((path) => (path.getAttribute("d").match(/[ML]/g) ?? []).length);
  const lines = () => page.locator(".chart .value").nth(1).evaluate((path) => (path.getAttribute("d").match(/M/g) ?? []).length);
  for (let i = 0; i < 5; i += 1) {
    await visitor("console-charts");
    await page.waitForTimeout(2_000);
  }
  assert.ok((await points()) >= 4, `${await points()} points`);
  assert.equal(await lines(), 1);
  assert.match(await page.locator(".chart svg").first().getAttribute("aria-label"), /Entering per second: now .* highest (?!0 )/);
  await page.getByText("The same as a table").click();
  await page.locator(".charts tbody tr").nth(3).waitFor();
  const before = await points();
  await page.reload();
  await enter(page);
  await page.locator(".numbers dd:not(:empty)").first().waitFor();
  const after = await kept();
  assert.ok(after.length >= before - 1, `${after.length} of ${before} are kept`);
  assert.ok((await points()) >= before - 1, "and drawn again");
  await page.context().setOffline(true);
  await page.waitForTimeout(9_000);
  await page.context().setOffline(false);
  const twice = page.locator(".chart .value").nth(1);
  for (const until = Date.now() + 20_000; (await lines()) < 2 && Date.now() < until; ) await page.waitForTimeout(200);
  assert.ok((await lines()) >= 2, `a gap in ${await twice.getAttribute("d")}`);
  await press(page, "Forget the key");
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), [], "nothing is left in the tab");
});

test("a lost connection is told with the time since the last answer, and goes when the line is back", async (t) => {
  await create("console-lost", {});
  const page = await signedIn(t, "console-lost");
  await page.getByText("Connected", { exact: true }).waitFor();
  await page.context().setOffline(true);
  await page.getByText("No connection.").waitFor({ timeout: 10_000 });
  await page.getByText(/Last answer [2-9] seconds ago/).waitFor({ timeout: 10_000 });
  await inspect(page, "console-lost");
  await page.context().setOffline(false);
  await page.getByText("Connected", { exact: true }).waitFor({ timeout: 20_000 });
  assert.equal(await page.getByText(/Last answer/).count(), 0);
});

test("the open event is asked every two seconds and no more often, and a tab that nobody sees not at all", async (t) => {
  await create("console-polls", {});
  const page = await signedIn(t, "console-polls");
  const asked = [];
  page.on("request", (request) => request.url().endsWith("/stats") && asked.push(Date.now()));
  await page.waitForTimeout(9_000);
  assert.ok(asked.length >= 3 && asked.length <= 5, `${asked.length} times in 9 s`);
  await page.evaluate(() => {
    const now = performance.now.bind(performance);
    Object.defineProperty(document, "hidden", { configurable: true, get: () => globalThis.isHidden });
    globalThis.see = (seen) => {
      globalThis.isHidden = !seen;
      document.dispatchEvent(new Event("visibilitychange"));
    };
    globalThis.see(false);
    // As if a minute had gone by.
    performance.now = () => now() + 61_000;
  });
  await page.waitForTimeout(3_000);
  const rested = asked.length;
  await page.waitForTimeout(5_000);
  assert.equal(asked.length, rested, "nobody looks");
  await page.evaluate(() => globalThis.see(true));
  await page.waitForTimeout(1_000);
  assert.ok(asked.length > rested, "somebody looks again");
});

test("before an opening the checklist says what is not in order, and turns green when it is", async (t) => {
  const start = new Date(Date.now() + 45 * 60_000).toISOString();
  await create("console-checks", { event_start_time: start });
  const page = await signedIn(t, "console-checks");
  const row = (name) => page.locator(".checks li", { has: page.getByText(name, { exact: true }) });
  await page.getByText(/Opens in 4[45] minutes/).waitFor();
  assert.equal(await row("The way to the shop").getByRole("img").getAttribute("aria-label"), "Not in order");
  await page.getByLabel("People you expect per second at the peak").fill("3000");
  await row("Lanes").getByText("Set lanes to 8").waitFor();
  await row("Keys").getByText(/Yours has the role admin; 1 /).waitFor();
  await change("console-checks", { return_url: "https://shop.example/in", lanes: 8 });
  await row("The way to the shop").getByText("https://shop.example/in").waitFor({ timeout: 15_000 });
  assert.equal(await row("Lanes").getByRole("img").getAttribute("aria-label"), "In order");
});

for (const [look, options] of Object.entries(looks)) {
  test(`the console is sound in every look: ${look}`, async (t) => {
    const event = `console-${look}`;
    await crowded(event, 4, { message: "Doors open at 19:00.", event_end_time: "2099-01-01T00:00:00Z" });
    const context = await (await browser(t)).newContext({ timezoneId: "Asia/Seoul", ...options });
    const page = await open(context, address());
    await page.locator("input[type=password]").waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), options.locale.slice(0, 2));
    await inspect(page, `console-${look}-1-key`);
    await enter(page);
    const link = page.locator(`a[href="#${event}"]`);
    await link.waitFor();
    await page.locator("tr", { has: link }).getByText("1 / 1").waitFor({ timeout: 30_000 });
    await inspect(page, `console-${look}-2-list`);
    await link.click();
    await page.locator(".numbers dd:not(:empty)").first().waitFor();
    await page.locator(".charts summary").click();
    await page.locator(".checklist summary").click();
    await page.locator(".checks li").first().waitFor();
    await page.waitForTimeout(4_500);
    await page.locator(".visitor input").fill("1");
    await page.locator(".visitor button[type=submit]").click();
    await page.locator(".visitor .rows dd").first().waitFor();
    await inspect(page, `console-${look}-3-event`);
    await page.locator(".switch .danger").first().click();
    await dialog(page).waitFor();
    await inspect(page, `console-${look}-4-ask`);
    await page.keyboard.press("Escape");
    // The other language, without another key.
    const other = options.locale.startsWith("ko") ? "en" : "ko";
    await page.locator(`#bar [lang=${other}]`).click();
    await page.locator(`html[lang=${other}]`).waitFor();
    await page.locator(".numbers dd:not(:empty)").first().waitFor();
    await inspect(page, `console-${look}-5-other-language`);
  });
}
