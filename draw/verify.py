#!/usr/bin/env python3
"""Recomputes the draw of a Ropeline event: verify.py PROOF.json [NUMBER ...] (all numbers without NUMBER).

PROOF.json is the answer of GET /queue/events/{event}/draw. Prints number,position; status 1 if the proof does not hold.
Only the standard library; it shares nothing with the program that made the draw. The algorithm is in draw/README.md.
"""
import hashlib
import hmac
import json
import sys

ROUNDS = 12


def sha256_mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def position(key: bytes, count: int, number: int) -> int:
    if number > count:  # came after the draw
        return number
    bits = next(a for a in range(1, 17) if 4**a >= count)
    mask = 2**bits - 1
    place = number - 1
    while True:
        left, right = place >> bits, place & mask
        for i in range(ROUNDS):
            f = sha256_mac(key, bytes([i]) + right.to_bytes(4, "big"))
            left, right = right, left ^ (int.from_bytes(f[:4], "big") & mask)
        place = left << bits | right
        if place < count:
            return place + 1


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        proof = json.load(file)
    event, seed, count = proof["event"].encode("ascii"), bytes.fromhex(proof["seed"]), proof["count"]
    if proof["algorithm"] != "ropeline-shuffle-v1" or int(proof["beacon"], 16) != 0:
        sys.exit(f"unknown algorithm {proof['algorithm']}, or a beacon")
    if hashlib.sha256(b"ropeline-commit-v1\0" + event + b"\0" + seed).hexdigest() != proof["commitment"]:
        sys.exit("the seed is NOT the one committed to")
    key = sha256_mac(seed, b"ropeline-shuffle-v1\0" + event + b"\0" + count.to_bytes(8, "big") + bytes(32))
    print("number,position")
    for number in map(int, sys.argv[2:]) if sys.argv[2:] else range(1, count + 1):
        print(f"{number},{position(key, count, number)}")


main()
