// Nineteen of twenty take a place and never come back; the twentieth is a person, and must get in all the same.

import { optionsOf, steadily, thresholds } from "./lib/options.js";
import { Visitor } from "./lib/visitor.js";

// Nobody who stays may run out of patience because of those who do not.
export const options = optionsOf({ bots: steadily() }, Object.assign(thresholds(), { ropeline_gave_up: ["count==0"] }));

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter() || Math.random() < 0.95) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
