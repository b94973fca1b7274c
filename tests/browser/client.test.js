// The client library against the real Worker: in this Node, and in a page of another origin.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Line } from "../../clients/js/dist/index.js";
import { crowded, worker } from "./room.js";

test("in Node a line is waited in and left, and its numbers only get better", { timeout: 120_000 }, async () => {
  const makeWay = await crowded("client", 3);
  const line = new Line({ url: `${worker}/queue`, event: "client" });
  let least = Infinity;
  let pass;
  for await (const place of line.wait()) {
    assert.equal(place.number, 5);
    assert.ok(place.ahead <= least, `${place.ahead} after ${least}`);
    if (least === Infinity) makeWay();
    least = place.ahead;
    pass = place.pass;
  }
  assert.equal(pass.split(".").length, 3);
  const verified = await fetch(`${worker}/queue/verify?event=client`, { headers: { Authorization: `Bearer ${pass}` } });
  assert.equal(verified.status, 204);
  await line.leave();
  await assert.rejects(line.claim(), { slug: "session-ended" });
  await assert.rejects(new Line({ url: `${worker}/queue`, event: "nobody" }).enter(), { slug: "unknown-event", status: 404 });
});
