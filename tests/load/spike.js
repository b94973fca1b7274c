// The incident twice over and then five times over, a minute apart: VISITORS × 2 and × 5 at once. Beyond what it can carry the product puts
// off (429, 503) and says when to come again; nobody who was given a place loses it. So latency is judged by the slowest answer alone.

import { atOnce, optionsOf, thresholds } from "./lib/options.js";
import { settings } from "./lib/settings.js";
import { Visitor } from "./lib/visitor.js";

export const options = optionsOf(
  { twice: atOnce(settings.visitors * 2), five_times: atOnce(settings.visitors * 5, { startTime: "60s" }) },
  Object.assign(thresholds(settings.visitors * 7, null), { ropeline_enter: [`max<${settings.slowest}`] }),
);

export default function () {
  const visitor = new Visitor();
  if (!visitor.enter()) return;
  if (visitor.wait()) visitor.shop();
  visitor.leave();
}
