// Every state of the page, by a line that is played: in all languages, on a phone and on a desk, light and dark. Each screenshot in
// target/screens is to be looked at.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { browser, create, inspect, open, shows, waitPage, worker } from "./room.js";

const place = {
  event: "states", phase: "open", paused: null, state: "waiting", number: 48_213, position: 48_213, ahead: 12_345, frontier: 35_867,
  eta_seconds: { low: 1_500, likely: 1_900, high: 2_340 }, poll_after_seconds: 60, message: "", ticket_expires_at: null,
};
const refusal = (status, slug, more = {}) => ({ status, json: { type: `urn:ropeline:problem:${slug}`, title: slug, status, detail: slug, ...more } });
const soon = () => new Date(Date.now() + 26 * 3_600_000 + 34 * 60_000).toISOString();

const states = {
  joining: { hang: true },
  waiting: { json: place },
  hours: { view: "waiting", json: { ...place, ahead: 1_234_567, eta_seconds: { low: 6_000, likely: 9_000, high: 12_600 } } },
  measuring: { view: "waiting", json: { ...place, ahead: 7, eta_seconds: null } },
  drawn: { view: "waiting", json: { ...place, position: 901, ahead: 640, message: "Doors open at 19:00.\nPlease bring a photo ID." } },
  paused: { json: { ...place, paused: "queue_all" } },
  prequeue: { json: { ...place, phase: "prequeue", state: "prequeue", position: null, ahead: null } },
  called: { json: { ...place, state: "called", ahead: 0 } },
  sold_out_place: { json: { ...place, phase: "sold_out" } },
  left: { json: { ...place, state: "left" } },
  session_ended: { json: { ...place, state: "ended" } },
  event_ended: refusal(410, "event-ended"),
  sold_out: refusal(410, "sold-out"),
  unknown_event: refusal(404, "unknown-event"),
  scheduled: { ...refusal(409, "not-open-yet", { event_start_time: soon() }), headers: { "Retry-After": "600" } },
  closed: { view: "joining", ...refusal(503, "queue-closed"), headers: { "Retry-After": "600" } },
  wrong: { view: "joining", ...refusal(400, "malformed-request") },
  going: { json: { ...place, state: "admitted", ahead: 0, pass: "a.b.c", session_expires_at: soon() } },
};

const looks = {
  "en-desk": { locale: "en-GB", viewport: { width: 1280, height: 900 } },
  "ko-phone-dark": { locale: "ko-KR", viewport: { width: 360, height: 740 }, colorScheme: "dark", reducedMotion: "reduce" },
  "ja-phone": { locale: "ja-JP", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
};

/** A shop that is not reached: its answer leaves whoever is sent there on the page. (While there is none, Chromium lets nobody look.) */
const slowShop = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  posted.push({ method: request.method, body, origin: request.headers.origin });
  response.writeHead(204).end();
});
const posted = [];
let shop;

before(async () => {
  await new Promise((resolve) => slowShop.listen(0, "127.0.0.1", resolve));
  shop = `http://127.0.0.1:${slowShop.address().port}`;
  await create("states", { return_url: `${shop}/in`, event_start_time: soon() });
});
after(() => {
  slowShop.close();
  slowShop.closeAllConnections();
});

for (const [look, options] of Object.entries(looks)) {
  test(`every state is sound: ${look}`, async (t) => {
    const opened = await browser(t);
    for (const [name, state] of Object.entries(states)) {
      const context = await opened.newContext({ timezoneId: "Asia/Seoul", ...options });
      await context.route(/queue\/(enter|status|claim)/, (route) => {
        if (state.hang) return;
        const claims = state.json.state === "called" && /claim/.test(route.request().url());
        return route.fulfill({ status: claims ? 202 : 200, ...state });
      });
      const page = await open(context, waitPage("states"), [shop]);
      await shows(page, state.view ?? name);
      if (/closed|wrong/.test(name)) await page.locator("#trouble:not(:empty)").waitFor();
      if (name === "scheduled") await page.locator("#count").waitFor();
      await page.waitForTimeout(100);
      assert.equal(await page.locator("html").getAttribute("lang"), options.locale.slice(0, 2));
      await inspect(page, `${look}-${name}`);
      await context.close();
    }
  });
}

