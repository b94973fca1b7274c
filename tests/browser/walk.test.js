// The whole way, as people go it, on the real Worker and with a real shop behind it.
import assert from "node:assert/strict";
import { test } from "node:test";

import { browser, change, create, crowded, inspect, number, open, shops, shows, view, visitor, waitPage } from "./room.js";

const shopOrigin = new URL(shops.walk).origin;

test("enter, wait, called, shop, order; reload, a second tab, closing, back button", async (t) => {
  const makeWay = await crowded("walk", 5, { return_url: shops.walk, message: "Doors open at 19:00." });
  const context = await (await browser(t)).newContext();
  let page = await open(context, waitPage("walk"), [shopOrigin]);
  await shows(page, "waiting");
  assert.equal(await number(page), "7");
  assert.match(await page.title(), /^\d+ ahead · Aurora, live in Seoul$/);
  const ahead = async (of) => Number(await of.locator("#ahead").textContent());
  // The first answer may come from a board of a second ago.
  for (const until = Date.now() + 10_000; (await ahead(page)) > 5 && Date.now() < until; ) await page.waitForTimeout(100);
  assert.ok((await ahead(page)) <= 5);
  await inspect(page, "walk-1-waiting");

  await page.reload();
  await shows(page, "waiting");
  assert.equal(await number(page), "7", "a reload keeps the place");

  const tab = await open(context, waitPage("walk"), [shopOrigin]);
  await shows(tab, "waiting");
  assert.equal(await number(tab), "7", "a second tab has the same place");
  await tab.close();

  await page.close();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  page = await open(context, waitPage("walk"), [shopOrigin]);
  await shows(page, "waiting");
  assert.equal(await number(page), "7", "closing the tab loses nothing");

  await makeWay();
  await page.waitForURL(`${shopOrigin}/tickets`, { timeout: 90_000 });
  await inspect(page, "walk-2-shop");

  // Whoever goes back is not thrown out again.
  await page.goBack();
  await shows(page, "admitted");
  assert.ok(await page.locator("#go").isVisible());
  await inspect(page, "walk-3-back-from-the-shop");
  await page.locator("#go button").click();
  await page.waitForURL(`${shopOrigin}/tickets`);

  await page.getByRole("button", { name: "Order" }).click();
  await page.getByText("Your order is").waitFor();
  await inspect(page, "walk-4-ordered");

  // The visit is over: the room says so, and offers another one.
  await page.goto(waitPage("walk"));
  await shows(page, "session_ended");
  await inspect(page, "walk-5-over");
  await page.getByRole("button", { name: "Take a new place" }).click();
  await page.waitForURL(`${shopOrigin}/tickets`, { timeout: 90_000 });
});

test("when it is the visitor's turn a chime is heard and the tab says so", async (t) => {
  const makeWay = await crowded("chime", 1);
  const context = await (await browser(t)).newContext();
  await context.addInitScript(() => {
    globalThis.tones = 0;
    const create = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
      globalThis.tones += 1;
      return create.call(this);
    };
  });
  const page = await open(context, waitPage("chime"));
  await shows(page, "waiting");
  const sound = page.getByRole("button", { name: "Sound when it is my turn" });
  await sound.click();
  assert.equal(await sound.getAttribute("aria-pressed"), "true");
  assert.equal(await page.evaluate(() => globalThis.tones), 2, "the button lets hear what will come");
  await inspect(page, "sound-on");
  await makeWay();
  await shows(page, "admitted", 60_000);
  assert.ok((await page.evaluate(() => globalThis.tones)) >= 4);
  assert.match(await page.title(), /You are in/);
  assert.match(await page.locator("#lead").textContent(), /^Your visit lasts until /);
});

test("leaving needs a second word, by keyboard too, and a new place is at the end", async (t) => {
  await crowded("leave", 2);
  const page = await open(await (await browser(t)).newContext(), waitPage("leave"));
  await shows(page, "waiting");
  for (let i = 0; i < 12 && !(await page.locator("#leave").evaluate((e) => e === document.activeElement)); i += 1) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  assert.ok(await page.locator("#leave-no").evaluate((button) => button === document.activeElement), "the safe answer has the focus");
  await inspect(page, "leave-sure");
  await page.keyboard.press("Enter");
  assert.equal(await view(page), "waiting");
  assert.ok(await page.locator("#leave").evaluate((button) => button === document.activeElement));
  await page.keyboard.press("Enter");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await shows(page, "left");
  assert.ok(await page.locator("#headline").evaluate((headline) => headline === document.activeElement), "the focus is not lost");
  await inspect(page, "left");
  await page.getByRole("button", { name: "Take a new place" }).click();
  await shows(page, "waiting");
  assert.equal(await number(page), "5");
});

