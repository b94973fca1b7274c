// A shop in Express behind a Ropeline waiting room.

import express from "express";

import { expected, keys, port } from "./config.js";
import { NoKeys } from "./keys.js";
import { BadPass, verifyPass } from "./pass.js";

/** Lets in only whom the waiting room admitted; their pass is then in `request.pass`. */
async function admitted(request, response, next) {
  const [, bearer] = /^Bearer (.+)$/i.exec(request.get("authorization") ?? "") ?? [];
  const token = request.get("ropeline-pass") ?? bearer;
  if (!token) return response.status(401).set("WWW-Authenticate", "Bearer").json({ error: "pass-missing" });
  try {
    request.pass = await verifyPass(token, keys, expected);
  } catch (error) {
    if (error instanceof NoKeys)
      return response.status(503).set("Retry-After", "10").json({ error: "pass-not-checked" });
    if (!(error instanceof BadPass)) throw error;
    return response.status(401).set("WWW-Authenticate", "Bearer").json({ error: "pass-invalid", detail: error.message });
  }
  next();
}

const app = express();
app.disable("x-powered-by");
app.use(admitted);

app.get("/checkout", (request, response) => {
  const { sub, num } = request.pass;
  response.json({ visitor: sub, number: num ?? null });
});

// Each admission buys once, however often its pass is renewed. In a shop: a unique column `jti` beside the order.
const used = new Set();
app.post("/orders", (request, response) => {
  const { jti } = request.pass;
  if (used.has(jti)) return response.status(409).json({ error: "already-used" });
  used.add(jti);
  response.status(201).json({ order: jti });
});

app.listen(port, "127.0.0.1");
