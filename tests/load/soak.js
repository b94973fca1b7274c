// Hours of it: so many a second, some of whom come back by the key alone, and some just close the tab.

import { settings, whole } from "./lib/settings.js";
import { thresholds, Visitor } from "./lib/visitor.js";

export const options = {
  scenarios: {
    soak: {
      executor: "constant-arrival-rate",
      rate: settings.rate,
      timeUnit: "1s",
      duration: `${whole("SECONDS", 4 * 3600, 1)}s`,
      preAllocatedVUs: settings.visitors,
    },
  },
  thresholds: thresholds(),
  summaryTrendStats: ["min", "med", "p(95)", "p(99)", "max"],
};

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  if (visitor.wait(true)) visitor.shop();
  // The session of the others runs out by itself.
  if (Math.random() < 0.8) visitor.leave();
}
