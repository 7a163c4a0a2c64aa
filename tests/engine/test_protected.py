"""A stack that holds protected resources is not taken down halfway."""

from __future__ import annotations

from typing import Any

import pytest

from engine.protected import protected, refuse_protected
from model.errors import InputErrors

URN = "urn:pulumi:prod.one::p::ringwall:index:ServerPerimeter$ringwall:index:Edge$cloudflare:index/x:X::"


def test_what_is_protected_is_named_and_the_command_that_takes_it_down_too() -> None:
    tunnel = {"urn": f"{URN}one-edge-tunnel", "type": "t", "protect": True}
    application = {"urn": f"{URN}one-edge-application", "type": "t", "protect": True}
    states: dict[str, dict[str, Any]] = {
        "prod.one": {"resources": [tunnel, {"urn": f"{URN}one-route", "type": "t"}, application]},
        "prod.two": {"resources": [{"urn": f"{URN}two-route", "type": "t", "protect": False}]},
        "prod": {},
    }
    assert protected(states["prod.one"]) == ["one-edge-application", "one-edge-tunnel"]
    with pytest.raises(InputErrors) as refused:
        refuse_protected(states)
    assert [str(problem) for problem in refused.value.each] == [
        "prod.one is protected from being taken down by accident (one-edge-application, one-edge-tunnel); nothing was taken "
        "down; if you mean it, run `ringwall destroy prod.one --unprotect`"
    ]
    refuse_protected({"prod.two": states["prod.two"], "prod": {}})
