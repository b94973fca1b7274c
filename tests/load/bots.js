// Nineteen of twenty take a place and never come back; the twentieth is a person, and must get in all the same.

import { settings } from "./lib/settings.js";
import { thresholds, Visitor } from "./lib/visitor.js";

export const options = {
  scenarios: {
    bots: {
      executor: "constant-arrival-rate",
      rate: settings.rate,
      timeUnit: "1s",
      duration: `${settings.seconds}s`,
      preAllocatedVUs: settings.visitors,
    },
  },
  // Nobody who stays may run out of patience because of those who do not.
  thresholds: Object.assign(thresholds(), { ropeline_gave_up: ["count==0"] }),
  summaryTrendStats: ["min", "med", "p(95)", "p(99)", "max"],
};

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter() || Math.random() < 0.95) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
