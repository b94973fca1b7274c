"""The waiting room's public keys, kept so that no request waits for them but the first and those of a new key.

Fetched when five minutes old, and when a pass names a key that is not among them; never twice within ten seconds, whatever comes and
whether a fetch worked or not. While they cannot be fetched the old ones stay, for an hour at most: then nobody is let in.
"""

import json
import logging
import threading
import time
import urllib.request

import jwt

REFRESH_SECONDS = 300
AGAIN_SECONDS = 10
MAX_AGE_SECONDS = 3600
TIMEOUT_SECONDS = 3
MAX_BYTES = 64 * 1024


class NoKeys(Exception):
    """There are no keys, or they are too old: nothing is known about the pass."""


class Keys:
    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._tried = self._fetched = float("-inf")
        self._keys: dict[str, jwt.PyJWK] = {}

    def get(self, kid: str) -> jwt.PyJWK | None:
        """The key of this name, if it is published."""
        if self._age() > MAX_AGE_SECONDS:
            self._refresh()
        elif self._age() > REFRESH_SECONDS and self._may_try():
            threading.Thread(target=self._refresh, daemon=True).start()
        if self._age() > MAX_AGE_SECONDS:
            raise NoKeys("the keys of the waiting room cannot be had")
        if kid not in self._keys:
            self._refresh()
        return self._keys.get(kid)

    def _age(self) -> float:
        return time.monotonic() - self._fetched

    def _may_try(self) -> bool:
        return time.monotonic() - self._tried >= AGAIN_SECONDS

    def _refresh(self) -> None:
        if not self._may_try() and not self._lock.locked():
            return
        # Who comes while a fetch is under way waits for it, and then finds that it was tried a moment ago.
        with self._lock:
            if not self._may_try():
                return
            self._tried = began = time.monotonic()
            try:
                self._keys = self._fetch()
                self._fetched = began
            except Exception as error:  # whatever it is: the old keys stay
                logging.error("%s: %s", self._url, error)
            self._tried = time.monotonic()

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        with urllib.request.urlopen(self._url, timeout=TIMEOUT_SECONDS) as answer:
            body = answer.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise ValueError(f"longer than {MAX_BYTES} bytes")
        # Refuses a set in which no key can be used.
        return {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.loads(body)).keys if key.key_id}
