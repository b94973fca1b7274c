// What the client promises, against a server and a clock in this process.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Line, Problem } from "../dist/index.js";
import { FakeClock, FakeServer, FakeStore, never, problem, quiet } from "./fake.js";

function start({ store = null, ...server } = {}) {
  const clock = new FakeClock();
  const fake = new FakeServer(clock, server);
  const line = (options = {}) =>
    new Line({ url: "https://queue.example/queue", event: "demo", fetch: fake.fetch, clock, store, ...options });
  return { clock, fake, line };
}

/** Waits to the end; answers all that was told. */
async function walk(clock, line, options) {
  const told = [];
  const all = async () => {
    for await (const place of line.wait(options)) told.push(place);
  };
  await clock.run(all());
  return told;
}

const states = (told) => told.map((place) => place.state).filter((state, i, all) => state !== all[i - 1]);

test("a visitor enters, waits, is called and gets a pass", async () => {
  const { clock, fake, line } = start({ moves: (seconds) => seconds / 10, first: 20 });
  const told = await walk(clock, line());
  assert.deepEqual(states(told), ["waiting", "called", "admitted"]);
  assert.equal(told.at(-1).pass, "pass-20");
  assert.deepEqual([told[0].ahead, told[0].progress, told.at(-1).ahead, told.at(-1).progress], [19, 0, 0, 1]);
  assert.equal(fake.entered, 1);
});

test("who is called claims at once, and then as told", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  let claims = 0;
  const called = { state: "called", phase: "open", number: 1, position: 1, ahead: 0, frontier: 1, poll_after_seconds: 0.7, event: "demo" };
  fake.before = ({ path }) => (path === "claim" && ++claims < 4 ? Response.json(called, { status: 202 }) : undefined);
  await walk(clock, line());
  const at = fake.requests.map((request) => request.at - fake.requests[0].at);
  assert.deepEqual(at, [0, 0, 700, 1400, 2100]);
});

test("a place is asked about no sooner than the server says, and not much later", async () => {
  const { clock, fake, line } = start({ moves: (seconds) => seconds / 30, first: 12, poll: 7.3 });
  await walk(clock, line());
  const polls = fake.requests.filter((request) => request.path === "status").map((request) => request.at);
  assert.ok(polls.length > 20);
  for (const [i, at] of polls.slice(1).entries()) assert.equal(at - polls[i], 7300);
});

test("a refusal is repeated no sooner than Retry-After says, whatever the call", async () => {
  for (const [status, slug] of [[503, "overloaded"], [429, "too-many-requests"], [503, "line-full"], [503, "queue-closed"], [409, "conflict"], [500, "internal"]]) {
    for (const path of ["enter", "status", "claim"]) {
      const { clock, fake, line } = start({ moves: (seconds) => seconds, first: 9 });
      let refused = null;
      fake.before = (request) => {
        if (request.path !== path || refused) return undefined;
        refused = request.at;
        return problem(status, slug, { after: 40 });
      };
      const heard = [];
      const told = await walk(clock, line({ onTrouble: (what, failures) => heard.push([what?.slug ?? null, failures]) }));
      const again = fake.requests.filter((request) => request.path === path)[1].at - refused;
      assert.ok(again >= 40_000 && again <= 48_000, `${path} after ${slug}: ${again} ms`);
      assert.equal(told.at(-1).state, "admitted");
      const at = heard.findIndex(([what]) => what === slug);
      assert.deepEqual(heard.slice(at, at + 2), [[slug, 1], [null, 0]]);
    }
  }
});

test("Retry-After may be a date", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  const until = new Date(clock.now() + 90_000).toUTCString();
  let refused = false;
  fake.before = () => {
    if (refused) return undefined;
    refused = true;
    return new Response("busy", { status: 503, headers: { "Retry-After": until } });
  };
  await walk(clock, line());
  assert.ok(fake.requests[1].at >= Date.parse(until));
});

