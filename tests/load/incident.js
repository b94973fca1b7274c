// The incident: 7,600 visitors enter at the same moment, wait, poll as told, are let in, visit the shop and leave.

import { atOnce, optionsOf, thresholds } from "./lib/options.js";
import { settings } from "./lib/settings.js";
import { lastNumber, Visitor } from "./lib/visitor.js";

export const options = optionsOf({ incident: atOnce(settings.visitors) }, thresholds(settings.visitors));

export function setup() {
  return lastNumber();
}

export default function (before) {
  const visitor = new Visitor();
  if (!visitor.enter(before)) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
