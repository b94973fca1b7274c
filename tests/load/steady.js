// As many come each second as the day has, for as long as is asked for: RATE and SECONDS.

import { optionsOf, steadily } from "./lib/options.js";
import { Visitor } from "./lib/visitor.js";

export const options = optionsOf({ steady: steadily() });

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
