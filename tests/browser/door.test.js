// A door that needs a script: Turnstile's challenge on the page, its check at the real Worker. Both of Turnstile's ends are played here.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { browser, create, inspect, number, open, shows, waitPage } from "./room.js";

const turnstile = "https://challenges.cloudflare.com";
/** A widget with a button; who presses it has solved the challenge. */
const widget = `
  globalThis.turnstile = {
    render(at, { sitekey, action, cData, callback }) {
      const press = document.createElement("button");
      press.type = "button";
      press.textContent = "I am a person";
      press.onclick = () => callback(["token", sitekey, action, cData, Math.random()].join("|"));
      at.append(press);
      return "widget";
    },
    remove() { document.getElementById("door").replaceChildren(); },
  };`;

let refuse = 0;
const asked = [];
const siteverify = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  const { secret, response: token } = JSON.parse(text);
  asked.push(token);
  const [, , action, cdata] = token.split("|");
  const success = secret === "0x-secret" && refuse-- <= 0;
  response.end(JSON.stringify({ success, hostname: "localhost", action, cdata, "error-codes": success ? [] : ["timeout-or-duplicate"] }));
});

before(async () => {
  await new Promise((resolve) => siteverify.listen(Number(process.env.ROPELINE_SITEVERIFY_PORT), "127.0.0.1", resolve));
  await create("door", { door: "turnstile", total_active_users: 1, new_users_per_minute: 1, queue_all: true });
});
after(() => siteverify.close());

async function arrive(t, options, script = widget) {
  const context = await (await browser(t)).newContext(options);
  await context.route(`${turnstile}/**`, (route) =>
    script === null ? route.abort() : route.fulfill({ contentType: "text/javascript", body: script }),
  );
  return open(context, waitPage("door"), [turnstile]);
}

test("who solves the challenge is in line, and is not asked again", async (t) => {
  const page = await arrive(t, { locale: "ko-KR", viewport: { width: 360, height: 740 } });
  await shows(page, "door");
  const press = page.getByRole("button", { name: "I am a person" });
  await press.waitFor();
  await inspect(page, "door-ko-phone");
  refuse = 1;
  await press.click();
  // A token that is no good is asked for again.
  await shows(page, "door");
  await press.click();
  await shows(page, "paused");
  assert.deepEqual(asked.map((token) => token.split("|").slice(0, 4)), Array(2).fill(["token", "0x-browser", "enter", "door"]));
  const mine = await number(page);
  await page.reload();
  await shows(page, "paused");
  assert.equal(await number(page), mine);
  assert.equal(asked.length, 2);
  assert.deepEqual(page.faults, []);
});

test("a challenge that does not load is said, and tried again", async (t) => {
  const page = await arrive(t, { locale: "en-GB", colorScheme: "dark" }, null);
  await page.getByText("The check does not load").waitFor();
  await inspect(page, "door-en-blocked");
  await page.context().unroute(`${turnstile}/**`);
  await page.context().route(`${turnstile}/**`, (route) => route.fulfill({ contentType: "text/javascript", body: widget }));
  await page.getByRole("button", { name: "I am a person" }).click({ timeout: 20_000 });
  await shows(page, "paused");
});

test("without a script the page says that the door needs one", async (t) => {
  const context = await (await browser(t)).newContext({ locale: "ja-JP" });
  const page = await open(context, waitPage("door", "?mode=plain"));
  await page.getByText("確認にはJavaScriptが必要です").waitFor();
  await inspect(page, "door-ja-plain");
});
