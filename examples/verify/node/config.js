// What a shop is told by its environment.

import { Keys } from "./keys.js";

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; see the README`);
  return value;
};

const issuer = need("ROPELINE_ISSUER");

export const expected = { issuer, audience: need("ROPELINE_AUDIENCE"), event: need("ROPELINE_EVENT") };
export const keys = new Keys(process.env.ROPELINE_JWKS ?? `${issuer}/queue/jwks.json`);
export const port = Number(process.env.PORT ?? 8080);
