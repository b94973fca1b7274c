// The example of the README runs as it stands.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Line } from "../dist/index.js";
import { FakeClock, FakeServer } from "./fake.js";

const AsyncFunction = (async () => {}).constructor;

test("the example of the README lets its visitor in", async () => {
  const text = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const [example] = text.split("```js\n")[1].split("```");
  const head = 'import { Line } from "ropeline";\n';
  assert.ok(example.startsWith(head));
  const clock = new FakeClock();
  const server = new FakeServer(clock, { moves: (seconds) => seconds / 2, first: 5 });
  class Here extends Line {
    constructor(options) {
      super({ ...options, clock, fetch: server.fetch });
    }
  }
  const said = [];
  const run = new AsyncFunction("Line", "console", example.slice(head.length));
  await clock.run(run(Here, { log: (words) => said.push(words) }));
  assert.equal(said[0], "4 people ahead of you");
  assert.equal(said.at(-1), "let in with pass-5");
});
