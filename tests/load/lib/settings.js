// What a run is told by the environment. See README.md.

export function whole(name, fallback, least = 0) {
  const text = __ENV[name];
  const value = text === undefined || text === "" ? fallback : Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`${name}=${text}: must be a whole number, ${least} or more`);
  return value;
}

const base = (__ENV.QUEUE_URL || "http://127.0.0.1:8787/queue").replace(/\/+$/, "");
if (!/^https?:\/\/[^/@]+\/.+/.test(base)) {
  throw new Error(`QUEUE_URL=${base}: must be the deployment with its prefix, such as https://queue.example.com/queue`);
}

export const settings = {
  base,
  event: __ENV.EVENT || "demo",
  /** Where a pass is shown, with GET and `Ropeline-Pass`; nowhere if empty. */
  shop: __ENV.SHOP_URL || "",
  /** Where those who got in order, with POST and `Ropeline-Pass`; the origin then tells that their visit is over. Nowhere if empty. */
  order: __ENV.ORDER_URL || "",
  /** Visitors at once, where a scenario has such a number. */
  visitors: whole("VISITORS", 7600, 1),
  /** Seconds that a scenario which goes on does so. */
  seconds: whole("SECONDS", 300, 1),
  /** Arrivals a second, in the scenarios with an open model. */
  rate: whole("RATE", 100, 1),
  /** Seconds a visitor waits before going home. */
  patience: whole("PATIENCE", 600, 1),
  /** Seconds that those who got in stay. */
  visit: whole("VISIT", 2),
  /** The slowest answer there may be, ms: how coarse or fine latency is judged. */
  p95: whole("P95_MS", 1500, 1),
  p99: whole("P99_MS", 3000, 1),
  slowest: whole("SLOWEST_MS", 5000, 1),
};
