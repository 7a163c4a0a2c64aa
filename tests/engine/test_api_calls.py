"""The calls that a plan is said to need are those that the real plugins make."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from engine.api_calls import Calls, calls_of, total
from engine.repair.kinds import SHAPES, Kind

RECORDINGS = Path(__file__).parents[3] / "shared" / "cloudflare-recordings.json"
#: What the paths of the recordings are about.
KINDS = {
    "service_tokens": Kind.service_token,
    "groups": Kind.group,
    "policies": Kind.policy,
    "cfd_tunnel": Kind.tunnel,
    "apps": Kind.application,
    "configurations": Kind.ingress,
    "dns_records": Kind.record,
}
OPERATIONS = {"POST": "create", "PUT": "update", "GET": "refresh", "DELETE": "delete"}


def kind_of(path: str) -> Kind:
    (last,) = re.findall(r"/([a-z_]+)(?:/<id\d+>)?$", path)
    return KINDS[last]


def test_every_call_that_the_real_cloudflare_plugin_was_recorded_to_make_is_one_that_is_counted() -> None:
    if not RECORDINGS.is_file():
        pytest.skip(f"the recordings of the real plugin are not at {RECORDINGS}")
    for phase in json.loads(RECORDINGS.read_text("utf-8"))["phases"]:
        made = Counter((OPERATIONS[call["method"]], kind_of(call["path"])) for call in phase["calls"])
        counted = {key: total(key[0], [SHAPES[key[1]].token] * number).cloudflare for key, number in made.items()}
        assert counted == made, phase["name"]


def test_a_tunnels_configuration_is_deleted_by_no_call() -> None:
    # Among the recorded calls of destroying two servers is none for their configurations.
    assert not calls_of("delete", SHAPES[Kind.ingress].token)
    assert calls_of("update", SHAPES[Kind.ingress].token) == Calls(cloudflare=1)


def test_kong_is_asked_again_for_what_was_made_or_changed() -> None:
    route = SHAPES[Kind.route].token
    assert [calls_of(word, route).kong for word in ("create", "update", "refresh", "delete")] == [2, 2, 1, 1]


def test_a_replacement_is_its_two_halves_and_what_stays_is_no_call() -> None:
    record = SHAPES[Kind.record].token
    assert [calls_of(word, record).cloudflare for word in ("replace", "create-replacement", "delete-replaced")] == [
        0,
        1,
        1,
    ]
    assert not calls_of("same", record)
    assert not calls_of("create", "pulumi:pulumi:Stack")
    assert not calls_of("create", "ringwall:index:Perimeter")
