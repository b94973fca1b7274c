// The page without JavaScript, in a browser that has it switched off.
import assert from "node:assert/strict";
import { test } from "node:test";

import { browser, create, crowded, inspect, open, shops, shows, view, waitPage } from "./room.js";

const shopOrigin = new URL(shops.plain).origin;

test("without JavaScript: enter, wait, called, shop, order", async (t) => {
  const makeWay = await crowded("plain", 3, { return_url: shops.plain, message: "Doors open at 19:00." });
  const opened = await browser(t);
  const context = await opened.newContext({ javaScriptEnabled: false, locale: "ko-KR", viewport: { width: 360, height: 740 } });
  const page = await context.newPage();
  await page.goto(waitPage("plain"));
  await page.screenshot({ path: `${process.env.ROPELINE_SCREENS}/plain-ko-1-first.png`, fullPage: true });
  await page.getByRole("button", { name: "스크립트 없이 계속하기" }).click();
  await page.waitForURL(/mode=plain/);
  assert.equal(await view(page), "waiting");
  assert.equal(await page.locator("#number").textContent(), "5");
  await page.screenshot({ path: `${process.env.ROPELINE_SCREENS}/plain-ko-2-waiting.png`, fullPage: true });
  await makeWay();
  // The page loads itself again; nobody presses anything until it is the visitor's turn.
  await page.getByRole("button", { name: "입장하기" }).waitFor({ timeout: 90_000 });
  await page.screenshot({ path: `${process.env.ROPELINE_SCREENS}/plain-ko-3-called.png`, fullPage: true });
  for (let i = 0; i < 30 && (await view(page)) !== "admitted"; i += 1) {
    await page.getByRole("button", { name: "입장하기" }).click();
    await page.waitForTimeout(700);
  }
  await page.screenshot({ path: `${process.env.ROPELINE_SCREENS}/plain-ko-4-admitted.png`, fullPage: true });
  await page.getByRole("button", { name: "구매 페이지로 이동" }).click();
  await page.waitForURL(`${shopOrigin}/tickets`);
  await page.getByRole("button", { name: "Order" }).click();
  await page.getByText("Your order is").waitFor();
});

test("the pages without JavaScript are sound", async (t) => {
  await crowded("sound", 1);
  await create("sound-later", { event_start_time: new Date(Date.now() + 7_200_000).toISOString(), prequeue_start_time: new Date(Date.now() + 3_600_000).toISOString() });
  const opened = await browser(t);
  for (const [look, options] of Object.entries({
    en: { locale: "en-GB" },
    ja: { locale: "ja-JP", viewport: { width: 360, height: 740 }, colorScheme: "dark" },
  })) {
    // axe is a script: these browsers run it, and the pages have none of their own.
    const page = await open(await opened.newContext(options), waitPage("sound", "?mode=plain"));
    await shows(page, "outside");
    await inspect(page, `plain-${look}-outside`);
    await page.locator("button[value=enter]").click();
    await shows(page, "waiting");
    assert.equal(await page.locator("script").count(), 0);
    await inspect(page, `plain-${look}-waiting`);
    await page.locator("button[value=leave]").click();
    await shows(page, "left");
    await inspect(page, `plain-${look}-left`);
    await page.goto(waitPage("sound-later", "?mode=plain"));
    await shows(page, "scheduled");
    await inspect(page, `plain-${look}-scheduled`);
  }
});