test("the number ahead never grows and progress never falls, however old the boards are that answers come from", async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = generator(seed);
    const { clock, fake, line } = start({ moves: (seconds) => seconds, first: 100, store: new FakeStore() });
    // Isolates are up to 30 s behind each other, and some answers of older code have not heard of `seen`.
    const real = fake.frontier.bind(fake);
    fake.frontier = () => Math.max(0, real() - Math.floor(random() * 30));
    fake.before = (request) => void (random() < 0.5 && (request.seen = 0));
    let least = Infinity;
    let most = 0;
    let frontier = 0;
    let page = line();
    const all = async () => {
      for (;;) {
        for await (const place of page.wait()) {
          assert.ok(place.ahead <= least && place.progress >= most && place.frontier >= 0, `seed ${seed}: ${place.ahead} after ${least}`);
          [least, most, frontier] = [place.ahead, place.progress, Math.max(frontier, place.frontier)];
          if (place.pass) return;
          if (random() < 0.1) break; // the page is loaded again
        }
        page = line();
      }
    };
    await clock.run(all());
  }
});

test("what has been seen is sent along", async () => {
  const { clock, fake, line } = start({ moves: (seconds) => seconds, first: 30 });
  await walk(clock, line());
  const seen = fake.requests.filter((request) => request.path === "status").map((request) => Number(request.seen));
  assert.deepEqual(seen, [0, 5, 10, 15, 20, 25]);
});

test("a draw that is still to come has no number ahead, and one that was shown does not go away", async () => {
  const { clock, fake, line } = start({ moves: () => 0, first: 50 });
  fake.place = { state: "prequeue", phase: "prequeue", position: null, ahead: null };
  const shown = [];
  const all = async () => {
    for await (const place of line().wait()) {
      shown.push([place.ahead, place.progress]);
      if (shown.length === 2) fake.place = { position: 7, ahead: 6 };
      if (shown.length === 3) fake.place = { state: "prequeue", phase: "prequeue", position: null, ahead: null };
      if (shown.length === 4) fake.place = { state: "left" };
    }
  };
  await clock.run(all());
  assert.deepEqual(shown.slice(0, 4), [[null, null], [null, null], [6, 0], [6, 0]]);
});

test("the key is made once, kept, and never changes", async () => {
  const store = new FakeStore();
  const { clock, fake, line } = start({ store, first: 5 });
  const first = await clock.run(line().enter());
  const second = await clock.run(line().enter());
  assert.deepEqual([first.number, second.number, fake.entered], [5, 5, 1]);
  const [key, same] = fake.requests.map((request) => request.body.visitor);
  assert.equal(key, same);
  assert.match(key, /^[A-Za-z0-9_-]{22,128}$/);
  assert.equal(JSON.parse(store.getItem("ropeline-demo")).key, key);
  const other = start({ store: new FakeStore() });
  await other.clock.run(other.line().enter());
  assert.notEqual(other.fake.requests[0].body.visitor, key, "each visitor has another one");
});

test("two tabs with one storage have one place", async () => {
  const store = new FakeStore();
  const { clock, fake, line } = start({ store, moves: (seconds) => seconds / 5, first: 4 });
  const [a, b] = [line(), line()];
  const [one, two] = await clock.run(Promise.all([walkSlowly(a), walkSlowly(b)]));
  assert.equal(fake.entered, 1);
  assert.deepEqual([one.at(-1).pass, two.at(-1).pass], ["pass-4", "pass-4"]);
});

test("localStorage is found where there is one", async () => {
  globalThis.localStorage = new FakeStore();
  try {
    const { clock, line } = start({ store: undefined });
    await clock.run(line({ store: undefined }).enter());
    assert.ok(globalThis.localStorage.getItem("ropeline-demo"));
  } finally {
    delete globalThis.localStorage;
  }
});

test("a storage that is missing, full, forbidden or somebody else's does not keep anybody out", async () => {
  const forbidden = { getItem() { throw new Error("no"); }, setItem() { throw new Error("no"); } };
  const others = ["", "null", "7", "[]", '"text"', '{"key":7,"ahead":"many","frontier":{}}', "{not json"];
  const foreign = others.map((text) => ({ getItem: () => text, setItem() {} }));
  for (const store of [null, forbidden, ...foreign]) {
    const { clock, fake, line } = start({ store, moves: (seconds) => seconds, first: 8 });
    const told = await walk(clock, line());
    assert.equal(told.at(-1).pass, "pass-8");
    assert.equal(told[0].ahead, 7);
    assert.equal(fake.entered, 1);
  }
});

