"""Signing keys: fetched sparingly, kept for so long and no longer, and only those that can verify."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from guard.identity.keys import IssuerKeys, KeysUnavailable, UnknownKey
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.token_issuer import Clock, TokenIssuer, public_jwk
from tests.support.waiting import eventually

TOO_LARGE = json.dumps({"keys": [public_jwk("rsa", 0, kid="one")]}).encode() + b" " * 300_000


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as issuer:
        yield issuer


@asynccontextmanager
async def key_set(issuer: TokenIssuer, clock: Clock) -> AsyncIterator[IssuerKeys]:
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
        keys = IssuerKeys(issuer.jwks_uri, client, clock)
        yield keys
        await keys.close()


async def test_keys_are_fetched_once_however_many_ask(issuer: TokenIssuer) -> None:
    async with key_set(issuer, Clock()) as keys:
        await asyncio.gather(*(keys.key("one", "RS256") for _ in range(20)))
        await keys.key("one", "RS256")
    assert issuer.hits == 1


async def test_unknown_key_ids_lead_to_one_request_in_thirty_seconds(issuer: TokenIssuer) -> None:
    clock = Clock()
    async with key_set(issuer, clock) as keys:
        await keys.key("one", "RS256")
        clock.now += 31
        for attempt in range(50):
            with pytest.raises(UnknownKey):
                await keys.key(f"guess-{attempt}", "RS256")
        assert issuer.hits == 2
        clock.now += 31
        issuer.rotate("two")
        await keys.key("two", "RS256")
        await keys.key("one", "RS256")
    assert issuer.hits == 3


async def test_old_keys_answer_while_they_are_refreshed(issuer: TokenIssuer) -> None:
    clock = Clock()
    async with key_set(issuer, clock) as keys:
        await keys.warm()
        clock.now += 601
        issuer.gate.clear()
        await asyncio.wait_for(keys.key("one", "RS256"), 30)
        await asyncio.wait_for(keys.key("one", "RS256"), 30)
        issuer.keys = [public_jwk("rsa", 1, kid="two")]
        issuer.gate.set()
        await eventually(lambda: keys.age == 0, "the keys are refreshed")
        # The issuer withdrew it.
        with pytest.raises(UnknownKey):
            await keys.key("one", "RS256")
    assert issuer.hits == 2


@pytest.mark.parametrize("fault", [500, b"not json", b'{"keys": []}', b'{"keys": [], "keys": []}', TOO_LARGE])
async def test_last_good_keys_are_kept_for_a_day_and_then_refused(issuer: TokenIssuer, fault: int | bytes) -> None:
    clock = Clock()
    async with key_set(issuer, clock) as keys:
        await keys.warm()
        issuer.fault = fault
        clock.now += 24 * 3600 - 1
        await keys.key("one", "RS256")
        clock.now += 31
        with pytest.raises(KeysUnavailable):
            await keys.key("one", "RS256")
        issuer.fault = None
        clock.now += 3
        await keys.key("one", "RS256")


async def test_those_who_wait_are_answered_when_the_fetch_is_ended(issuer: TokenIssuer) -> None:
    issuer.gate.clear()
    async with key_set(issuer, Clock()) as keys:
        waiting = [asyncio.create_task(keys.key("one", "RS256")) for _ in range(3)]
        await eventually(lambda: issuer.hits, "the issuer is asked")
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert not waiting[1].done()
        await keys.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, KeysUnavailable, KeysUnavailable]


async def test_redirects_are_not_followed(issuer: TokenIssuer) -> None:
    with TokenIssuer() as other:
        issuer.fault, issuer.headers = 302, {"location": other.jwks_uri}
        async with key_set(issuer, Clock()) as keys:
            with pytest.raises(KeysUnavailable, match="302"):
                await keys.warm()
        assert other.hits == 0


async def test_key_serves_only_its_own_kind_of_algorithm(issuer: TokenIssuer) -> None:
    issuer.keys = [public_jwk("rsa", kid="r"), public_jwk("p256", kid="e"), public_jwk("rsa", kid="f", alg="RS256")]
    async with key_set(issuer, Clock()) as keys:
        for kid, algorithm in (("r", "PS256"), ("r", "RS512"), ("e", "ES256"), ("f", "RS256")):
            await keys.key(kid, algorithm)
        for kid, algorithm in (("r", "ES256"), ("e", "ES384"), ("e", "RS256"), ("f", "PS256"), ("r", "HS256")):
            with pytest.raises(UnknownKey):
                await keys.key(kid, algorithm)