test("offline for a while and back: the place is kept and the page goes on", async (t) => {
  const makeWay = await crowded("offline", 2);
  const context = await (await browser(t)).newContext();
  const page = await open(context, waitPage("offline"));
  await shows(page, "waiting");
  await context.setOffline(true);
  await page.getByText("You are offline.").waitFor();
  await inspect(page, "offline");
  await makeWay();
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  assert.equal(await view(page), "waiting");
  await context.setOffline(false);
  await shows(page, "admitted", 60_000);
  assert.equal(await page.locator("#trouble").textContent(), "");
});

test("a tab that slept for ten minutes asks as soon as it is looked at", async (t) => {
  await crowded("sleep", 2);
  const context = await (await browser(t)).newContext();
  await context.addInitScript(() => {
    const now = Date.now;
    globalThis.slept = 0;
    Date.now = () => now() + globalThis.slept;
  });
  const page = await open(context, waitPage("sleep"));
  await shows(page, "waiting");
  let asked = 0;
  // From here on the line says: come back in two minutes.
  await page.route("**/status?*", async (route) => {
    asked += 1;
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), poll_after_seconds: 120 } });
  });
  while (asked === 0) await page.waitForTimeout(200);
  await page.waitForTimeout(500);
  const before = asked;
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
  await page.waitForTimeout(500);
  assert.equal(asked, before, "not before it is time");
  await page.evaluate(() => {
    globalThis.slept = 600_000;
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  });
  await page.waitForTimeout(1_000);
  assert.equal(asked, before + 1);
  assert.equal(await number(page), "4");
});

test("the clock of the page runs in a worker, which hidden tabs do not slow down", async (t) => {
  await crowded("hidden", 1);
  const page = await open(await (await browser(t)).newContext(), waitPage("hidden"));
  await shows(page, "waiting");
  assert.deepEqual(page.workers().map((worker) => new URL(worker.url()).pathname), ["/queue/assets/wait.js"]);
});

test("the countdown goes by the server's time, whatever the visitor's clock says", async (t) => {
  const start = Date.now() + 12_000;
  const settings = { prequeue_start_time: new Date(start - 6_000).toISOString(), event_start_time: new Date(start).toISOString() };
  await create("countdown", { ...settings, shuffle_at_event_start: true });
  const context = await (await browser(t)).newContext({ timezoneId: "Asia/Seoul" });
  await context.addInitScript(() => {
    const now = Date.now;
    Date.now = () => now() + 3 * 3_600_000 + 17_000;
  });
  const page = await open(context, waitPage("countdown"));
  await shows(page, "scheduled");
  const shown = await page.locator("#left").textContent();
  const [hours, minutes, seconds] = shown.split(":").map(Number);
  const off = hours * 3600 + minutes * 60 + seconds - (start - Date.now()) / 1000;
  assert.ok(Math.abs(off) <= 2, `${shown} is ${off} s off`);
  await inspect(page, "countdown-1-scheduled");
  await shows(page, "prequeue");
  assert.equal(await page.locator("#ahead").textContent(), "Drawn when the sale opens");
  await page.locator("#draw summary").click();
  const board = await page.evaluate(async () => (await fetch("/queue/events/countdown")).json());
  assert.equal(await page.locator("#draw code").textContent(), board.shuffle.commitment);
  await inspect(page, "countdown-2-prequeue");
  await shows(page, "admitted");
  const proof = await page.goto(await page.locator("#draw a").evaluate((link) => link.href));
  assert.equal((await proof.json()).commitment, board.shuffle.commitment);
});

test("an operator's words and switches reach who waits", async (t) => {
  await crowded("told", 1);
  const page = await open(await (await browser(t)).newContext(), waitPage("told"));
  await shows(page, "waiting");
  await change("told", { queue_all: true, message: "A short break.\nThe band is <b>tuning</b>." });
  await shows(page, "paused");
  assert.equal(await page.locator("#message").textContent(), "A short break.\nThe band is <b>tuning</b>.");
  await inspect(page, "paused");
  await change("told", { queue_all: false, sold_out: true });
  await shows(page, "sold_out_place");
  await inspect(page, "sold-out-with-a-place");
  const late = await open(await page.context().browser().newContext(), waitPage("told"));
  await shows(late, "sold_out");
  await inspect(late, "sold-out");
});

test("two people have two places, and one browser has one", async (t) => {
  await crowded("two", 0);
  const one = await browser(t);
  const [a, b] = [await one.newContext(), await one.newContext()];
  const [first, second] = [await open(a, waitPage("two")), await open(b, waitPage("two"))];
  await Promise.all([first.locator("#facts").waitFor(), second.locator("#facts").waitFor()]);
  assert.deepEqual([await number(first), await number(second)].sort(), ["2", "3"]);
  assert.equal((await visitor("two")).place.number, 4);
});
