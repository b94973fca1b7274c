// The floor: what the promises cost on this platform, with nothing of ours. `cargo xtask bench` sets it beside the product.
//
// In JavaScript, since that is leaner here than the glue of the `worker` crate: raw calls, kept ids, short answers in the status
// text, batches that cross over to SQLite as one text. It leaves out whatever it may: checks of what came in, hashes of visitor
// keys, retries and bounds of calls, settings, lanes, limits, draws, CORS, cookies. So it is no Worker that one could deploy, and
// whoever keeps the promises does at least this much:
//
//   POST /hop            body, one call to an object that counts in memory
//   POST /sign           the same and an ES256 signature                          promise 6
//   POST /look           the same and one row read from SQLite                    promise 3
//   POST /store          the same and a batch stored, one INSERT for all of it    promise 5
//   POST /line           the same, numbered by a second object that stores, too   promise 1
//   POST /queue/enter    all of them, with a ticket in the answer
//   POST /queue/claim    a ticket verified, a look, a row of its own by way of the line, a signed pass
//   GET  /queue/status   a ticket's MAC checked, the place by a board in memory

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HMAC = { name: "HMAC", hash: "SHA-256" };
// As the lanes of the product: exchanges are paced, so that they carry more than one visitor each.
const PACE_MS = 4;
const MAC_LENGTH = 43;

const { subtle } = crypto;
const encoder = new TextEncoder();
const base64url = { alphabet: "base64url", omitPadding: true };
const encode = (bytes) => new Uint8Array(bytes).toBase64(base64url);
const decode = (text) => Uint8Array.fromBase64(text, base64url);
const header = encode(encoder.encode('{"alg":"ES256","typ":"floor+jwt","kid":"the-only-one"}'));

let keys;
const generate = (algorithm) => subtle.generateKey(algorithm, false, ["sign", "verify"]);
const ready = () => (keys ??= Promise.all([generate(ECDSA), generate(HMAC)]));

const sign = async (claims) => {
  const [{ privateKey }] = await ready();
  const input = `${header}.${encode(encoder.encode(claims))}`;
  return `${input}.${encode(await subtle.sign(ECDSA, privateKey, encoder.encode(input)))}`;
};

const seconds = () => Math.floor(Date.now() / 1_000);

const issuer = '"iss":"https://queue.example.com","aud":"https://queue.example.com"';
const claimsOf = (event, sub, number) =>
  `${issuer},"sub":"${sub}","evt":"${event}","num":${number},"iat":${seconds()},"exp":${seconds() + 86_400}}`;

// The MAC stands first, and covers all that follows it.
const ticketFor = async (event, sub, number) => {
  const [, mac] = await ready();
  const claims = claimsOf(event, sub, number);
  return sign(`{"jti":"${encode(await subtle.sign(HMAC, mac, encoder.encode(claims)))}",${claims}`);
};

const claimsIn = (token) => decode(token.slice(header.length + 1, token.lastIndexOf(".")));

const answer = (status, place) =>
  new Response(JSON.stringify(place), {
    status,
    headers: [
      ["content-type", "application/json"],
      ["cache-control", "no-store"],
      ["x-request-id", Math.random().toString(16)],
      ["retry-after", "2"],
    ],
  });

const waiting = (event, number, seen, ticket) => {
  const ahead = Math.max(0, number - Math.max(0, seen) - 1);
  return { event, number, position: number, state: "waiting", ahead, frontier: seen, poll_after_seconds: 2, ticket };
};

const ids = new Map();
const call = async (namespace, name, address) => {
  let id = ids.get(name);
  if (id === undefined) ids.set(name, (id = namespace.idFromName(name)));
  return (await namespace.get(id).fetch(address)).statusText;
};

const bearer = (request) => request.headers.get("authorization").slice("Bearer ".length);

