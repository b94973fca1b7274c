// What an operator does in the console, the line has done; what was called off, refused or too late, it has not.
import assert from "node:assert/strict";
import { test } from "node:test";

import { dialog, press, settings, signedIn, soon, SOON_MS } from "./operator.js";
import { change, create, inspect, read, visitor } from "./room.js";

test("the limits and the message are changed after a question with old and new values, and called off without a trace", async (t) => {
  await create("console-knobs", { new_users_per_minute: 100, total_active_users: 50 });
  const page = await signedIn(t, "console-knobs");
  const pace = page.getByLabel("Admissions per minute");
  await pace.fill("150");
  await press(page, "Change the limits…");
  const said = await dialog(page).textContent();
  assert.match(said, /Admissions per minute100 → 150/);
  assert.ok(!said.includes("Active at a time"), "what stays as it is is not told");
  assert.ok(await dialog(page).getByRole("button", { name: "Cancel" }).evaluate((button) => button === document.activeElement), "the safe answer has the focus");
  await inspect(page, "console-ask-limits");
  await press(page, "Cancel");
  await dialog(page).waitFor({ state: "detached" });
  await press(page, "Change the limits…");
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  assert.equal((await settings("console-knobs")).config_version, 1, "nothing was sent");

  await press(page, "Change the limits…");
  await press(page, "Do it");
  await soon("the new limit", (timeout) => page.locator(".numbers .note", { hasText: "of 150" }).waitFor({ timeout }));
  await soon("the audit", (timeout) => page.locator(".audit", { hasText: "Admissions per minute: 100 → 150" }).waitFor({ timeout }));
  assert.match(await page.locator(".audit tbody tr").first().textContent(), /admin:[0-9a-f]{8}/, "and who did it");
  const { new_users_per_minute, total_active_users } = await settings("console-knobs");
  assert.deepEqual([new_users_per_minute, total_active_users], [150, 50]);

  await page.getByLabel("Message to visitors").fill("<b>Doors</b> open at 19:00.\nBring a photo ID.");
  await press(page, "Change the message…");
  await press(page, "Do it");
  await page.getByText("Done: Change the message.").waitFor({ timeout: SOON_MS });
  assert.equal((await settings("console-knobs")).message, "<b>Doors</b> open at 19:00.\nBring a photo ID.");
  await soon("words as words", (timeout) => page.locator(".audit", { hasText: "<b>Doors</b>" }).waitFor({ timeout }));
  await press(page, "Change the message…");
  await page.getByText("Nothing is different.").waitFor();
  assert.deepEqual(page.faults, []);
});

test("pause, suspend and sold out are switched on and off again, sold out only after its id was typed", async (t) => {
  await create("console-switches", {});
  const page = await signedIn(t, "console-switches");
  const badge = (text) => (timeout) => page.locator("header .badge", { hasText: text }).waitFor({ timeout });
  for (const [setting, on, off, seen] of [
    ["queue_all", "Pause the line", "Let the line go on", "Open · paused"],
    ["suspended", "Suspend the queue", "Bring the queue back", "Suspended"],
    ["sold_out", "Say it is sold out", "No longer sold out", "Sold out"],
  ]) {
    await press(page, on);
    if (setting === "sold_out") {
      assert.ok(await page.getByRole("button", { name: "Do it" }).isDisabled());
      await page.getByLabel("Type console-switches to go on").fill("console-switch");
      assert.ok(await page.getByRole("button", { name: "Do it" }).isDisabled());
      await page.getByLabel("Type console-switches to go on").fill("console-switches");
    }
    assert.match(await dialog(page).textContent(), /no → yes/);
    await press(page, "Do it");
    await soon(setting, badge(seen));
    assert.equal((await settings("console-switches"))[setting], true);
    await press(page, off);
    await press(page, "Do it");
    await soon(`no ${setting}`, badge(/^Open$/));
    assert.equal((await settings("console-switches"))[setting], false);
  }
  assert.deepEqual(page.faults, []);
});

