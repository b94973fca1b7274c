// What the door asks others.

const TURNSTILE = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
const PATIENCE_MS = 5_000;

export const within = async (limit, key) => (await limit.limit({ key })).success;

// What is no answer, or comes too late, is an empty text: closed.
export const siteverify = async (service, question) => {
  try {
    const answer = await (service ?? globalThis).fetch(TURNSTILE, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: question,
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return await answer.text();
  } catch {
    return "";
  }
};