const routes = {
  async "/sign"(request, env) {
    const body = await request.text();
    return new Response(await sign(claimsOf("sign", body.length, await call(env.LANE, "sign", "http://lane/hop?"))));
  },
  async "/queue/enter"(request, env) {
    const { event, visitor } = await request.json();
    const number = Number(await call(env.LANE, event, `http://lane/enter?${visitor}`));
    return answer(201, waiting(event, number, 0, await ticketFor(event, visitor, number)));
  },
  async "/queue/claim"(request, env) {
    const { event } = await request.json();
    const ticket = bearer(request);
    const end = ticket.lastIndexOf(".");
    const [signature, signed] = [decode(ticket.slice(end + 1)), encoder.encode(ticket.slice(0, end))];
    const [{ publicKey }] = await ready();
    if (!(await subtle.verify(ECDSA, publicKey, signature, signed))) return answer(401, {});
    const { sub, num } = JSON.parse(new TextDecoder().decode(claimsIn(ticket)));
    if (sub !== request.headers.get("ropeline-visitor")) return answer(403, {});
    const seq = await call(env.LANE, event, `http://lane/claim?${sub}`);
    const pass = await sign(`{"jti":"${event}/${seq}",${claimsOf(event, sub, num)}`);
    return answer(200, { ...waiting(event, num, num), state: "admitted", seq, pass });
  },
  async "/queue/status"(request) {
    const [, mac] = await ready();
    const bytes = claimsIn(bearer(request));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    // Behind `{"jti":"…",`
    if (!(await subtle.verify(HMAC, mac, decode(claims.jti), bytes.subarray(MAC_LENGTH + 10)))) return answer(401, {});
    return answer(200, waiting(claims.evt, claims.num, 0));
  },
};

// `/hop`, `/look`, `/store` and `/line` differ in what they ask their object.
const ask = async (request, env, path) => {
  const body = await request.text();
  return new Response(await call(env.LANE, path, `http://lane${path}?${body.slice(-34, -2)}`));
};

export default {
  fetch(request, env) {
    const { url } = request;
    const path = url.slice(url.indexOf("/", 8)).split("?", 1)[0];
    return path === "/ready" ? new Response() : (routes[path] ?? ask)(request, env, path);
  },
};

const numbered = (number) => new Response(null, { statusText: String(number) });

export class Lane {
  #open = [];
  #pumping = false;
  #last = 0;

  constructor(state, env) {
    Object.assign(this, { state, env, sql: state.storage.sql });
    this.sql.exec("CREATE TABLE IF NOT EXISTS visitors (sub TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID");
  }

  async fetch({ url }) {
    const [step, sub] = url.slice("http://lane/".length).split("?");
    switch (step) {
      case "hop":
        return numbered(++this.#last);
      case "look":
        return numbered(this.#stored(sub) ?? ++this.#last);
      case "store":
        return numbered(await this.#join("", sub));
      case "line":
        return numbered(await this.#join("range", sub));
      case "enter":
        return numbered(this.#stored(sub) ?? (await this.#join("range", sub)));
      default:
        return numbered(await this.#join("admit", this.#stored(sub)));
    }
  }

  #stored(sub) {
    return this.sql.exec("SELECT number FROM visitors WHERE sub = ?", sub).raw().toArray()[0]?.[0];
  }

  // Joins the open batch; the answer comes when that is stored. The runtime holds it back until it is on disk.
  #join(what, of) {
    return new Promise((resolve) => {
      this.#open.push({ what, of, resolve });
      if (!this.#pumping) this.state.waitUntil(this.#pump());
    });
  }

  async #pump() {
    this.#pumping = true;
    while (this.#open.length > 0) {
      const pause = new Promise((resolve) => setTimeout(resolve, PACE_MS));
      const batch = this.#open;
      this.#open = [];
      const all = JSON.stringify(batch.map(({ of }) => of));
      const first = await this.#first(batch[0].what, batch.length, all);
      if (batch[0].what !== "admit") {
        this.sql.exec("INSERT INTO visitors SELECT value, key + ? FROM json_each(?)", first, all);
      }
      batch.forEach(({ resolve }, index) => resolve(first + index));
      await pause;
    }
    this.#pumping = false;
  }

  async #first(what, count, all) {
    if (what === "") {
      this.#last += count;
      return this.#last - count + 1;
    }
    return Number(await call(this.env.LINE, "line", `http://line/${what === "admit" ? all : ""}?${count}`));
  }
}

export class Line {
  constructor({ storage: { sql } }) {
    this.sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, last INTEGER NOT NULL, seq INTEGER NOT NULL)");
    sql.exec("INSERT OR IGNORE INTO line VALUES (1, 0, 0)");
    sql.exec("CREATE TABLE IF NOT EXISTS admission (seq INTEGER PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL)");
  }

  fetch({ url }) {
    const [numbers, count] = url.slice("http://line/".length).split("?");
    const column = numbers === "" ? "last" : "seq";
    const [[last]] = this.sql.exec(`UPDATE line SET ${column} = ${column} + ? RETURNING ${column}`, count).raw().toArray();
    const first = last - count + 1;
    if (numbers !== "") {
      this.sql.exec("INSERT INTO admission SELECT key + ?, value, ? FROM json_each(?)", first, Date.now(), numbers);
    }
    return numbered(first);
  }
}
