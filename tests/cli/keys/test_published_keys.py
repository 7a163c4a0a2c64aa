"""What an issuer answers instead of usable keys changes nothing at Kong."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from model.errors import Unreachable
from tests.support.issuer_keys import (
    CONSUMER,
    OWN_TAGS,
    ec_jwk,
    jwk,
    number,
    pem,
    refused,
    synced,
)
from tests.support.kong_admin import JwksStandIn, KongStandIn, jwks_server
from wire.jwks import MAX_BYTES, fetch_jwks

UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "an elliptic-curve key": (ec_jwk("bad"), "kind EC is not RSA"),
    "a symmetric key": ({"kid": "bad", "kty": "oct", "k": "c2VjcmV0"}, "a private or symmetric key"),
    "a private key": (jwk("bad", d="AQAB"), "a private or symmetric key"),
    "a short key": (jwk("bad", bits=1024), "1024 bits"),
    "another algorithm": (jwk("bad", alg="RS512"), "algorithm RS512 is not RS256"),
    "an encryption key": (jwk("bad", use="enc"), "use enc is not sig"),
    "a key for other operations": (jwk("bad", use=None, key_ops=["encrypt"]), "key_ops do not hold verify"),
    "a key without kid": (jwk("bad", kid=None), "no usable kid"),
    "a kid of odd characters": (jwk("bad", kid="a\nb"), "no usable kid"),
    "a small exponent": (jwk("bad", e=number(3)), "exponent"),
    "an even modulus": (jwk("bad", n=number(1 << 2048)), "even"),
    "a number that is not base64url": (jwk("bad", n="++++"), "base64url"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_an_unusable_key_is_reported_and_the_good_one_used(kong: KongStandIn, idp: JwksStandIn, what: str) -> None:
    entry, reason = UNUSABLE[what]
    idp.publish(entry, jwk("good"))
    report = synced(kong, idp)
    assert kong.kids(CONSUMER) == ["good"]
    assert reason in report.ignored[0]


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_set_without_one_usable_key_never_removes_the_last_keys(
    kong: KongStandIn, idp: JwksStandIn, what: str
) -> None:
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.publish(UNUSABLE[what][0])
    assert "no usable RS256 key" in refused(kong, idp)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"[]",
        b"null",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, null]}',
        b'{"keys": [], "keys": []}',
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"keys": [NaN]}',
    ],
)
def test_garbage_instead_of_keys_changes_nothing(kong: KongStandIn, idp: JwksStandIn, body: bytes) -> None:
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.body = body
    assert "nothing was changed" in refused(kong, idp)


def test_two_keys_under_one_kid_are_refused(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"), jwk("k1", name="other"))
    assert "two different keys under the kid k1" in refused(kong, idp)


def test_one_key_listed_twice_is_one_key(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"), jwk("k1"))
    assert synced(kong, idp).added == ("k1",)


def test_a_document_beyond_the_cap_is_dropped_while_it_is_read(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.endless = True
    assert "over 256 KiB" in refused(kong, idp)
    assert idp.sent < 64 * MAX_BYTES


def test_a_document_of_exactly_the_cap_is_read(idp: JwksStandIn) -> None:
    idp.body = b" " * MAX_BYTES
    assert fetch_jwks(idp.url) == idp.body
    idp.body += b" "
    with pytest.raises(Unreachable, match="over 256 KiB"):
        fetch_jwks(idp.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(kong: KongStandIn, idp: JwksStandIn, status: int) -> None:
    with jwks_server() as elsewhere:
        elsewhere.publish(jwk("attacker"))
        idp.status, idp.headers = status, {"location": elsewhere.url}
        assert "redirects elsewhere" in refused(kong, idp)
        assert elsewhere.requests == 0


@pytest.mark.parametrize("status", [201, 204, 404, 429, 500])
def test_any_other_answer_than_200_is_an_error(kong: KongStandIn, idp: JwksStandIn, status: int) -> None:
    idp.status, idp.body = status, b""
    assert f"answered {status}" in refused(kong, idp)


def test_a_compressed_answer_is_refused(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"))
    idp.headers = {"content-encoding": "gzip"}
    assert "compressed" in refused(kong, idp)


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/certs", "http://example.com/certs", "ftp://127.0.0.1/c", "http://localhost@192.0.2.1/"]
)
def test_plain_http_beyond_loopback_is_refused_before_any_connection(url: str) -> None:
    with pytest.raises(Unreachable, match=r"is not https|user name"):
        fetch_jwks(url)


def test_a_server_that_does_not_answer_times_out(idp: JwksStandIn) -> None:
    idp.hold = True
    with pytest.raises(Unreachable, match=r"does not answer \(timeout\)"):
        fetch_jwks(idp.url, timeout=httpx.Timeout(0.05))


def test_the_whole_answer_has_a_deadline_however_it_drips(idp: JwksStandIn) -> None:
    idp.hold = True
    with pytest.raises(Unreachable, match=r"took over 0\.05 s"):
        fetch_jwks(idp.url, timeout=httpx.Timeout(30), deadline=0.05)


def test_a_fetch_leaves_the_threads_event_loop_to_pulumi(idp: JwksStandIn) -> None:
    def keeps_its_loop() -> bool:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            fetch_jwks(idp.url)
            return asyncio.get_event_loop() is loop
        finally:
            loop.close()

    # In a thread of its own, so that the test leaves no loop behind.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(keeps_its_loop).result(timeout=30)
