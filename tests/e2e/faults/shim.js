// Doubles between the Worker and its Durable Objects, for tests only: this module stands before the product's own, `./index.js`,
// and is in no bundle that is deployed.
//
// * Every binding of an object namespace is replaced by a double. It notes each call, and fails as the rules say.
// * Every object class is wrapped, so that an object can be reset around a command, and its alarm be late, double or lost.
// * `ADDRESS_LIMIT` is there where the variable `TEST_ADDRESS_LIMIT` says how many each address has.
// * Tests tell rules, and ask what was called, at `POST /__faults` (see `src/faults.rs`).
//
// All of it is plain data of this one isolate: nothing is resolved in one request that another one waits for.

import { WorkerEntrypoint } from "cloudflare:workers";
import Worker, * as product from "./index.js";

const BINDINGS = ["REGISTRY", "LANE", "LINE"];
// Told to a wrapped object, in a header beside the command.
const ORDER = "x-fault-order";

const told = { rules: [], calls: [], last: {}, shapes: {}, flooded: {}, stubs: 0, released: new Set(), alarms: "on", rung: 0, clock: 0, limited: [], limit: "counts", alerts: [], alert: "works" };

const realNow = Date.now.bind(Date);
Date.now = () => realNow() + told.clock;

const nameOf = (text) => {
  const command = JSON.parse(text);
  return typeof command === "string" ? command : Object.keys(command)[0];
};

const fromBase64Url = (text) => atob(text.replaceAll("-", "+").replaceAll("_", "/"));
const toBase64Url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// As the product does: commands to lanes in the address, others in the body.
const request = (binding, text, order) => {
  const headers = order ? { [ORDER]: order } : {};
  return binding === "LANE"
    ? new Request(`http://object/?${toBase64Url(text)}`, { headers })
    : new Request("http://object/", { method: "POST", body: text, headers });
};

const textOf = async (input, init) => {
  const sent = new Request(input, init);
  const query = new URL(sent.url).search.slice(1);
  return query ? fromBase64Url(query) : await sent.text();
};

// Reads an answer without using it up.
const answerOf = async (response) => {
  const text = response.statusText.startsWith("=") ? response.statusText.slice(1) : await response.clone().text();
  return { status: response.status, text };
};

// Only what is in the shape: what an object that does not know the rest answers.
const pruned = (value, shape) => {
  if (Array.isArray(value) && Array.isArray(shape)) return value.map((item) => pruned(item, shape[0]));
  if (value === null || shape === null || typeof value !== "object" || typeof shape !== "object") return value;
  const known = Object.keys(value).filter((name) => name in shape);
  return Object.fromEntries(known.map((name) => [name, pruned(value[name], shape[name])]));
};

// The storage of an object as statements that make it again.
const dump = (sql) => {
  const tables = [...sql.exec("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")];
  const literal = (value) => (typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value));
  const rows = ({ name }) =>
    [...sql.exec(`SELECT * FROM ${name}`).raw()].map((row) => `INSERT INTO ${name} VALUES (${row.map(literal).join(", ")})`);
  return tables.flatMap((table) => [table.sql, ...rows(table)]);
};

const fail = (message, flags) => {
  throw Object.assign(new Error(message), flags);
};

// The first rule that is for this call and not used up.
const rule = (binding, command, text) => {
  for (const rule of told.rules) {
    if (rule.binding !== binding || rule.command !== command || rule.times === 0) continue;
    if (rule.contains && !text.includes(rule.contains)) continue;
    if (rule.skip > 0) {
      rule.skip -= 1;
      continue;
    }
    rule.times -= 1;
    return rule.fault;
  }
  return { kind: "none" };
};

class Stub {
  constructor(binding, name, real) {
    Object.assign(this, { binding, name, real, id: ++told.stubs, broken: false });
  }

