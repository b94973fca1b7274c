// One visitor by the public contract: makes the key first, enters, polls as told, claims when called, visits the shop, orders or leaves.
//
// Whatever is put off (429, 503, with Retry-After) or breaks is asked again with the same key, as the contract says. What is counted as
// failed is what no visitor should ever see: another status, an answer without what it must have, a number that changed.

import http from "k6/http";
import { sleep } from "k6";
import exec from "k6/execution";
import { Counter, Trend } from "k6/metrics";
import { settings } from "./settings.js";

const enterTime = new Trend("ropeline_enter", true);
const statusTime = new Trend("ropeline_status", true);
const claimTime = new Trend("ropeline_claim", true);
const failed = new Counter("ropeline_failed");
const disorder = new Counter("ropeline_disorder");
const transport = new Counter("ropeline_transport_errors");
const putOff = new Counter("ropeline_put_off");
const entered = new Counter("ropeline_entered");
const cameBack = new Counter("ropeline_came_back");
const admitted = new Counter("ropeline_admitted");
const gaveUp = new Counter("ropeline_gave_up");
const withoutPlace = new Counter("ropeline_without_place");

// http_req_failed is then transport errors and statuses outside the contract; an honest 429 or 503 is none.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }, 409, 429, 503));

const DIGITS = "0123456789abcdef";

function newKey() {
  let key = "";
  for (let i = 0; i < 32; i++) key += DIGITS[Math.floor(Math.random() * 16)];
  return key;
}

/** The answer's JSON; null, and counted as failed, where it is none. */
function read(answer) {
  try {
    return answer.json();
  } catch {
    failed.add(1);
    tell("no JSON", answer);
    return null;
  }
}

function tell(what, answer) {
  console.error(`${what}: ${answer.status} ${answer.error || ""} ${String(answer.body).slice(0, 300)}`);
}

export class Visitor {
  constructor() {
    this.key = newKey();
    this.place = null;
    this.began = Date.now();
  }

  /** Milliseconds of patience left. */
  left() {
    return settings.patience * 1000 - (Date.now() - this.began);
  }

  /** Asks until there is an answer that is one; null when there is none, or patience is over. Its time has all of it, connecting too. */
  ask(call, good, time = null) {
    for (;;) {
      const began = Date.now();
      const answer = call();
      const took = Date.now() - began;
      if (answer.status === 0) {
        transport.add(1);
        tell(`broken ${began} ${began + took}`, answer);
        if (this.left() <= 0) return null;
        sleep(1 + Math.random());
        continue;
      }
      const after = Number(answer.headers["Retry-After"]);
      if ((answer.status === 429 || answer.status === 503) && after > 0) {
        putOff.add(1);
        if (this.left() <= 0) return null;
        sleep(after * (1 + Math.random() / 4));
        continue;
      }
      if (!good.includes(answer.status)) {
        failed.add(1);
        tell(`failed ${began} ${began + took}`, answer);
        return null;
      }
      if (time) time.add(took);
      return answer;
    }
  }

  /** Takes a place, or finds the one there is. `after`: a number that was given before this one is asked for. */
  enter(after = 0) {
    const body = JSON.stringify({ event: settings.event, visitor: this.key });
    const sent = Date.now();
    const answer = this.ask(
      () => http.post(`${settings.base}/enter`, body, { headers: { "Content-Type": "application/json" }, tags: { name: "enter" } }),
      [200, 201],
      enterTime,
    );
    if (!answer) {
      if (!this.place) withoutPlace.add(1);
      return false;
    }
    const place = read(answer);
    if (!place) return false;
    if (place.state === "passthrough") return this.take(place);
    if (!(place.number > after) || !place.ticket) {
      disorder.add(1);
      console.error(`number ${place.number} was given after ${after}`);
      return false;
    }
    if (!this.place) {
      entered.add(1);
      // For whoever runs this: the order of all is checked by these lines (number, when asked, when answered, ms).
      console.log(`place ${place.number} ${sent} ${Date.now()}`);
    } else {
      cameBack.add(1);
      console.log(`back ${place.number} ${sent} ${Date.now()}`);
    }
    return this.take(place);
  }

  /** What is told must go with what was told before. */
  take(place) {
    const before = this.place;
    const same = !before || place.number === before.number;
    const closer = !before || before.ahead === null || place.ahead === null || place.ahead <= before.ahead;
    const onward = !before || place.frontier >= before.frontier;
    if (!same || !closer || !onward) {
      disorder.add(1);
      const text = ({ number, ahead, frontier }) => `number ${number}, ${ahead} ahead, frontier ${frontier}`;
      console.error(`from ${text(before)} to ${text(place)}`);
    }
    this.place = Object.assign({}, before, place);
    return same;
  }

  headers() {
    return { Authorization: `Bearer ${this.place.ticket}`, "Ropeline-Visitor": this.key, "Content-Type": "application/json" };
  }

  status() {
    const url = `${settings.base}/status?event=${settings.event}&seen=${this.place.frontier || 0}`;
    const answer = this.ask(() => http.get(url, { headers: this.headers(), tags: { name: "status" } }), [200], statusTime);
    const place = answer && read(answer);
    return place !== null && this.take(place);
  }

  claim() {
    const body = JSON.stringify({ event: settings.event });
    const call = () => http.post(`${settings.base}/claim`, body, { headers: this.headers(), tags: { name: "claim" } });
    const answer = this.ask(call, [200, 202, 409], claimTime);
    if (!answer) return false;
    if (answer.status !== 409) {
      const place = read(answer);
      return place !== null && this.take(place);
    }
    sleep(Number(answer.headers["Retry-After"]) || 1);
    return this.status();
  }

  /** Until let in, or out of patience: true when let in. `comesBack`: does so with a new page now and then, by the key alone. */
  wait(comesBack = false) {
    while (this.left() > 0) {
      const { state, poll_after_seconds: pause } = this.place;
      if (state === "admitted" || state === "passthrough") {
        admitted.add(1);
        return true;
      }
      if (state === "left" || state === "ended") return false;
      sleep(Math.max(pause || 1, 0.1));
      const reload = comesBack && Math.random() < 0.1;
      if (!(reload ? this.enter() : this.place.state === "called" ? this.claim() : this.status())) return false;
    }
    gaveUp.add(1);
    return false;
  }

  /**
   * Shows the pass where there is a shop, stays, and orders where that is possible (409: that order is there, its answer was lost): then true,
   * and there is nothing left to give up.
   */
  shop() {
    const headers = { "Ropeline-Pass": this.place.pass };
    if (settings.shop) this.ask(() => http.get(settings.shop, { headers, tags: { name: "shop" } }), [200]);
    sleep(settings.visit * (0.5 + Math.random()));
    if (!settings.order) return false;
    return this.ask(() => http.post(settings.order, null, { headers, tags: { name: "order" } }), [201, 409]) !== null;
  }

  leave() {
    // Who passed without a queue has no place to give up.
    if (!this.place.ticket) return;
    this.ask(() => http.post(`${settings.base}/leave`, null, { headers: this.headers(), tags: { name: "leave" } }), [204]);
  }
}

/** The last number that was given by now: what is given from here on is larger. */
export function lastNumber() {
  const answer = http.get(`${settings.base}/events/${settings.event}`, { tags: { name: "board" } });
  if (answer.status !== 200) {
    exec.test.abort(`no event '${settings.event}' at ${settings.base}: ${answer.status} ${answer.error || answer.body}`);
  }
  return answer.json().last_number;
}
