// The incident twice over and then five times over, a minute apart: VISITORS × 2 and × 5 at once. Beyond what it can carry the product puts
// off (429, 503) and says when to come again; nobody who was given a place loses it. So latency is judged by the slowest answer alone.

import { settings } from "./lib/settings.js";
import { thresholds, Visitor } from "./lib/visitor.js";

const burst = (times, startTime) => ({
  executor: "per-vu-iterations",
  vus: settings.visitors * times,
  iterations: 1,
  startTime,
  maxDuration: `${settings.patience + 60}s`,
});

export const options = {
  scenarios: { twice: burst(2, "0s"), five_times: burst(5, "60s") },
  thresholds: Object.assign(thresholds(settings.visitors * 7, null), { ropeline_enter: [`max<${settings.slowest}`] }),
  summaryTrendStats: ["min", "med", "p(95)", "p(99)", "max"],
};

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
