from __future__ import annotations

import base64
import copy
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.bundle.bundle import (
    MOST_BYTES,
    PREFIX,
    BadSignature,
    Expired,
    MalformedBundle,
    NotYetIssued,
    OtherServer,
    Rollback,
    UnknownSigningKey,
    bundle_bytes,
    open_bundle,
    read_demo_config,
    render,
    sign,
)
from guard.bundle.keys import key_id
from model.canonical import canonical_json, digest
from model.errors import InputError
from model.guard_config import GuardConfig
from tests.support.projects import lock

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
SERVER = ("dev", "one")


def config(name: str = "one", **changes: Any) -> GuardConfig:
    document: dict[str, Any] = {
        "version": 1,
        "server": {"environment": "dev", "name": name},
        "listen": {"port": 9010},
        "path": "/mcp",
        "origin": {"url": "http://127.0.0.1:3000/mcp"},
        "identity": {
            "access": {
                "issuer": "https://example.cloudflareaccess.com",
                "jwks_uri": "https://example.cloudflareaccess.com/cdn-cgi/access/certs",
                "front_doors": [{"hostname": f"{name}.example.com", "audience": "a" * 64}],
            },
            "agents": {"abc.access": "ci"},
        },
        "grants": [
            {"to": {"agents": ["ci"]}, "tools": ["get_ticket"], "arguments": {"get_ticket": {"maxProperties": 5}}}
        ],
        "limits": {},
        "guard": {},
        "audit": {"path": "/var/log/ringwall/one.jsonl"},
        "tool_lock_sha256": digest(lock().dump()),
        "tool_lock": lock().dump(),
        **changes,
    }
    return GuardConfig.model_validate(json.loads(json.dumps(document)))


def text(sequence: int = 7, denied: tuple[str, ...] = (), name: str = "one", key: Ed25519PrivateKey = KEY) -> str:
    return render(sign(config(name), sequence=sequence, denied=denied, key=key))


def resigned(document: dict[str, Any], prefix: bytes = PREFIX, **changes: Any) -> str:
    """A bundle whose signature truly is the key's, over whatever the document holds."""
    value = {key: item for key, item in document.items() if key != "signature"}
    raw = KEY.sign(prefix + canonical_json(value))
    signature = {
        "algorithm": "ed25519",
        "key_id": key_id(KEY.public_key()),
        "value": base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
        **changes,
    }
    return json.dumps({**value, "signature": signature})


def opened(bundle: str | bytes, after: int = 0, applied: str | None = None) -> Any:
    return open_bundle(bundle, KEYS, expected_server=SERVER, after=after, applied=applied)


def test_what_was_signed_is_what_is_read() -> None:
    found = opened(text(denied=("person:b", "agent:a")))
    assert found.bundle.config == config()
    assert (found.bundle.sequence, found.bundle.denied) == (7, ("agent:a", "person:b"))
    assert found.server == SERVER


def test_the_digest_names_the_content_not_its_layout_nor_its_signer() -> None:
    one = text()
    flat = json.dumps(json.loads(one))
    both = {**KEYS, key_id(OTHER.public_key()): OTHER.public_key()}
    other = open_bundle(text(key=OTHER), both, expected_server=SERVER, after=0)
    assert opened(one).sha256 == opened(flat).sha256 == opened(one.encode()).sha256 == other.sha256
    assert opened(one).sha256 != opened(text(sequence=8)).sha256
    assert opened(one).sha256 != opened(text(denied=("person:x",))).sha256


def test_the_signed_bytes_say_what_they_are() -> None:
    signed = bundle_bytes(7, ("person:x",), config())
    assert signed.startswith(b'ringwall guard bundle 1\n{"config":{')
    assert signed.endswith(b',"denied":["person:x"],"sequence":7,"version":1}')


def test_a_signature_made_for_something_else_does_not_fit() -> None:
    for prefix in (b"", b"ringwall guard bundle 2\n", PREFIX.rstrip()):
        with pytest.raises(BadSignature):
            opened(resigned(json.loads(text()), prefix))
    assert opened(resigned(json.loads(text()))).bundle.sequence == 7


def paths(value: Any, below: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in items for path in ((*below, key), *paths(item, (*below, key)))]


def test_no_member_of_a_bundle_is_outside_its_signature() -> None:
    document = json.loads(text(denied=("person:x",)))
    signed = [path for path in paths(document) if path[0] != "signature"]
    assert len(signed) > 100
    for path in signed:
        for change in ("another", None):
            altered = copy.deepcopy(document)
            place = altered
            for part in path[:-1]:
                place = place[part]
            if change is None:
                del place[path[-1]]
            elif place[path[-1]] == change:
                continue
            else:
                place[path[-1]] = change
            with pytest.raises(BadSignature):
                opened(json.dumps(altered))


@pytest.mark.parametrize(
    "path", [(), ("config",), ("config", "identity"), ("config", "tool_lock", "tools", 0, "definition")]
)
def test_a_member_that_was_added_breaks_the_signature(path: tuple[Any, ...]) -> None:
    document = place = json.loads(text())
    for part in path:
        place = place[part]
    place["added"] = 1
    with pytest.raises(BadSignature):
        opened(json.dumps(document))


