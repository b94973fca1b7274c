// Verifies a pass of the waiting room, offline.
//
// jose checks the signature, iss, aud, exp and typ. What it leaves to its caller is here: that the text is the one spelling of the token,
// that no member is there twice, that header and claims are exactly what a pass has, and that the pass is for this event.

import { errors, jwtVerify } from "jose";

/** Both come from the key, which the header names. Leave out what your waiting room does not sign with. */
const ALGORITHMS = ["ES256", "EdDSA"];
const TYP = "ropeline-pass+jwt";
const LEEWAY_SECONDS = 5;
const MAX_LENGTH = 4096;

/** The pass is not good: back to the waiting room. */
export class BadPass extends Error {}

/**
 * The claims of a pass that is good now.
 *
 * `expected` is `{ issuer, audience, event }`, all from your own configuration. Throws `BadPass`, and `NoKeys` when nothing is known.
 */
export async function verifyPass(token, keys, expected) {
  const claims = read(token);
  try {
    await jwtVerify(token, keys.get, {
      algorithms: ALGORITHMS,
      issuer: expected.issuer,
      audience: expected.audience,
      typ: TYP,
      clockTolerance: LEEWAY_SECONDS,
    });
  } catch (error) {
    throw error instanceof errors.JOSEError ? new BadPass(error.message) : error;
  }
  // jose takes a list as aud, too, and looks at iat only where a greatest age is asked for.
  if (claims.aud !== expected.audience) throw new BadPass("for another audience");
  if (claims.evt !== expected.event) throw new BadPass("for another event");
  if (claims.iat > Date.now() / 1000 + LEEWAY_SECONDS) throw new BadPass("made in the future");
  return claims;
}

/** What the token says, if it has the form of a pass. Nothing of it may be believed yet. */
function read(token) {
  if (token.length > MAX_LENGTH) throw new BadPass("too long");
  const segments = token.split(".");
  if (segments.length !== 3) throw new BadPass("no compact JWS");
  const [header, claims] = segments.map(decode).slice(0, 2).map(parse);
  const members = Object.keys(header);
  if (members.length !== 3 || !["alg", "typ", "kid"].every((name) => typeof header[name] === "string"))
    throw new BadPass("the header must be alg, typ and kid");
  if (header.typ !== TYP) throw new BadPass("no pass");
  const text = ["iss", "aud", "sub", "evt", "jti"].every((name) => typeof claims[name] === "string");
  const times = isNatural(claims.iat) && isNatural(claims.exp);
  if (!text || !times || !isOneOf(claims)) throw new BadPass("the claims are not those of a pass");
  return claims;
}

/** Admitted from the line, or while no queue was in force; `jti` is the name of that one admission. */
function isOneOf({ evt, num, seq, adm, jti }) {
  if (adm === undefined) return isNatural(num) && isNatural(seq) && seq > 0 && jti === `${evt}/${seq}`;
  return adm === "passthrough" && num === undefined && seq === undefined && /^[A-Za-z0-9_-]{22,128}$/.test(jti);
}

function isNatural(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

/** The bytes of a segment in the one spelling that base64url has for them; Buffer takes others, too. */
function decode(segment) {
  const bytes = Buffer.from(segment, "base64url");
  if (bytes.toString("base64url") !== segment) throw new BadPass("no base64url");
  return bytes;
}

/** A JSON object in which no member is there twice. JSON.parse would take the last one. */
function parse(bytes) {
  let text, value;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw new BadPass("no JSON");
  }
  if (Object(value) !== value || Array.isArray(value)) throw new BadPass("no JSON object");
  const strings = text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/gs);
  const written = [...strings].filter(([, colon]) => colon !== undefined).length;
  if (written !== countMembers(value)) throw new BadPass("a member is there twice");
  return value;
}

function countMembers(value) {
  if (Object(value) !== value) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum, inner) => sum + countMembers(inner), own);
}
