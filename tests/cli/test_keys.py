"""`keys sync` over real HTTP: what stands at Kong follows what the issuer publishes, and fails closed."""

from __future__ import annotations

import asyncio
import base64
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cli.keys import watch
from components.gateway.names import consumer_username, tags
from engine.workspace import Target
from model.environment import Environment
from model.errors import InputError, Unreachable
from model.project import load, open_project
from operations.drift.comparison import DriftComparison
from operations.drift.sources import compare
from operations.keys.sync import IssuerReport, SyncReport, sync_keys
from tests.support.command_line import Result, ringwall
from tests.support.kong_admin import JwksStandIn, KongStandIn, jwks_server, kong_admin
from tests.support.projects import write_project
from wire.jwks import MAX_BYTES, fetch_jwks

CONSUMER = consumer_username("dev", "idp")
OWN_TAGS = tags("dev")


@cache
def private_key(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def jwk(kid: str, /, *, bits: int = 2048, name: str | None = None, **changes: Any) -> dict[str, Any]:
    public = private_key(name or kid, bits).public_key().public_numbers()
    entry = {"kid": kid, "kty": "RSA", "use": "sig", "alg": "RS256", "n": number(public.n), "e": number(public.e)}
    return {key: value for key, value in {**entry, **changes}.items() if value is not None}


def pem(name: str) -> str:
    public = private_key(name, 2048).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def ec_jwk(kid: str) -> dict[str, Any]:
    public = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    return {"kid": kid, "kty": "EC", "crv": "P-256", "use": "sig", "x": number(public.x), "y": number(public.y)}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KONG_ADMIN_TOKEN", raising=False)


@pytest.fixture
def kong() -> Iterator[KongStandIn]:
    with kong_admin() as stand_in:
        stand_in.join(CONSUMER, "issuer-idp")
        yield stand_in


@pytest.fixture
def idp() -> Iterator[JwksStandIn]:
    with jwks_server() as stand_in:
        yield stand_in


def settings(kong: KongStandIn, idp: JwksStandIn, **gateway: Any) -> Environment:
    return Environment.model_validate(
        {
            "version": 1,
            "cloudflare": {"account_id": "0" * 32, "zone": "example.com", "zone_id": "1" * 32, "team": "acme"},
            "hosts": {"h1": {}},
            "gateway": {"admin_uri": kong.uri, **gateway},
            "countries": ["SE"],
            "issuers": {"idp": {"issuer": "https://idp.example.com", "jwks_uri": idp.url}},
        }
    )


def synced(kong: KongStandIn, idp: JwksStandIn, **options: Any) -> IssuerReport:
    report = sync_keys(settings(kong, idp), "dev", issuers=["idp"], **options)
    return report.issuers[0]


def refused(kong: KongStandIn, idp: JwksStandIn, **options: Any) -> str:
    """The error, after checking that nothing was written."""
    before = dict(kong.credentials)
    report = synced(kong, idp, **options)
    assert kong.writes() == []
    assert kong.credentials == before
    assert report.error is not None
    assert "\n" not in report.error
    return report.error


def test_a_new_key_becomes_a_tagged_rs256_credential_under_its_kid(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"))
    assert synced(kong, idp).added == ("k1",)
    (credential,) = kong.credentials.values()
    assert credential["consumer"]["id"] == kong.consumers[CONSUMER]
    assert (credential["key"], credential["algorithm"], credential["tags"]) == ("k1", "RS256", OWN_TAGS)
    assert credential["rsa_public_key"] == pem("k1")
    assert len(credential["secret"]) >= 40


@pytest.mark.parametrize("edition", ["enterprise", "ai"])
def test_a_licensed_edition_reads_the_keys_itself_and_none_are_written(
    edition: str, kong: KongStandIn, idp: JwksStandIn
) -> None:
    idp.publish(jwk("k1"))
    report = sync_keys(settings(kong, idp, edition=edition, version="3.15.0.4"), "dev")
    assert (report.reader, report.issuers, report.changed) == ("openid-connect", (), False)
    assert report.as_json()["reader"] == "openid-connect"
    report.check()
    assert kong.log == []


def test_a_second_sync_changes_nothing(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"), jwk("k2"))
    synced(kong, idp)
    kong.log.clear()
    report = synced(kong, idp)
    assert not report.changed
    assert report.unchanged == {"k1": 0, "k2": 0}
    assert kong.writes() == []


def test_rotation_adds_the_new_key_before_it_removes_the_old(kong: KongStandIn, idp: JwksStandIn) -> None:
    old = kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    kong.credential(CONSUMER, "current", pem("current"), OWN_TAGS)
    idp.publish(jwk("current"), jwk("next"))
    report = synced(kong, idp)
    assert kong.writes() == [("POST", "next"), ("DELETE", old)]
    assert kong.kids(CONSUMER) == ["current", "next"]
    assert (report.added, report.removed, report.unchanged) == (("next",), ("old",), {"current": 0})


def test_no_key_is_removed_when_a_new_one_cannot_be_added(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.publish(jwk("next"))
    kong.fail["POST"] = 500
    assert "500" in str(synced(kong, idp).error)
    assert kong.kids(CONSUMER) == ["old"]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.publish(jwk("next"))
    report = synced(kong, idp, dry_run=True)
    assert (report.added, report.removed) == (("next",), ("old",))
    assert kong.writes() == []


@pytest.mark.parametrize("made_by", [[], ["ringwall"], tags("prod"), ["someone"]])
def test_a_credential_that_ringwall_did_not_make_is_left_alone_and_reported(
    kong: KongStandIn, idp: JwksStandIn, made_by: list[str]
) -> None:
    kong.credential(CONSUMER, "theirs", pem("theirs"), made_by)
    idp.publish(jwk("k1"))
    report = synced(kong, idp)
    assert kong.kids(CONSUMER) == ["k1", "theirs"]
    assert (report.foreign, report.trusts_strangers) == (("theirs",), True)


def stranger(kong: KongStandIn) -> None:
    """A consumer of somebody else's in the issuer's group, with keys of its own; and one in another group."""
    kong.join("mallory", "issuer-idp")
    for kid in ("m2", "m1"):
        kong.credential("mallory", kid, pem("mallory"), OWN_TAGS)
    kong.join("other", "partners")
    kong.credential("other", "o1", pem("other"), [])


def test_a_stranger_in_the_issuers_group_is_named_with_every_key_and_left_alone(
    kong: KongStandIn, idp: JwksStandIn
) -> None:
    stranger(kong)
    idp.publish(jwk("k1"))
    (found,) = synced(kong, idp).strangers
    assert (found.consumer, found.kids, found.removed) == ("mallory", ("m1", "m2"), False)
    assert kong.group("issuer-idp") == [CONSUMER, "mallory"]


def test_a_stranger_is_found_on_every_page_and_without_a_key_too(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.page = 2
    for index in range(5):
        kong.join(f"mallory-{index}", "issuer-idp")
    idp.publish(jwk("k1"))
    assert [stranger.consumer for stranger in synced(kong, idp).strangers] == [f"mallory-{index}" for index in range(5)]


def test_a_stranger_is_named_also_where_the_issuer_does_not_answer(kong: KongStandIn, idp: JwksStandIn) -> None:
    stranger(kong)
    idp.status = 500
    report = synced(kong, idp)
    assert "answered 500" in str(report.error)
    assert [stranger.consumer for stranger in report.strangers] == ["mallory"]


def test_another_environment_of_the_project_is_no_stranger(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.join(consumer_username("prod", "idp"), "issuer-idp")
    idp.publish(jwk("k1"))
    assert not synced(kong, idp, environments=["dev", "prod"]).trusts_strangers
    assert [stranger.consumer for stranger in synced(kong, idp).strangers] == [consumer_username("prod", "idp")]


def test_strangers_leave_the_group_and_foreign_keys_go_only_when_told(kong: KongStandIn, idp: JwksStandIn) -> None:
    stranger(kong)
    kong.credential(CONSUMER, "theirs", pem("theirs"), [])
    idp.publish(jwk("k1"))
    planned = synced(kong, idp, remove_strangers=True, dry_run=True)
    assert (planned.foreign, [stranger.removed for stranger in planned.strangers]) == (("theirs",), [False])
    assert kong.group("issuer-idp") == [CONSUMER, "mallory"]
    report = synced(kong, idp, remove_strangers=True)
    assert (report.thrown_out, report.foreign, report.trusts_strangers) == (("theirs",), (), False)
    assert (kong.group("issuer-idp"), kong.kids(CONSUMER)) == ([CONSUMER], ["k1"])
    # Their consumer and its keys may serve something else.
    assert (kong.group("partners"), kong.kids("mallory")) == (["other"], ["m1", "m2"])
    assert not synced(kong, idp).trusts_strangers


def test_every_page_of_credentials_is_read(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.page = 2
    for index in range(5):
        kong.credential(CONSUMER, f"old-{index}", pem("old"), OWN_TAGS)
    idp.publish(jwk("k1"))
    assert len(synced(kong, idp).removed) == 5
    assert kong.kids(CONSUMER) == ["k1"]


def test_a_known_kid_with_another_key_is_refused(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "k1", pem("k1"), OWN_TAGS)
    idp.publish(jwk("k1", name="attacker"), jwk("k2"))
    assert "k1 has another key at Kong than at the issuer" in refused(kong, idp)


def test_replace_swaps_the_key_of_a_known_kid_in_one_step(kong: KongStandIn, idp: JwksStandIn) -> None:
    credential = kong.credential(CONSUMER, "k1", pem("k1"), OWN_TAGS)
    idp.publish(jwk("k1", name="renewed"))
    assert synced(kong, idp, replace=True).replaced == ("k1",)
    assert kong.writes() == [("PATCH", credential)]
    assert kong.credentials[credential]["rsa_public_key"] == pem("renewed")


def test_replace_does_not_touch_what_ringwall_did_not_make(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "k1", pem("theirs"), ["someone"])
    idp.publish(jwk("k1"))
    assert "Ringwall did not put it there" in refused(kong, idp, replace=True)


def test_a_known_kid_with_a_shared_secret_algorithm_is_a_substitution(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "k1", pem("k1"), OWN_TAGS, algorithm="HS256")
    idp.publish(jwk("k1"))
    assert "another key at Kong" in refused(kong, idp)


def test_a_kid_of_another_consumer_is_refused(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(consumer_username("dev", "access"), "k1", pem("k1"), OWN_TAGS)
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.publish(jwk("k1"))
    assert "k1 belongs to another consumer" in str(synced(kong, idp).error)
    assert kong.kids(CONSUMER) == ["old"]


def test_a_missing_consumer_names_the_command_that_makes_it(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.consumers.clear()
    idp.publish(jwk("k1"))
    assert refused(kong, idp) == f"Kong has no consumer {CONSUMER}; run `ringwall up dev`"


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


def test_an_issuer_that_fails_does_not_keep_the_others_from_their_keys(kong: KongStandIn, idp: JwksStandIn) -> None:
    base = settings(kong, idp).dump()
    idp.publish(jwk("k1"))
    with jwks_server() as broken:
        base["issuers"]["broken"] = {"issuer": "https://b.example.com", "jwks_uri": broken.url}
        both = Environment.model_validate(base)
        report = sync_keys(both, "dev", issuers=["broken", "idp"])
    assert report.issuers[1].added == ("k1",)
    with pytest.raises(Unreachable, match=r"^issuer broken: "):
        report.check()


def test_an_unknown_issuer_is_wrong_input(kong: KongStandIn, idp: JwksStandIn) -> None:
    with pytest.raises(InputError, match=r"there is no issuer nobody; correct it \(known: access, idp\)"):
        sync_keys(settings(kong, idp), "dev", issuers=["nobody"])


def test_the_admin_token_comes_from_the_environment(
    kong: KongStandIn, idp: JwksStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    kong.token = "right"
    idp.publish(jwk("k1"))
    for wrong in (None, "wrong"):
        if wrong:
            monkeypatch.setenv("KONG_ADMIN_TOKEN", wrong)
        with pytest.raises(Unreachable, match="refused the token; set KONG_ADMIN_TOKEN") as caught:
            synced(kong, idp)
        assert "wrong" not in str(caught.value)
    monkeypatch.setenv("KONG_ADMIN_TOKEN", "right")
    assert synced(kong, idp).added == ("k1",)


@pytest.mark.parametrize("version", ["3.8.0", "3.10.0", "4.0.0", "", "not Kong"])
def test_another_line_of_kong_is_refused(kong: KongStandIn, idp: JwksStandIn, version: str) -> None:
    kong.version = version
    with pytest.raises(Unreachable, match=r"the stack file says Kong 3\.9\.3"):
        synced(kong, idp)
    assert kong.writes() == []


def test_a_kong_that_is_not_there_is_one_line(kong: KongStandIn, idp: JwksStandIn) -> None:
    with kong_admin() as gone:
        pass
    with pytest.raises(
        Unreachable, match=r"^Kong's Admin API at http://127\.0\.0\.1:\d+ does not answer \(.*\); [^\n]*$"
    ):
        sync_keys(settings(gone, idp), "dev", issuers=["idp"])


def test_something_else_than_kong_is_refused(idp: JwksStandIn) -> None:
    idp.body = b"<html></html>"
    with kong_admin() as stand_in:
        stand_in.uri = idp.url
        with pytest.raises(Unreachable, match="is not Kong's Admin API"):
            synced(stand_in, idp)


# The command


@pytest.fixture
def folder(tmp_path: Path, kong: KongStandIn, idp: JwksStandIn) -> Path:
    root = write_project(tmp_path)
    file = root / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text().replace("http://127.0.0.1:8001", kong.uri)
    file.write_text(text.replace("https://login.example.org/realms/tools/certs", idp.url))
    kong.consumers.clear()
    kong.consumer(consumer_username("dev", "keycloak"))
    return root


def command(folder: Path, *arguments: str) -> Result:
    return ringwall("keys", "sync", "dev", "--project", folder, "--issuer", "keycloak", *arguments)


def test_the_command_names_kids_and_ages_and_no_key(folder: Path, kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(consumer_username("dev", "keycloak"), "k0", pem("k0"), OWN_TAGS, created_at=0)
    idp.publish(jwk("k0"), jwk("k1"), ec_jwk("curve"))
    result = command(folder)
    assert result.code == 0
    first, second = result.out.splitlines()
    assert first == "keycloak: k1: added"
    assert second.startswith("keycloak: k0: kept, ")
    assert int(second.split()[3]) > 20_000
    assert result.err == "warning: issuer keycloak: not used: curve: kind EC is not RSA\n"


def test_the_command_prints_one_json_document(folder: Path, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"))
    result = command(folder, "--json")
    assert result.code == 0
    assert result.json == {
        "version": 1,
        "environment": "dev",
        "dry_run": False,
        "reader": None,
        "issuers": [
            {
                "issuer": "keycloak",
                "added": ["k1"],
                "replaced": [],
                "removed": [],
                "kept": [],
                "foreign": [],
                "strangers": [],
                "thrown_out": [],
                "ignored": [],
                "error": None,
            }
        ],
    }


def test_the_command_names_what_is_not_ours_fails_and_ends_it_when_told(
    folder: Path, kong: KongStandIn, idp: JwksStandIn
) -> None:
    kong.join("mallory", "issuer-keycloak")
    kong.credential("mallory", "m1", pem("mallory"), OWN_TAGS)
    idp.publish(jwk("k1"))
    result = command(folder)
    assert (result.code, result.out) == (3, "keycloak: k1: added\n")
    assert result.err == (
        "warning: issuer keycloak: consumer mallory is in group issuer-keycloak and not Ringwall's, so what it signs is "
        f"trusted (kid m1); `ringwall keys sync dev --remove-strangers --project {folder}` ends that\n"
    )
    result = command(folder, "--remove-strangers")
    assert (result.code, result.err) == (0, "")
    assert "keycloak: mallory: taken out of the issuer's group\n" in result.out
    assert command(folder).code == 0


def test_drift_shows_strangers_and_what_puts_them_out(folder: Path, kong: KongStandIn, idp: JwksStandIn) -> None:
    own = consumer_username("dev", "keycloak")
    kong.credential(own, "theirs", pem("theirs"), [])
    kong.join("mallory", "issuer-keycloak")
    kong.credential("mallory", "m1", pem("mallory"), [])
    idp.publish(jwk("k1"))
    project = open_project(folder)
    comparison = DriftComparison(project, Target(project), load(project, "dev"), ("dev",))
    rows, _ = compare(comparison, ["keys"], lambda _: None)
    throw_out = "`ringwall keys sync dev --remove-strangers`"
    assert [(row.kind, row.what, row.real, row.repair) for row in rows if "keycloak" in row.what] == [
        ("missing", "issuer keycloak kid k1", "absent", "`ringwall keys sync dev`"),
        ("drift", "issuer keycloak kid theirs", "put there by hand", throw_out),
        ("drift", "issuer keycloak consumer mallory", "in its group, kids m1", throw_out),
    ]
    assert kong.writes() == []


def test_a_failed_sync_exits_with_six(folder: Path, idp: JwksStandIn) -> None:
    idp.status = 500
    result = command(folder, "--json")
    assert result.code == 6
    assert "answered 500" in result.json["issuers"][0]["error"]
    assert "error: issuer keycloak: " in result.err


@pytest.mark.parametrize("interval", ["5", "0m", "soon", ""])
def test_a_bad_interval_is_wrong_input(folder: Path, interval: str) -> None:
    result = command(folder, "--watch", "--interval", interval)
    assert result.code == 2
    assert "--interval: must be" in result.errors[0]


def test_watch_survives_a_failure_loudly_and_syncs_at_the_next_turn(capfd: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    turns = 0

    def once() -> SyncReport:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise Unreachable("Kong is away")
        if turns == 2:
            return SyncReport("dev", False, (IssuerReport("idp", error="garbage"),))
        stop.set()
        return SyncReport("dev", False, (IssuerReport("idp", added=("k1",), unchanged={"k0": 3}),))

    watch(once, 0.001, stop=stop)
    out, err = capfd.readouterr()
    assert out == "idp: k1: added\n"
    assert "error: Kong is away" in err
    assert "error: issuer idp: garbage" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_stops_cleanly_on_a_signal(folder: Path, kong: KongStandIn, idp: JwksStandIn, number: int) -> None:
    idp.publish(jwk("k1"))
    arguments = ["keys", "sync", "dev", "--project", str(folder), "--issuer", "keycloak", "--watch", "--interval", "1h"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "keycloak: k1: added\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "")
    assert err.endswith(" stopped\n")
    assert kong.kids(consumer_username("dev", "keycloak")) == ["k1"]