  async fetch(input, init) {
    // As the platform's: once it has failed, a stub goes on failing.
    if (this.broken) fail("this stub is broken", {});
    const text = await textOf(input, init);
    const command = nameOf(text);
    const fault = rule(this.binding, command, text);
    const call = {
      binding: this.binding, object: this.name, stub: this.id, command, text, fault: fault.kind, at: realNow(), answer: null,
      in_address: new URL(input.url ?? input).search !== "",
    };
    told.calls.push(call);
    const real = async (order) => {
      const response = await this.real.fetch(request(this.binding, text, order));
      call.answer = await answerOf(response);
      told.last[call.command + call.object] = call.answer;
      const shape = told.shapes[`${this.binding} ${call.command}`];
      if (shape === undefined || response.status !== 200) return response;
      return new Response(JSON.stringify(pruned(JSON.parse(call.answer.text), shape)));
    };
    try {
      return await this.faulty(fault, real, call);
    } catch (error) {
      this.broken = true;
      call.error = { message: error.message, overloaded: !!error.overloaded, retryable: !!error.retryable };
      throw error;
    }
  }

  async faulty(fault, real, call) {
    switch (fault.kind) {
      case "none":
        return await real();
      case "throw":
        if (fault.after_ms > 0) await scheduler.wait(fault.after_ms);
        return fail("the double was told to fail", fault);
      case "lost": {
        await real();
        return fail("Network connection lost.", fault);
      }
      case "reset_before":
      case "reset_after":
        return await real(fault.kind);
      case "hang":
        return await new Promise(() => {});
      case "delay":
        await scheduler.wait(fault.ms);
        return await real();
      case "hold_before":
        await released(fault.name);
        return await real();
      case "hold_after": {
        const response = await real();
        await released(fault.name);
        return response;
      }
      case "answer":
        return fault.in_status
          ? new Response(null, { status: fault.status, statusText: fault.text })
          : new Response(fault.text, { status: fault.status });
      case "old": {
        const { status, text } = told.last[call.command + call.object];
        return new Response(text, { status });
      }
      default:
        return fail(`no such fault: ${fault.kind}`, {});
    }
  }
}

const released = async (name) => {
  while (!told.released.has(name)) await scheduler.wait(10);
};

const doubles = new Map();

const double = (binding, real) => ({
  idFromName: (name) => real.idFromName(name),
  get: (id, options) => new Stub(binding, id.name, real.get(id, options)),
});

// The dataset for alerts, which keeps what it was given.
const alerts = {
  writeDataPoint: (point) => {
    told.alerts.push(point);
    if (told.alert === "fails") throw new Error("the dataset was told to fail");
  },
};

// The binding for addresses, where a test gives it a limit: counts by key for as long as the process lives.
const counted = new Map();
const limiter = (most) => ({
  limit: async ({ key }) => {
    told.limited.push(key);
    if (told.limit === "fails") fail("the limit was told to fail", {});
    if (told.limit === "hangs") await new Promise(() => {});
    counted.set(key, (counted.get(key) ?? 0) + 1);
    return { success: counted.get(key) <= most };
  },
});

const withDoubles = (env) => {
  const wrapped = { ...env };
  wrapped.ALERTS = alerts;
  if (env.TEST_ADDRESS_LIMIT) wrapped.ADDRESS_LIMIT = limiter(Number(env.TEST_ADDRESS_LIMIT));
  for (const binding of BINDINGS) {
    if (!doubles.has(binding)) doubles.set(binding, double(binding, env[binding]));
    wrapped[binding] = doubles.get(binding);
  }
  return wrapped;
};

