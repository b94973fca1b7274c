// The incident: 7,600 visitors enter at the same moment, wait, poll as told, are let in, visit the shop and leave.

import { settings } from "./lib/settings.js";
import { lastNumber, thresholds, Visitor } from "./lib/visitor.js";

export const options = {
  scenarios: {
    incident: {
      executor: "per-vu-iterations",
      vus: settings.visitors,
      iterations: 1,
      maxDuration: `${settings.patience + 60}s`,
    },
  },
  thresholds: thresholds(settings.visitors),
  summaryTrendStats: ["min", "med", "p(95)", "p(99)", "max"],
};

export function setup() {
  return lastNumber();
}

export default function (before) {
  const visitor = new Visitor();
  if (!visitor.enter(before)) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
