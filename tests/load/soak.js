// Hours of it: so many a second, some of whom come back by the key alone, and some just close the tab.

import { optionsOf, steadily } from "./lib/options.js";
import { whole } from "./lib/settings.js";
import { Visitor } from "./lib/visitor.js";

export const options = optionsOf({ soak: steadily(whole("SECONDS", 4 * 3600, 1)) });

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  if (visitor.wait(true)) visitor.shop();
  // The session of the others runs out by itself.
  if (Math.random() < 0.8) visitor.leave();
}