test("the network may be away for an hour: the place is kept and the wait goes on", async () => {
  const { clock, fake, line } = start({ moves: (seconds) => seconds / 60, first: 100 });
  const away = [clock.now() + 60_000, clock.now() + 3_660_000];
  let lost = 0;
  fake.before = ({ at }) => {
    if (at < away[0] || at >= away[1]) return undefined;
    lost += 1;
    throw new TypeError("fetch failed");
  };
  const heard = [];
  const told = await walk(clock, line({ onTrouble: (what, failures) => heard.push([what?.slug, failures]) }));
  assert.equal(told.at(-1).pass, "pass-100");
  assert.equal(fake.entered, 1);
  assert.ok(lost > 60 && lost < 300, `${lost} calls in an hour`);
  assert.deepEqual(heard.filter(([slug]) => slug === "no-answer").at(-1), ["no-answer", lost]);
});

test("back on the network it asks at once", async () => {
  const window = withWindow();
  try {
    const { clock, fake, line } = start({ moves: () => 1 });
    fake.before = () => { throw new TypeError("fetch failed"); };
    const all = walkSlowly(line());
    for (let i = 0; i < 8; i += 1) { await quiet(); clock.ring(); }
    await quiet();
    const asked = fake.requests.length;
    fake.before = () => undefined;
    window.dispatchEvent(new Event("online"));
    await quiet();
    assert.ok(fake.requests.length > asked && fake.requests[asked].at === clock.now());
    assert.equal((await clock.run(all)).at(-1).pass, "pass-1");
  } finally {
    window.close();
  }
});

test("after ten minutes of sleep it asks as soon as somebody looks", async () => {
  for (const sign of ["visibilitychange", "pageshow", "focus"]) {
    const window = withWindow();
    try {
      const { clock, fake, line } = start({ moves: (seconds) => seconds / 10, first: 90 });
      const all = walkSlowly(line());
      for (let i = 0; i < 6; i += 1) { await quiet(); clock.ring(); }
      await quiet();
      const asked = fake.requests.length;
      window.dispatchEvent(new Event(sign));
      await quiet();
      assert.equal(fake.requests.length, asked, "not before it is time");
      clock.sleep(600_000);
      await quiet();
      assert.equal(fake.requests.length, asked, "a device that sleeps sends nothing");
      window.dispatchEvent(new Event(sign));
      await quiet();
      assert.equal(fake.requests.length, asked + 1, sign);
      const told = await clock.run(all);
      assert.equal(told.at(-1).pass, "pass-90");
      assert.equal(fake.entered, 1);
    } finally {
      window.close();
    }
  }
});

test("a request that nobody answers is given up after twenty seconds and sent again", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  let hung = 0;
  fake.before = () => (++hung <= 2 ? never() : undefined);
  await walk(clock, line());
  const [first, second] = fake.requests;
  assert.ok(second.at - first.at >= 20_000 && second.at - first.at <= 23_000);
});

test("an answer that is not the line's is no answer", async () => {
  for (const odd of [() => new Response("<h1>Bad gateway</h1>", { status: 200 }), () => new Response("no", { status: 403 }), () => Response.json(7), () => Response.json(null)]) {
    const { clock, fake, line } = start({ moves: () => 1 });
    let times = 0;
    fake.before = () => (++times === 1 ? odd() : undefined);
    assert.equal((await walk(clock, line())).at(-1).pass, "pass-1");
  }
});

test("an expired ticket costs nothing: the key gets the same place again", async () => {
  const { clock, fake, line } = start({ moves: (seconds) => seconds / 10, first: 12, store: new FakeStore() });
  let expired = 0;
  fake.before = ({ path }) => void (path !== "enter" && ++expired % 5 === 0 && fake.expireTickets());
  const told = await walk(clock, line());
  assert.ok(expired >= 10);
  assert.deepEqual([told.at(-1).pass, fake.entered], ["pass-12", 1]);
});

test("a ticket that is refused twice in a row is told, not asked for again and again", async () => {
  const { clock, fake, line } = start({ store: new FakeStore() });
  fake.before = ({ path }) => (path === "status" ? problem(401, "ticket-missing") : undefined);
  await assert.rejects(walk(clock, line()), { slug: "ticket-missing", status: 401 });
  assert.equal(fake.requests.length, 4);
});

test("before the opening nobody comes early, and whoever waits is there at the second", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  const opens = clock.now() + 9_000_000;
  fake.before = ({ at }) => {
    if (at >= opens) return undefined;
    const after = Math.min(3600, Math.ceil((opens - at) / 1000));
    return problem(409, "not-open-yet", { after, event_start_time: new Date(opens).toISOString() });
  };
  const heard = [];
  await walk(clock, line({ onTrouble: (what) => heard.push(what) }));
  assert.deepEqual(fake.requests.map(({ at }) => at - opens).slice(0, 4), [-9_000_000, -5_400_000, -1_800_000, 0]);
  assert.equal(heard[0].opensAt, new Date(opens).toISOString());
});