def test_a_signature_has_its_three_members_and_no_other() -> None:
    document = json.loads(text())
    for wrong in (
        {"note": "unsigned"},
        {"algorithm": "none"},
        {"key_id": 5},
        # It is not signed, and an error would quote it.
        {"key_id": ""},
        {"key_id": "x" * 100_000},
        {"key_id": "\x1b[2J\n2026-11-26 INFO the bundle is good again"},
        {"key_id": document["signature"]["key_id"].upper()},
        {"value": "A" * 85},
        {"value": "A" * 85 + "!"},
        # The last character's four spare bits: another text for the same 64 bytes.
        {"value": document["signature"]["value"][:-1] + "Z"},
    ):
        altered = {**document, "signature": {**document["signature"], **wrong}}
        with pytest.raises(MalformedBundle, match="the bundle's signature"):
            opened(json.dumps(altered))
    for missing in ("algorithm", "key_id", "value"):
        signature = {key: value for key, value in document["signature"].items() if key != missing}
        with pytest.raises(MalformedBundle):
            opened(json.dumps({**document, "signature": signature}))


def test_a_number_is_read_as_it_was_signed_however_it_is_written() -> None:
    written = text().replace('"maxProperties": 5', '"maxProperties": 5.0')
    assert written != text()
    value = opened(written).bundle.config.grants[0].arguments["get_ticket"]["maxProperties"]
    assert (value, type(value)) == (5, int)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t[:-20], "is not JSON"),
        (lambda t: "", "is not JSON"),
        (lambda t: "[]", "no JSON object"),
        (lambda t: t.replace('"sequence": 7', '"sequence": 7, "sequence": 9'), "the key sequence appears twice"),
        (lambda t: t.replace('"sequence": 7', '"sequence": NaN'), "NaN is not JSON"),
        (lambda t: t.replace('"sequence": 7', '"sequence": ' + "[" * 5000 + "]" * 5000), "nested deeper"),
        (lambda t: "\ufeff" + t, "is not JSON"),
        (lambda t: t.encode("utf-16"), "not text in UTF-8"),
        (lambda t: t.encode() + b"\xff", "not text in UTF-8"),
        (lambda t: t + " " * MOST_BYTES, "larger than 16 MiB"),
        (lambda t: json.dumps({k: v for k, v in json.loads(t).items() if k != "signature"}), "is not signed"),
    ],
)
def test_what_is_no_bundle_is_refused(change: Callable[[str], str | bytes], problem: str) -> None:
    with pytest.raises(MalformedBundle, match=problem):
        opened(change(text()))


@pytest.mark.parametrize(
    ("path", "value"),
    [(("version",), 2), (("sequence",), 0), (("sequence",), "7"), (("config", "identity"), {}), (("note",), "x")],
)
def test_a_good_signature_does_not_make_a_bad_format_good(path: tuple[str, ...], value: Any) -> None:
    document = place = json.loads(text())
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(MalformedBundle, match="signed, but not of this version's format"):
        opened(resigned(document))


def test_only_a_trusted_key_signs() -> None:
    with pytest.raises(UnknownSigningKey, match=f"{key_id(OTHER.public_key())}, which is not trusted here"):
        opened(text(key=OTHER))
    claimed = json.loads(text(key=OTHER))
    claimed["signature"]["key_id"] = key_id(KEY.public_key())
    with pytest.raises(BadSignature):
        opened(json.dumps(claimed))
    rotating = {**KEYS, key_id(OTHER.public_key()): OTHER.public_key()}
    for key in (KEY, OTHER):
        assert open_bundle(text(key=key), rotating, expected_server=SERVER, after=0).bundle.sequence == 7


def test_the_signature_is_judged_before_anything_that_is_signed() -> None:
    """A stranger must not learn, by the answer, what the guard would have said to the content."""
    stranger = json.loads(text(name="two", sequence=1))
    stranger["config"]["path"] = "nonsense"
    with pytest.raises(BadSignature):
        opened(json.dumps(stranger), after=99)


def test_another_servers_bundle_is_refused() -> None:
    with pytest.raises(OtherServer, match=r"for dev\.two, and this is dev\.one"):
        opened(text(name="two"))
    assert open_bundle(text(name="two"), KEYS, expected_server=None, after=0).server == ("dev", "two")


def test_sequences_only_rise() -> None:
    now = opened(text(7))
    with pytest.raises(Rollback, match="sequence is 6 and 7 was applied"):
        opened(text(6), 7, now.sha256)
    with pytest.raises(Rollback, match="another bundle of sequence 7"):
        opened(text(7, denied=("person:x",)), 7, now.sha256)
    assert opened(text(7), 7, now.sha256).sha256 == now.sha256
    assert opened(text(8), 7, now.sha256).bundle.sequence == 8


