// The incident again and again: VISITORS enter at the same moment, WAVES times, WAVE_SECONDS apart. They come back by the key alone now and
// then, and order in the shop. So there are enters, polls, claims and orders under way whatever happens meanwhile: `cargo xtask incident`
// makes it happen. Whoever's connection breaks then asks again, so that broken connections are counted and no gate.

import { sleep } from "k6";
import exec from "k6/execution";
import { atOnce, optionsOf, thresholds } from "./lib/options.js";
import { settings, whole } from "./lib/settings.js";
import { Visitor } from "./lib/visitor.js";

const waves = whole("WAVES", 3, 1);
const apart = whole("WAVE_SECONDS", 120, 1);
// When the first wave comes, milliseconds since 1970; 0: at once.
const at = whole("AT", 0);

const gates = thresholds(settings.visitors * waves, null);
delete gates.http_req_failed;

export const options = optionsOf({ waves: atOnce(settings.visitors, { iterations: waves, maxDuration: `${waves * apart + 120}s` }) }, gates);

export function setup() {
  return at || Date.now();
}

export default function (first) {
  const wait = first + exec.vu.iterationInScenario * apart * 1000 - Date.now();
  if (wait > 0) sleep(wait / 1000);
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  if (visitor.wait(true) && visitor.shop()) return;
  visitor.leave();
}
