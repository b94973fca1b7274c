// As many come each second as the day has, for as long as is asked for: RATE and SECONDS.

import { settings } from "./lib/settings.js";
import { thresholds, Visitor } from "./lib/visitor.js";

export const options = {
  scenarios: {
    steady: {
      executor: "constant-arrival-rate",
      rate: settings.rate,
      timeUnit: "1s",
      duration: `${settings.seconds}s`,
      preAllocatedVUs: settings.visitors,
    },
  },
  thresholds: thresholds(),
  summaryTrendStats: ["min", "med", "p(95)", "p(99)", "max"],
};

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
