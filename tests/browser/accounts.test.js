// An event for the shop's accounts: who is not signed in is told so, who signs in goes on, and every device of an account has its place.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { before, test } from "node:test";

import { browser, create, inspect, number, open, shows, waitPage, worker } from "./room.js";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const signedIn = "This line is for customers who are signed in at the shop.";

function vouch(account) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "https://shop.example", aud: "accounts", sub: account, iat: now, exp: now + 600 };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part({ alg: "ES256", typ: "JWT" })}.${part(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

/** As the shop does it on its own host. */
const signIn = (context, account) =>
  context.addCookies([{ name: "ropeline-assertion-accounts", value: vouch(account), url: worker, httpOnly: true, sameSite: "Lax" }]);

before(() => create("accounts", { visitor_identity: "asserted", visitor_keys: { keys: [publicKey.export({ format: "jwk" })] }, queue_all: true }));

test("who signs in goes on by itself, and has the same place on every device", async (t) => {
  const chromium = await browser(t);
  const laptop = await chromium.newContext({ locale: "en-GB" });
  const page = await open(laptop, waitPage("accounts"));
  await shows(page, "outside");
  const lead = page.locator("#lead", { hasText: signedIn });
  await lead.waitFor();
  await inspect(page, "accounts-en");
  await signIn(laptop, "customer-7");
  await shows(page, "paused");
  await lead.waitFor({ state: "detached" });
  const mine = await number(page);

  const phone = await chromium.newContext({ locale: "en-GB", viewport: { width: 360, height: 740 } });
  await signIn(phone, "customer-7");
  const again = await open(phone, waitPage("accounts"));
  await shows(again, "paused");
  assert.equal(await number(again), mine);
  // Somebody else signs in there.
  await signIn(phone, "customer-8");
  await again.reload();
  await shows(again, "paused");
  assert.notEqual(await number(again), mine);
  assert.deepEqual([page.faults, again.faults], [[], []]);
});

test("without a script, too, it says who may come and takes who has signed in", async (t) => {
  const context = await (await browser(t)).newContext({ locale: "ko-KR", viewport: { width: 360, height: 740 }, javaScriptEnabled: false });
  const page = await open(context, waitPage("accounts", "?mode=plain"));
  await page.getByText("예매 사이트에 로그인한 고객을 위한 것입니다").waitFor();
  await signIn(context, "customer-9");
  await page.reload();
  await page.locator('button[value="enter"]').click();
  await shows(page, "paused");
});
