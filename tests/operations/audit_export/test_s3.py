"""A store whose library is not there is said so; what a real store gets is in tests/cli/test_audit_export.py."""

from __future__ import annotations

import sys

import pytest

from model.errors import InputError
from operations.audit_export.destination import DestinationOptions, sink_of


def test_without_the_library_an_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.config", None)
    with pytest.raises(InputError) as raised:
        sink_of("s3://bucket", DestinationOptions())
    assert (raised.value.key, raised.value.remedy) == (
        "--to", "install it beside Ringwall: pip install 'botocore>=1.44'",
    )  # fmt: skip
