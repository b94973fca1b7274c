// What the door asks others, and for how long it waits for them.

const TURNSTILE = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
const TURNSTILE_MS = 5_000;
const LIMIT_MS = 1_000;

// A limit that does not answer does not stand in the way.
export const within = async (limit, key) => {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(reject, LIMIT_MS, new Error("no answer in time"));
  });
  try {
    return (await Promise.race([limit.limit({ key }), late])).success;
  } finally {
    clearTimeout(timer);
  }
};

// What is no answer, or comes too late, is an empty text: closed.
export const siteverify = async (service, question) => {
  try {
    const answer = await (service ?? globalThis).fetch(TURNSTILE, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: question,
      redirect: "manual",
      signal: AbortSignal.timeout(TURNSTILE_MS),
    });
    return await answer.text();
  } catch {
    return "";
  }
};