test("an event is ended only by whoever types its id, and by the line's clock whatever this device's is", async (t) => {
  await create("console-end", {});
  const page = await signedIn(t, "console-end");
  await page.evaluate(() => {
    const now = Date.now;
    Date.now = () => now() + 3 * 3_600_000;
  });
  await press(page, "End the event");
  assert.ok(await page.getByRole("button", { name: "Do it" }).isDisabled());
  await page.keyboard.press("Enter");
  await page.getByLabel("Type console-end to go on").fill("console-end");
  await inspect(page, "console-ask-end");
  assert.equal((await settings("console-end")).event_end_time, null, "not yet");
  await page.keyboard.press("Enter");
  await soon("the end", (timeout) => page.locator("header .badge", { hasText: "Ended" }).waitFor({ timeout }));
  assert.ok(Math.abs(Date.parse((await settings("console-end")).event_end_time) - Date.now()) < 60_000);
  assert.ok(await page.getByRole("button", { name: "End the event" }).isDisabled());
  assert.deepEqual(page.faults, []);
});

test("who was slower than somebody else is told by whom, has sent nothing, and sees what is there now", async (t) => {
  await create("console-race", { new_users_per_minute: 100 });
  const page = await signedIn(t, "console-race");
  await page.getByLabel("Admissions per minute").fill("300");
  await press(page, "Change the limits…");
  await change("console-race", { new_users_per_minute: 77 });
  await press(page, "Do it");
  await page.getByText(/Not done .*: admin:[0-9a-f]{8} changed the event meanwhile/).waitFor({ timeout: SOON_MS });
  await page.locator(".numbers .note", { hasText: "of 77" }).waitFor({ timeout: SOON_MS });
  assert.equal((await settings("console-race")).new_users_per_minute, 77);
  await inspect(page, "console-changed-meanwhile");
  await press(page, "Change the limits…");
  assert.match(await dialog(page).textContent(), /77 → 300/, "what was typed is kept");
  await press(page, "Do it");
  await page.getByText("Done: Change the limits.").waitFor({ timeout: SOON_MS });
  assert.equal((await settings("console-race")).new_users_per_minute, 300);
});

test("what the line refuses is told in the question, with its title and detail", async (t) => {
  await create("console-refused", { queue_all: true });
  const page = await signedIn(t, "console-refused");
  await press(page, "Suspend the queue");
  await press(page, "Do it");
  const alert = dialog(page).getByRole("alert");
  await alert.filter({ hasText: "'suspended'" }).waitFor({ timeout: SOON_MS });
  assert.match(await alert.textContent(), /^[A-Z][^:]+: ./);
  await press(page, "Cancel");
  assert.equal((await settings("console-refused")).suspended, false);
});

test("one visitor's history is found by number, and a session is ended by number and by jti", async (t) => {
  await create("console-visitor", { total_active_users: 5, new_users_per_minute: 600 });
  const first = await visitor("console-visitor", true);
  const second = await visitor("console-visitor", true);
  const page = await signedIn(t, "console-visitor");
  const whom = page.getByLabel("Number, or jti of the pass");
  await whom.fill("99");
  await press(page, "Show history");
  await page.getByText("this number was never given in this event").waitFor();
  await whom.fill(String(first.place.number));
  await press(page, "Show history");
  await page.getByText(`Number ${first.place.number}: admitted`).waitFor();
  assert.match(await page.locator(".visitor .rows").textContent(), new RegExp(`console-visitor/${first.place.seq}`));
  await press(page, "End session…");
  await press(page, "Do it");
  await page.getByText(`Number ${first.place.number}: session over`).waitFor({ timeout: SOON_MS });
  assert.match(await page.locator(".visitor .rows").textContent(), /by an operator/);
  const history = (number) => read(`admin/events/console-visitor/visitors/${number}`);
  assert.equal((await history(first.place.number)).admission.over_by, "operator");

  await whom.fill(`console-visitor/${second.place.seq}`);
  await press(page, "End session…");
  await press(page, "Cancel");
  assert.equal((await history(second.place.number)).state, "admitted");
  await press(page, "End session…");
  await press(page, "Do it");
  await page.getByText("Done: End session").waitFor({ timeout: SOON_MS });
  assert.equal((await history(second.place.number)).state, "ended");
  await soon("the audit", (timeout) => page.locator(".audit tbody tr", { hasText: "session ended" }).nth(1).waitFor({ timeout }));
  assert.deepEqual(page.faults, []);
});
