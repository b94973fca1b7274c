"""Verifies a pass of the waiting room, offline.

PyJWT checks the signature, iss, aud, iat and exp. What it leaves to its caller is here: that the text is the one spelling of the token,
that no member is there twice, that header and claims are exactly what a pass has, and that the pass is for this event.
"""

import base64
import json
import re
from dataclasses import dataclass

import jwt

from keys import Keys

# Both come from the key, which the header names. Leave out what your waiting room does not sign with.
ALGORITHMS = ["ES256", "EdDSA"]
TYP = "ropeline-pass+jwt"
LEEWAY_SECONDS = 5
MAX_LENGTH = 4096


class BadPass(Exception):
    """The pass is not good: back to the waiting room."""


@dataclass(frozen=True)
class Expected:
    """All from your own configuration."""

    issuer: str
    audience: str
    event: str


def verify_pass(token: str, keys: Keys, expected: Expected) -> dict:
    """The claims of a pass that is good now. Raises BadPass, and NoKeys when nothing is known."""
    header, claims = _read(token)
    key = keys.get(header["kid"])
    if key is None or key.algorithm_name != header["alg"]:
        raise BadPass("signed with an unknown key")
    try:
        jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=expected.issuer,
            audience=expected.audience,
            leeway=LEEWAY_SECONDS,
        )
    except jwt.PyJWTError as error:
        raise BadPass(str(error)) from error
    if claims["aud"] != expected.audience:  # PyJWT takes a list, too
        raise BadPass("for another audience")
    if claims["evt"] != expected.event:
        raise BadPass("for another event")
    return claims


def _read(token: str) -> tuple[dict, dict]:
    """What the token says, if it has the form of a pass. Nothing of it may be believed yet."""
    if len(token) > MAX_LENGTH:
        raise BadPass("too long")
    segments = token.split(".")
    if len(segments) != 3:
        raise BadPass("no compact JWS")
    raw_header, raw_claims, _ = map(_decode, segments)
    header, claims = _parse(raw_header), _parse(raw_claims)
    if header.keys() != {"alg", "typ", "kid"} or not all(isinstance(value, str) for value in header.values()):
        raise BadPass("the header must be alg, typ and kid")
    if header["typ"] != TYP or header["alg"] not in ALGORITHMS:
        raise BadPass("no pass")
    text = all(isinstance(claims.get(name), str) for name in ("iss", "aud", "sub", "evt", "jti"))
    times = _is_natural(claims.get("iat")) and _is_natural(claims.get("exp"))
    if not (text and times and _is_one_of(claims)):
        raise BadPass("the claims are not those of a pass")
    return header, claims


def _is_one_of(claims: dict) -> bool:
    """Admitted from the line, or while no queue was in force; jti is the name of that one admission."""
    num, seq, jti = claims.get("num"), claims.get("seq"), claims["jti"]
    if "adm" not in claims:
        return _is_natural(num) and _is_natural(seq) and seq > 0 and jti == f"{claims['evt']}/{seq}"
    random = re.fullmatch("[A-Za-z0-9_-]{22,128}", jti)
    return claims["adm"] == "passthrough" and num is None and seq is None and random is not None


def _is_natural(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53  # True is an int, but not of this type


def _decode(segment: str) -> bytes:
    """The bytes of a segment in the one spelling that base64url has for them; Python's decoder takes others, too."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError as error:
        raise BadPass("no base64url") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise BadPass("no base64url")
    return decoded


def _parse(raw: bytes) -> dict:
    """A JSON object in which no member is there twice. Python's parser would take the last one."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadPass("no JSON") from error
    if not isinstance(value, dict):
        raise BadPass("no JSON object")
    return value


def _once(pairs: list) -> dict:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadPass("a member is there twice")
    return members
