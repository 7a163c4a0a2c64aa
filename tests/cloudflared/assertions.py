"""Requests with and without an Access assertion: what cloudflared's own code does with each, and what the stand-in does."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from typing import Any

from tests.support.cloudflared import Cloudflared
from tests.support.issued_tokens import PERSON, SERVICE_TOKEN
from tests.support.token_issuer import TokenIssuer, public_jwk

HOST, AUDIENCE, FURTHER = "one.example.com", "a" * 64, "b" * 64
TEAM = "example"
ISSUER = f"https://{TEAM}.cloudflareaccess.com"
RULES = {
    "ingress": [
        {
            "hostname": HOST,
            "service": "http://127.0.0.1:8000",
            "originRequest": {"access": {"required": True, "teamName": TEAM, "audTag": [AUDIENCE, FURTHER]}},
        },
        {"service": "http_status:404"},
    ]
}


def _requests(issuer: TokenIssuer) -> dict[str, tuple[str, str]]:
    """Host name and assertion, by what is special about the request."""
    now = int(time.time())

    def person(audience: str = AUDIENCE, **changes: Any) -> dict[str, Any]:
        return PERSON.claims(ISSUER, audience, now, **changes)

    well = issuer.sign(person())
    header, payload, signature = well.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    tokens = {
        "a person's": well,
        "an agent's": issuer.sign(SERVICE_TOKEN.claims(ISSUER, AUDIENCE, now)),
        "of the second audience": issuer.sign(person(FURTHER)),
        "its audience as text": issuer.sign(person(aud=AUDIENCE)),
        "several audiences": issuer.sign(person(aud=["c" * 64, AUDIENCE])),
        "another audience": issuer.sign(person("c" * 64)),
        "no audience": issuer.sign(person(aud=None)),
        "an audience that is a number": issuer.sign(person(aud=7)),
        "none at all": "",
        "ended": issuer.sign(person(exp=now - 60)),
        "without an end": issuer.sign(person(exp=None)),
        "an end that is text": issuer.sign(person(exp=str(now + 600))),
        "an end that is no time": issuer.sign(person(exp="tomorrow")),
        "an end in fractions": issuer.sign(person(exp=now + 600.5)),
        "begins in 4 minutes": issuer.sign(person(nbf=now + 240)),
        "begins in 10 minutes": issuer.sign(person(nbf=now + 600)),
        "issued tomorrow": issuer.sign(person(iat=now + 86400)),
        "issued at no time": issuer.sign(person(iat=[])),
        "another issuer": issuer.sign(person(iss="https://other.cloudflareaccess.com")),
        "the issuer with a slash": issuer.sign(person(iss=ISSUER + "/")),
        "an issuer that is a number": issuer.sign(person(iss=7)),
        "a subject that is a number": issuer.sign(person(sub=7)),
        "of another key": issuer.sign(person(), number=9),
        "of a key of another name": issuer.sign(person(), kid="two"),
        "without the key's name": issuer.sign(person(), kid=""),
        "of another algorithm": issuer.sign(person(), algorithm="RS512"),
        "of a shared key": issuer.sign(person(), algorithm="HS256"),
        "a header that must be understood and is": issuer.sign(person(), crit=["b64"], b64=True),
        "a header that must be understood and is not there": issuer.sign(person(), crit=["b64"]),
        "a header that must be understood and is not": issuer.sign(person(), crit=["exp"], exp=now + 600),
        "unsigned": f"{unsigned}.{payload}.",
        "without its signature": f"{header}.{payload}.",
        "of two parts": f"{header}.{payload}",
        "no token": "eyJ",
        "a changed payload": f"{header}.{payload[:-4]}AAAA.{signature}",
    }
    requests = {what: (HOST, token) for what, token in tokens.items()}
    return requests | {"well, for another host name": ("else.example.com", well)}


def misjudged(program: str) -> tuple[int, list[str]]:
    """How many requests there were, and those that cloudflared's own code and the stand-in judge in different ways."""
    with TokenIssuer() as issuer:
        issuer.keys = [public_jwk("rsa", kid="one", alg="RS256"), public_jwk("rsa", 1, kid="before", alg="RS256")]
        requests = _requests(issuer)
        asked = {
            "Rules": RULES,
            "Keys": {"keys": issuer.keys},
            "Requests": [{"Host": host, "Assertion": assertion} for host, assertion in requests.values()],
        }
        done = subprocess.run([program], input=json.dumps(asked), capture_output=True, text=True, check=True)
        stand_in = Cloudflared(ISSUER, issuer.keys, {HOST: [AUDIENCE, FURTHER]}, 0)
        wrong = [
            f"assertion {what}: cloudflared answers {status}, the stand-in {mirrored}"
            for (what, request), status in zip(requests.items(), json.loads(done.stdout), strict=True)
            if status != (mirrored := stand_in.judge(*request) or 200)
        ]
    return len(requests), wrong
