// A sale as sales go, in an open model: the pre-queue builds up, a burst comes at the opening, then a long tail. People reload, come back
// in a second tab, go offline for a while, and give up. The event opens when the burst begins: set its event_start_time SECONDS / 3 from now,
// its prequeue_start_time before.

import { sleep } from "k6";
import { optionsOf } from "./lib/options.js";
import { settings } from "./lib/settings.js";
import { Visitor } from "./lib/visitor.js";

const third = `${Math.ceil(settings.seconds / 3)}s`;

export const options = optionsOf({
  onsale: {
    executor: "ramping-arrival-rate",
    startRate: Math.ceil(settings.rate / 10),
    timeUnit: "1s",
    preAllocatedVUs: settings.visitors,
    stages: [
      { target: settings.rate, duration: third },
      { target: settings.rate * 5, duration: "10s" },
      { target: settings.rate, duration: "10s" },
      { target: Math.ceil(settings.rate / 10), duration: third },
      { target: 0, duration: third },
    ],
  },
});

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  const kind = Math.random();
  if (kind < 0.1) {
    // Changes their mind.
    sleep(5 + 25 * Math.random());
    visitor.leave();
    return;
  }
  if (kind < 0.2) {
    // Offline for a while: the place is kept.
    sleep(20 + 40 * Math.random());
    if (!visitor.enter()) return;
  }
  if (visitor.wait(kind < 0.5)) visitor.shop();
  visitor.leave();
}
