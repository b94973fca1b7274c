// The client of a line: takes a place, waits in it, and is let in.
//
//   line.ts     enter, wait, claim, leave: which call comes next, and what its answer means
//   calls.ts    one call, repeated until it is answered
//   memory.ts   what outlives a reload, and why no number shown ever grows
//   clock.ts    time, and a sleep that ends when a sleeping device wakes up
//   place.ts, problem.ts   what the server says

export type { Clock } from "./clock.js";
export { Line } from "./line.js";
export type { Options } from "./line.js";
export type { Store } from "./memory.js";
export type { Eta, Place, State } from "./place.js";
export { Problem } from "./problem.js";
export type { Challenge } from "./problem.js";
