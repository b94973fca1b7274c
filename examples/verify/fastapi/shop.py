"""A shop in FastAPI behind a Ropeline waiting room."""

import os
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException

from keys import Keys, NoKeys
from passes import BadPass, Expected, verify_pass

ISSUER = os.environ["ROPELINE_ISSUER"]
EXPECTED = Expected(ISSUER, os.environ["ROPELINE_AUDIENCE"], os.environ["ROPELINE_EVENT"])
KEYS = Keys(os.environ.get("ROPELINE_JWKS", f"{ISSUER}/queue/jwks.json"))


def admitted(
    authorization: Annotated[str | None, Header()] = None, ropeline_pass: Annotated[str | None, Header()] = None
) -> dict:
    """The claims of the pass that came along: only whom the waiting room admitted gets any further.

    Not `async`: FastAPI runs it in a thread, where it may wait for the keys.
    """
    scheme, _, bearer = (authorization or "").partition(" ")
    token = ropeline_pass or (bearer if scheme.lower() == "bearer" else None)
    if not token:
        raise HTTPException(401, "pass-missing", {"WWW-Authenticate": "Bearer"})
    try:
        return verify_pass(token, KEYS, EXPECTED)
    except NoKeys as error:
        raise HTTPException(503, "pass-not-checked", {"Retry-After": "10"}) from error
    except BadPass as error:
        raise HTTPException(401, f"pass-invalid: {error}", {"WWW-Authenticate": "Bearer"}) from error


Admitted = Annotated[dict, Depends(admitted)]
app = FastAPI()


@app.get("/checkout")
def checkout(admission: Admitted) -> dict:
    return {"visitor": admission["sub"], "number": admission.get("num")}


# Each admission buys once, however often its pass is renewed. In a shop: a unique column `jti` beside the order.
used: dict[str, object] = {}


@app.post("/orders", status_code=201)
def order(admission: Admitted) -> dict:
    mine = object()
    if used.setdefault(admission["jti"], mine) is not mine:  # one step, also between threads
        raise HTTPException(409, "already-used")
    return {"order": admission["jti"]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")), log_level="warning")