const faulty = (Real) =>
  class {
    constructor(state, env) {
      this.state = state;
      this.real = new Real(state, withDoubles(env));
    }

    async fetch(request) {
      const order = request.headers.get(ORDER);
      if (order === "reset_before") this.state.abort("the code of this object was updated");
      if (order === "ring") {
        await this.real.alarm();
        return new Response("rung");
      }
      if (order === "dump") return Response.json(dump(this.state.storage.sql));
      if (order === "load") {
        for (const statement of await request.json()) this.state.storage.sql.exec(statement);
        return new Response("loaded");
      }
      const response = await this.real.fetch(request);
      if (order === "reset_after") {
        await this.state.storage.sync();
        this.state.abort("the code of this object was updated");
      }
      return response;
    }

    async alarm() {
      told.rung += 1;
      if (told.alarms === "never") return;
      await this.real.alarm();
      if (told.alarms === "twice") await this.real.alarm();
    }
  };

export const Registry = faulty(product.Registry);
export const Lane = faulty(product.Lane);
export const Line = faulty(product.Line);

// What a test tells and asks.
const ops = {
  rule: ({ rule }) => void told.rules.push(rule),
  calls: () => told.calls,
  count: ({ binding, command }) => told.calls.filter((call) => call.binding === binding && call.command === command).length,
  rung: () => told.rung,
  forget: () => void Object.assign(told, { rules: [], calls: [], alarms: "on", rung: 0 }),
  release: ({ name }) => void told.released.add(name),
  shapes: ({ shapes }) => void (told.shapes = shapes),
  alarms: ({ mode }) => void (told.alarms = mode),
  alerts: ({ mode }) => {
    if (mode) told.alert = mode;
    return told.alerts;
  },
  limited: () => told.limited,
  limit: ({ mode }) => void (told.limit = mode),
  clock: ({ ms }) => void (told.clock = ms),
  // So many visitors of a lane at once, and how many answers of which status there are so far.
  flood: async ({ object, count }, env) => {
    told.flooded = {};
    const enter = async (index) => {
      const sub = toBase64Url(String.fromCharCode(index >> 8, index & 255).padEnd(16, "f"));
      const text = JSON.stringify({ enter: { sub, lanes: 1, claim: false, again: false } });
      const response = await env.LANE.get(env.LANE.idFromName(object)).fetch(request("LANE", text));
      told.flooded[response.status] = (told.flooded[response.status] ?? 0) + 1;
    };
    await Promise.all(Array.from({ length: count }, (_, index) => enter(index)));
  },
  flooded: () => told.flooded,
  // A command as some other version of the Worker sends it.
  send: async ({ binding, object, text }, env) => {
    const stub = env[binding].get(env[binding].idFromName(object));
    return await answerOf(await stub.fetch(request(binding, text)));
  },
  // The alarm of an object, now.
  ring: async ({ binding, object }, env) => {
    const stub = env[binding].get(env[binding].idFromName(object));
    await (await stub.fetch(request(binding, "null", "ring"))).text();
  },
  // What an object has stored, as SQL; and an object that has that stored, made from it.
  dump: async ({ binding, object }, env) => {
    const stub = env[binding].get(env[binding].idFromName(object));
    return await (await stub.fetch(request(binding, "null", "dump"))).json();
  },
  load: async ({ binding, object, statements }, env) => {
    const stub = env[binding].get(env[binding].idFromName(object));
    const headers = { [ORDER]: "load" };
    await (await stub.fetch("http://object/", { method: "POST", body: JSON.stringify(statements), headers })).text();
  },
  // What a deploy does to an object.
  reset: async ({ binding, object }, env) => {
    const stub = env[binding].get(env[binding].idFromName(object));
    try {
      await stub.fetch(request(binding, "null", "reset_before"));
    } catch (error) {
      return { message: error.message, retryable: !!error.retryable, overloaded: !!error.overloaded };
    }
  },
};

export default class extends WorkerEntrypoint {
  async fetch(request) {
    if (new URL(request.url).pathname === "/__faults") {
      const told = await request.json();
      return Response.json((await ops[told.op](told, this.env)) ?? null);
    }
    return await Worker.fetch(request, withDoubles(this.env), this.ctx);
  }
}