def test_a_bundle_below_the_applied_one_is_told_the_number_that_is_taken() -> None:
    """What was applied may come from a machine whose clock is ahead; the time here is no number above it then."""
    ahead = opened(text(7_000))
    for late in (text(6_000), text(7_000, denied=("person:x",))):
        with pytest.raises(Rollback) as refused:
            opened(late, 7_000, ahead.sha256)
        number = int(re.findall(r"--sequence ([0-9]+)", str(refused.value))[0])
        assert opened(text(number), 7_000, ahead.sha256).bundle.sequence == number


@settings(max_examples=200)
@given(st.data())
def test_no_altered_byte_passes(data: st.DataObject) -> None:
    good = text().encode()
    at = data.draw(st.integers(0, len(good) - 1))
    altered = good[:at] + data.draw(st.binary(max_size=3)) + good[at + 1 :]
    try:
        found = opened(altered)
    except InputError:
        return
    # What passes says the very same: white space, or another way to write the same string.
    assert found.sha256 == opened(good).sha256


DEMO: dict[str, Any] = {"identity": {"demo": {"principal": "person:me", "email": "me@example.com"}}}


def plain(**changes: Any) -> str:
    return json.dumps(config(**changes).dump())


def test_an_unsigned_configuration_runs_with_a_demo_identity_only() -> None:
    file = Path("guard.yaml")
    assert read_demo_config(plain(**DEMO), file) == config(**DEMO)
    with pytest.raises(InputError, match=r"is not signed.*ringwall guard bundle dev\.one.*--public-key"):
        read_demo_config(plain(), file)
    with pytest.raises(InputError, match=r"is a signed bundle; .*--public-key"):
        read_demo_config(text(), file)
    for wrong in (b"\xff", "[]", '{"version": 1, "version": 1}', "a: [", plain(**DEMO).replace("/mcp", "mcp")):
        with pytest.raises(InputError, match=r"guard\.yaml"):
            read_demo_config(wrong, file)


def test_a_demo_configuration_may_be_yaml() -> None:
    from ruamel.yaml import YAML

    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(config(**DEMO).dump(), out)
    assert read_demo_config(out.getvalue(), Path("guard.yaml")) == config(**DEMO)


def test_a_demo_identity_is_refused_beyond_loopback_even_when_signed() -> None:
    tls = {"tls_certificate": {"file": "/c"}, "tls_key": {"file": "/k"}, "client_ca": {"file": "/ca"}}
    far: dict[str, Any] = {**DEMO, "listen": {"address": "10.0.0.5", "port": 9010, **tls}}
    with pytest.raises(InputError, match="verifies nobody, so it serves loopback only"):
        read_demo_config(plain(**far), Path("guard.yaml"))
    with pytest.raises(InputError, match="verifies nobody, so it serves loopback only"):
        opened(render(sign(config(**far), sequence=1, denied=(), key=KEY)))


def timed(made: int | None, expires: int | None) -> str:
    return render(sign(config(), sequence=7, denied=(), key=KEY, issued=made, expires=expires))


def judged(bundle: str, clock: float) -> Any:
    return open_bundle(bundle, KEYS, expected_server=SERVER, after=0, clock=clock)


def test_a_bundle_is_taken_until_it_expires_and_not_a_second_longer() -> None:
    bundle = timed(1_000_000, 2_000_000)
    assert judged(bundle, 1_999_999.9).bundle.expires == 2_000_000
    with pytest.raises(
        Expired, match="expired at 1970-01-24T03:33:20Z, and this host's clock says 1970-01-24T03:33:20Z"
    ):
        judged(bundle, 2_000_000)


def test_a_bundle_of_the_future_is_refused_beyond_five_minutes() -> None:
    bundle = timed(1_000_000, 2_000_000)
    assert judged(bundle, 1_000_000 - 300).bundle.issued == 1_000_000
    with pytest.raises(NotYetIssued, match="set the clock"):
        judged(bundle, 1_000_000 - 301)


def test_the_times_are_signed() -> None:
    document = json.loads(timed(1_000_000, 2_000_000))
    for change in ({"expires": 3_000_000}, {"issued": 1}):
        with pytest.raises(BadSignature):
            judged(json.dumps(document | change), 1_500_000)
    del document["expires"]
    with pytest.raises(BadSignature):
        judged(json.dumps(document), 1_500_000)


def test_a_bundle_of_an_older_version_has_no_end() -> None:
    assert "expires" not in json.loads(text())
    assert judged(text(), 4_000_000_000).bundle.expires is None


@pytest.mark.parametrize("member", ["issued", "expires"])
def test_a_time_after_which_no_date_is_written_is_refused(member: str) -> None:
    signed = {**json.loads(text()), member: 10**20}
    del signed["signature"]
    signature = base64.urlsafe_b64encode(KEY.sign(PREFIX + canonical_json(signed))).rstrip(b"=").decode()
    signed["signature"] = {"algorithm": "ed25519", "key_id": key_id(KEY.public_key()), "value": signature}
    with pytest.raises(MalformedBundle, match="must be at most 253402300799"):
        opened(json.dumps(signed))
