"""`ringwall guard identity`: the public keys of the token that tells a server who calls."""

from __future__ import annotations

import json
from pathlib import Path

from cli import console
from guard.identity import signing_keys
from guard.identity.signing_keys import FILE, IdentityKeys
from model.errors import InputError


def identity(state: Path, *, rotate: bool, as_json: bool) -> None:
    """What `ringwall guard identity` does; its flags and help are in `cli.flags.guard_identity`."""
    if not state.is_dir():
        raise InputError("is no directory", file=state, remedy="give the guard's own with --state")
    keys = signing_keys.rotate(state / FILE) if rotate else IdentityKeys(state / FILE).in_order()
    public = [key.public.dump() for key in keys]
    if as_json:
        console.print_json({"version": 1, "signs": keys[0].kid, "jwks": {"keys": public}})
        return
    for key, role in zip(
        keys, ("signs", "will sign after the next --rotate", "signed until the last --rotate"), strict=False
    ):
        console.say(f"key {key.kid} {role}")
    console.say("for the stack file, below origin:")
    console.say("  identity_keys:")
    for jwk in public:
        console.say(f"    - {json.dumps(jwk, sort_keys=True)}")
