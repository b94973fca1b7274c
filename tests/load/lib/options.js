// What scenarios have in common: how visitors come, and what must hold.

import { settings } from "./settings.js";

/** The gates of every scenario: `least` visitors get a place, and nobody who wants one goes home without. `latency`: null leaves it out. */
export function thresholds(least = 1, latency = settings) {
  const gates = {
    ropeline_entered: [`count>=${least}`],
    ropeline_without_place: ["count==0"],
    ropeline_failed: ["count==0"],
    ropeline_disorder: ["count==0"],
    dropped_iterations: ["count==0"],
    http_req_failed: ["rate==0"],
  };
  if (latency) {
    gates.ropeline_enter = [`p(95)<${latency.p95}`, `p(99)<${latency.p99}`, `max<${latency.slowest}`];
    gates.ropeline_status = [`p(95)<${latency.p95}`, `p(99)<${latency.p99}`];
  }
  return gates;
}

/** A scenario's options. */
export function optionsOf(scenarios, gates = thresholds()) {
  return { scenarios, thresholds: gates, summaryTrendStats: ["min", "med", "p(95)", "p(99)", "max"] };
}

/** So long whoever has come may take until all is over. */
export const patience = `${settings.patience + 60}s`;

/** So many visitors at the same moment, once; `more`: other options of the executor. */
export function atOnce(vus, more = {}) {
  return Object.assign({ executor: "per-vu-iterations", vus, iterations: 1, maxDuration: patience }, more);
}

/** RATE a second, for so many seconds. */
export function steadily(seconds = settings.seconds) {
  return {
    executor: "constant-arrival-rate",
    rate: settings.rate,
    timeUnit: "1s",
    duration: `${seconds}s`,
    preAllocatedVUs: settings.visitors,
    gracefulStop: patience,
  };
}
