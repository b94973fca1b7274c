// A shop in Fastify behind a Ropeline waiting room.

import Fastify from "fastify";

import { expected, keys, port } from "./config.js";
import { NoKeys } from "./keys.js";
import { BadPass, verifyPass } from "./pass.js";

const app = Fastify();

/** Lets in only whom the waiting room admitted; their pass is then in `request.pass`. */
app.decorateRequest("pass", null);
app.addHook("onRequest", async (request, reply) => {
  const [, bearer] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  const token = request.headers["ropeline-pass"] ?? bearer;
  if (!token) return reply.code(401).header("WWW-Authenticate", "Bearer").send({ error: "pass-missing" });
  try {
    request.pass = await verifyPass(token, keys, expected);
  } catch (error) {
    if (error instanceof NoKeys) return reply.code(503).header("Retry-After", "10").send({ error: "pass-not-checked" });
    if (!(error instanceof BadPass)) throw error;
    return reply.code(401).header("WWW-Authenticate", "Bearer").send({ error: "pass-invalid", detail: error.message });
  }
});

app.get("/checkout", async (request) => ({ visitor: request.pass.sub, number: request.pass.num ?? null }));

// Each admission buys once, however often its pass is renewed. In a shop: a unique column `jti` beside the order.
const used = new Set();
app.post("/orders", async (request, reply) => {
  const { jti } = request.pass;
  if (used.has(jti)) return reply.code(409).send({ error: "already-used" });
  used.add(jti);
  return reply.code(201).send({ order: jti });
});

await app.listen({ port, host: "127.0.0.1" });