test("the language is switched by a link, and stays", async (t) => {
  const context = await (await browser(t)).newContext({ locale: "en-US" });
  await context.route(/queue\/(enter|status)/, (route) => route.fulfill({ json: place }));
  const page = await open(context, waitPage("states"));
  await page.getByRole("link", { name: "한국어" }).click();
  await page.getByText("내 앞 대기 인원").waitFor();
  await page.goto(waitPage("states"));
  await page.getByText("내 앞 대기 인원").waitFor();
  await page.getByRole("link", { name: "日本語" }).click();
  await page.getByRole("heading", { name: "列に並んでいます" }).waitFor();
});

test("the number ahead never grows, however old the board is that an answer came from", async (t) => {
  const context = await (await browser(t)).newContext();
  const boards = [900, 700, 820, 640, 899, 640, 500, 640];
  let asked = 0;
  await context.route(/queue\/(enter|status)/, (route) => {
    const ahead = boards[Math.min(asked++, boards.length - 1)];
    return route.fulfill({ json: { ...place, ahead, frontier: place.position - ahead - 1, poll_after_seconds: 0.3 } });
  });
  const page = await open(context, waitPage("states"));
  const seen = [];
  for (const until = Date.now() + 20_000; asked < boards.length + 2 && Date.now() < until; ) {
    const [ahead, bar] = await page.evaluate(() => [document.getElementById("ahead").textContent, document.getElementById("progress").value]);
    if (ahead !== "–") seen.push([Number(ahead), bar]);
    await page.waitForTimeout(20);
  }
  assert.ok(new Set(seen.map(([ahead]) => ahead)).size >= 3, JSON.stringify(seen));
  for (const [i, [ahead, bar]] of seen.slice(1).entries()) {
    assert.ok(ahead <= seen[i][0] && bar >= seen[i][1], `${seen[i]} became ${[ahead, bar]}`);
  }
  await page.reload();
  await shows(page, "waiting");
  assert.equal(await page.locator("#ahead").textContent(), "500", "nor after a reload");
});

test("a browser without cookies is told, and not loaded for ever", async (t) => {
  const context = await (await browser(t)).newContext();
  let pages = 0;
  await context.route(/\/wait$/, async (route) => {
    pages += 1;
    const answer = await route.fetch();
    const headers = answer.headers();
    delete headers["set-cookie"];
    await context.clearCookies(); // whoever fetches here keeps them for the page
    await route.fulfill({ response: answer, headers });
  });
  const page = await open(context, waitPage("states"));
  await page.getByText("this browser keeps none for this page").waitFor();
  await inspect(page, "no-cookies");
  assert.equal(pages, 2);
});

test("who arrives is taken to the shop with the pass as a form field, and can press a button should the shop be slow", async (t) => {
  const context = await (await browser(t)).newContext();
  await context.route(/queue\/(enter|status|claim)/, (route) => route.fulfill(states.going));
  posted.length = 0;
  const page = await open(context, waitPage("states"), [shop]);
  await page.locator("#go button").waitFor({ timeout: 15_000 });
  assert.deepEqual(posted, [{ method: "POST", body: "event=states&pass=a.b.c", origin: worker }]);
  await inspect(page, "slow-shop");
});

test("where the script does not come, the page offers to go on without it", async (t) => {
  const context = await (await browser(t)).newContext();
  await context.route("**/wait.js*", (route) => route.abort());
  const page = await open(context, waitPage("states"));
  await page.waitForTimeout(2_500);
  await page.getByRole("button", { name: "Go on without the script" }).waitFor();
  await inspect(page, "script-blocked");
});
