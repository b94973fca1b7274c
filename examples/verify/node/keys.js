// The waiting room's public keys, kept so that no request waits for them but the first and those of a new key.
//
// Fetched when five minutes old, and when a pass names a key that is not among them; never twice within ten seconds, whatever comes and
// whether a fetch worked or not. While they cannot be fetched the old ones stay, for an hour at most: then nobody is let in.

import { createLocalJWKSet, errors } from "jose";

const REFRESH_MS = 300_000;
const AGAIN_MS = 10_000;
const MAX_AGE_MS = 3_600_000;
const TIMEOUT_MS = 3_000;

/** There are no keys, or they are too old: nothing is known about the pass. */
export class NoKeys extends Error {}

export class Keys {
  #url;
  #set;
  #fetched = -Infinity;
  #tried = -Infinity;
  #fetching;

  constructor(url) {
    this.#url = url;
  }

  /** The key of a token: what jose asks for. */
  get = async (header, token) => {
    if (this.#age() > REFRESH_MS) {
      const refreshed = this.#refresh();
      if (this.#age() > MAX_AGE_MS) await refreshed;
    }
    if (this.#age() > MAX_AGE_MS) throw new NoKeys("the keys of the waiting room cannot be had");
    try {
      return await this.#set(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      return this.#set(header, token);
    }
  };

  #age() {
    return performance.now() - this.#fetched;
  }

  #refresh() {
    if (!this.#fetching && performance.now() - this.#tried >= AGAIN_MS) {
      this.#tried = performance.now();
      this.#fetching = this.#fetch()
        .catch((error) => console.error(`${this.#url}: ${error.message}`))
        .finally(() => {
          this.#tried = performance.now();
          this.#fetching = undefined;
        });
    }
    return this.#fetching;
  }

  async #fetch() {
    const began = performance.now();
    const answer = await fetch(this.#url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const jwks = await answer.json();
    const set = createLocalJWKSet(jwks);
    if (jwks.keys.length === 0) throw new Error("no keys");
    this.#set = set;
    this.#fetched = began;
  }
}
