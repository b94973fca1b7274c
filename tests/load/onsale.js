// A sale as sales go, in an open model: the pre-queue builds up, a burst comes at the opening, then a long tail. People reload, come back
// in a second tab, go offline for a while, and give up. The event opens when the burst begins: set its event_start_time SECONDS / 3 from now,
// its prequeue_start_time before.

import { sleep } from "k6";
import { optionsOf, patience } from "./lib/options.js";
import { settings, whole } from "./lib/settings.js";
import { Visitor } from "./lib/visitor.js";

const third = Math.ceil(settings.seconds / 3);
const few = Math.ceil(settings.rate / 10);
// From one rate of arrivals to the next, and in how many seconds.
const stages = [
  [settings.rate, third],
  [settings.rate * 5, 10],
  [settings.rate, 10],
  [few, third],
  [0, third],
];
// Few are let in before the burst, so nearly all may be there at the same time.
const [, everybody] = stages.reduce(([from, come], [to, seconds]) => [to, come + ((from + to) / 2) * seconds], [few, 0]);

export const options = optionsOf({
  onsale: {
    executor: "ramping-arrival-rate",
    startRate: few,
    timeUnit: "1s",
    preAllocatedVUs: whole("VISITORS", Math.ceil(everybody), 1),
    gracefulStop: patience,
    stages: stages.map(([target, seconds]) => ({ target, duration: `${seconds}s` })),
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
