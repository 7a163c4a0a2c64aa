"""`ringwall guard identity` prints public keys alone, and what it prints can stand in the stack file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from guard.identity.signing_keys import FILE
from model.server import Origin
from tests.support.command_line import ringwall


def test_the_keys_are_made_once_and_can_be_pasted_into_the_stack_file(tmp_path: Path) -> None:
    shown = ringwall("guard", "identity", "--state", str(tmp_path))
    assert shown.code == 0, shown.err
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    pasted = YAML(typ="safe").load(shown.out.partition("below origin:\n")[2])
    origin = Origin.model_validate({"url": "http://127.0.0.1:3000/mcp", "identity": "meta", **pasted})
    assert len(origin.identity_keys) == 2
    assert identity(tmp_path)["jwks"]["keys"] == [key.dump() for key in origin.identity_keys]


def test_a_rotation_lets_the_next_key_sign_and_keeps_the_last_one_published(tmp_path: Path) -> None:
    refused = ringwall("guard", "identity", "--state", str(tmp_path), "--rotate")
    assert (refused.code, "leave out --rotate to make them" in refused.err) == (2, True)
    before = [key["kid"] for key in identity(tmp_path)["jwks"]["keys"]]
    rotated = identity(tmp_path, "--rotate")
    kids = [key["kid"] for key in rotated["jwks"]["keys"]]
    assert (rotated["signs"], kids[2]) == (before[1], before[0])
    assert kids[1] not in before
    assert not {"d", "key"} & {name for key in rotated["jwks"]["keys"] for name in key}


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    identity(tmp_path)
    (tmp_path / FILE).chmod(0o640)
    refused = ringwall("guard", "identity", "--state", str(tmp_path))
    assert refused.code == 2
    assert "others may use the file of identity keys (mode 0640)" in refused.err


def identity(folder: Path, *more: str) -> Any:
    done = ringwall("guard", "identity", "--state", str(folder), "--json", *more)
    assert done.code == 0, done.err
    return done.json
