// A request goes on to the shop, and the answer comes back: both as they are, bodies as streams.
//
// Here and not in Rust, because each header that crosses over costs more than all of this together.

// Headers that frameworks take for another path or method than the one that was judged.
const REWRITES = new Set(["x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override"]);

// Servers that hand headers over as variables take '_' for '-'.
const isOurs = (name) => name.startsWith("ropeline-");
const isRefused = (name) => isOurs(name) || REWRITES.has(name);

// Ticket and visitor key are nobody's business but ours.
const theirs = (cookies) => cookies.split(";").filter((pair) => !/^\s*(__Host-)?ropeline-/.test(pair)).join(";").trim();

export const forward = (request, shop, pass) => {
  const headers = new Headers(request.headers);
  for (const name of [...headers.keys()]) if (isRefused(name.replaceAll("_", "-"))) headers.delete(name);
  const cookies = theirs(headers.get("Cookie") ?? "");
  if (cookies) headers.set("Cookie", cookies);
  else headers.delete("Cookie");
  if (pass !== undefined) headers.set("Ropeline-Pass", pass);
  return (shop ?? globalThis).fetch(new Request(request, { headers }));
};

// A browser asks whether a page elsewhere may make a call: that question, and nothing that could do more.
export const forwardPreflight = (request, shop) => {
  const headers = {};
  for (const name of ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]) {
    const value = request.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  return (shop ?? globalThis).fetch(request.url, { method: "OPTIONS", headers, redirect: "manual" });
};

export const withCookies = (response, cookies) => {
  if (response.webSocket) return response;
  const changed = new Response(response.body, response);
  for (const cookie of cookies.split("\n")) changed.headers.append("Set-Cookie", cookie);
  return changed;
};
