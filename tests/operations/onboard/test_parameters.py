"""What a reviewer says of arguments names what a schema has, and an error says what is left for the others."""

from __future__ import annotations

import pytest

from model.errors import InputError
from model.tool_lock import ToolLock
from operations.onboard.parameters import read_choices
from tests.support.guard_service import lock_of


def test_an_argument_that_no_schema_names_is_for_the_stack_files_exceptions() -> None:
    free = {"name": "fetch", "description": "Fetches.", "inputSchema": {"type": "object"}}
    named = {**free, "name": "open", "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}}}}
    lock = ToolLock.model_validate(lock_of([free, named]))
    assert read_choices(lock, ["open:/url=local_url"]) == {"open": {"/url": "local_url"}}
    with pytest.raises(InputError, match="fetch has no text argument /url") as refused:
        read_choices(lock, ["fetch:/url=local_url"])
    assert refused.value.remedy is not None
    assert refused.value.remedy.endswith("can be let pass by `guard.exceptions` in the stack file alone")