test("a page that learns of a change can ask at once", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  fake.before = () => problem(409, "not-open-yet", { after: 3000 });
  const page = line();
  const all = walkSlowly(page);
  await quiet();
  fake.before = () => undefined;
  page.wake();
  await quiet();
  assert.equal(fake.requests[1].at, fake.requests[0].at);
  await clock.run(all);
});

test("what cannot be waited for is thrown with its slug", async () => {
  for (const [status, slug] of [[410, "sold-out"], [410, "event-ended"], [404, "unknown-event"], [401, "visitor-missing"], [400, "malformed-request"]]) {
    const { clock, fake, line } = start();
    fake.before = () => problem(status, slug);
    const thrown = await walk(clock, line()).catch((error) => error);
    assert.ok(thrown instanceof Problem);
    assert.deepEqual([thrown.slug, thrown.status, thrown.message], [slug, status, `${slug}, and what to do`]);
    assert.equal(fake.requests.length, 1);
  }
});

test("a called place that meets sold out is kept, and goes in when something comes back", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  const until = clock.now() + 300_000;
  fake.before = ({ path, at }) => (path === "claim" && at < until ? problem(410, "sold-out") : undefined);
  const told = await walk(clock, line());
  assert.equal(told.at(-1).pass, "pass-1");
  assert.ok(fake.requests.length < 30, `${fake.requests.length} requests in five minutes`);
});

test("a place that is not this turn's after all waits on", async () => {
  const { clock, fake, line } = start({ moves: (seconds) => seconds, first: 3 });
  let refused = 0;
  fake.before = ({ path }) => (path === "claim" && ++refused <= 2 ? problem(409, "not-your-turn", { after: 2 }) : undefined);
  assert.equal((await walk(clock, line())).at(-1).pass, "pass-3");
});

test("a place that is over ends the wait", async () => {
  for (const state of ["left", "ended"]) {
    const { clock, fake, line } = start();
    fake.place = { state };
    assert.deepEqual(states(await walk(clock, line())), [state]);
  }
});

test("a state of a later version counts as waiting", async () => {
  const { clock, fake, line } = start({ moves: (seconds) => seconds / 10, first: 2 });
  fake.before = ({ path, at }) => {
    fake.place = path === "claim" || at > clock.now() ? {} : fake.frontier() < 2 ? { state: "pondering", phase: "dreaming" } : {};
  };
  assert.deepEqual(states(await walk(clock, line())), ["pondering", "called", "admitted"]);
});

test("a new place begins anew: its numbers are its own", async () => {
  const { clock, line } = start({ store: new FakeStore(), first: 3 });
  const page = line();
  assert.equal((await clock.run(page.enter())).ahead, 2);
  const again = await clock.run(page.enter({ again: true }));
  assert.deepEqual([again.number, again.ahead, again.progress], [4, 3, 0]);
});

test("leaving is repeated until it is answered", async () => {
  const { clock, fake, line } = start();
  const page = line();
  await clock.run(page.enter());
  let lost = 0;
  fake.before = () => { if (++lost <= 3) throw new TypeError("fetch failed"); };
  await clock.run(page.leave());
  assert.deepEqual(fake.requests.map(({ path }) => path), ["enter", "leave", "leave", "leave", "leave"]);
});

test("a signal ends whatever is under way, at once", async () => {
  for (const slow of [() => undefined, never, () => problem(503, "overloaded", { after: 600 })]) {
    const { clock, fake, line } = start();
    fake.before = slow;
    const stop = new AbortController();
    const all = walkSlowly(line(), { signal: stop.signal });
    await quiet();
    stop.abort(new Error("enough"));
    await assert.rejects(all, /enough/);
    const asked = fake.requests.length;
    while (clock.ring()) await quiet();
    assert.equal(fake.requests.length, asked);
  }
});

test("the time is the server's, whatever the device believes", async () => {
  for (const wrong of [-7 * 3_600_000, 0, 1_234, 40 * 86_400_000]) {
    const { clock, fake, line } = start({ first: 9 });
    fake.ahead = wrong;
    const page = line();
    await clock.run(page.enter());
    const off = () => page.now() - (clock.now() + wrong);
    assert.ok(Math.abs(off()) <= 1_000, `${off()} ms`);
    clock.set(3_600_000); // somebody sets the device's clock; the server's stays
    fake.ahead = wrong - 3_600_000;
    await clock.run(page.enter());
    assert.ok(Math.abs(page.now() - (clock.now() + fake.ahead)) <= 1_000);
  }
  const { line, clock } = start();
  assert.equal(line({ serverTime: clock.now() + 5_000 }).now(), clock.now() + 5_000);
});

test("with cookies neither key nor ticket is seen, sent or kept by the script", async () => {
  const store = new FakeStore();
  const { clock, fake, line } = start({ store });
  fake.before = ({ path }) => {
    const place = { event: "demo", phase: "open", state: "called", number: 1, position: 1, ahead: 0, frontier: 1, poll_after_seconds: 1 };
    return Response.json(path === "claim" ? { ...place, state: "admitted", pass: "p" } : { ...place, ticket: "secret" });
  };
  const told = await walk(clock, line({ cookies: true }));
  assert.equal(told.at(-1).pass, "p");
  for (const { body, headers, init } of fake.requests) {
    assert.deepEqual([body.visitor, headers.Authorization, headers["Ropeline-Visitor"]], [undefined, undefined, undefined]);
    assert.equal(init.credentials, "same-origin");
  }
  assert.ok(!store.getItem("ropeline-demo").includes("secret"));
  assert.ok(!store.getItem("ropeline-demo").includes("key"));
});

// ---- tools -----------------------------------------------------------------------------------

async function walkSlowly(line, options) {
  const told = [];
  for await (const place of line.wait(options)) told.push(place);
  return told;
}

/** Gives the process the events of a window. */
function withWindow() {
  const window = new EventTarget();
  const names = ["addEventListener", "removeEventListener"];
  const before = names.map((name) => globalThis[name]);
  for (const name of names) globalThis[name] = window[name].bind(window);
  window.close = () => names.forEach((name, i) => (globalThis[name] = before[i]));
  return window;
}

/** Numbers from a seed (mulberry32). */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

test("who is asked for a door's token solves its challenge, as often as it takes, and loses nothing by it", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  const challenge = { kind: "turnstile", site_key: "0x", action: "enter", cdata: "demo" };
  const refusal = () => problem(403, "door-failed", { door: challenge });
  fake.before = (request) => (request.path === "enter" && request.body.door_token !== "good" ? refusal() : undefined);
  const asked = [];
  const door = async (what) => {
    asked.push(what);
    return asked.length < 3 ? "bad" : "good";
  };
  const told = await walk(clock, line({ door }));
  assert.equal(told.at(-1).state, "admitted");
  assert.deepEqual(asked, [challenge, challenge, challenge]);
  const enters = fake.requests.filter((request) => request.path === "enter").map(({ body }) => [body.visitor, body.door_token]);
  const key = enters[0][0];
  assert.deepEqual(enters, [[key, undefined], [key, "bad"], [key, "bad"], [key, "good"]]);
});

test("without somebody to solve it, a door is thrown with its challenge", async () => {
  const { clock, fake, line } = start({ moves: () => 1 });
  fake.before = () => problem(403, "door-failed", { door: { kind: "turnstile", site_key: "0x", action: "enter", cdata: "demo" } });
  await assert.rejects(walk(clock, line()), (error) => error instanceof Problem && error.challenge.site_key === "0x");
});

test("in an event of accounts the shop's assertion stands in place of a key, a new one for every call that needs one", async () => {
  let signed = 0;
  const { clock, fake, line } = start({ moves: (seconds) => seconds, first: 3 });
  fake.before = ({ body, headers }) => {
    // The fake knows visitors by one key.
    if (body?.assertion) body.visitor = "customer-7";
    if (headers["Ropeline-Visitor"]) headers["Ropeline-Visitor"] = "customer-7";
    return undefined;
  };
  const told = await walk(clock, line({ assertion: async () => `assertion-${++signed}` }));
  assert.deepEqual(states(told).at(-1), "admitted");
  const [enter, ...others] = fake.requests;
  assert.equal(enter.body.assertion, "assertion-1");
  assert.ok(others.filter(({ path }) => path === "status").every(({ headers }) => !("Ropeline-Visitor" in headers)));
  assert.equal(signed, 1 + others.filter(({ path }) => path === "claim").length);
});
