"""Which members a request may have: known ones pass, further ones by name, and what lets a provider act never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as response_params

from guard.models.requests import FORMATS
from tests.support.model_guard import ASK, route_guarded

#: Members that the official client knows and the guard does not pass on unless the stack file names them.
CHAT_UNKNOWN = {"moderation"}
RESPONSES_UNKNOWN = {"access_programs", "background_options", "context_management", "image", "moderation"}


async def test_known_members_reach_the_provider_as_they_are(tmp_path: Path) -> None:
    members: dict[str, Any] = {
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["END"],
        "presence_penalty": 0,
        "logit_bias": {"50256": -100},
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "user": "u-1",
        "metadata": {"team": "docs"},
        "store": False,
        "modalities": ["text"],
        "web_search_options": None,
    }
    async with route_guarded(tmp_path) as guard:
        assert (await guard.ask(**members)).status_code == 200
        assert guard.provider.bodies == [{"model": "gpt-x", "messages": ASK, **members}]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"store": True}, "store"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ({"logprobs": True, "stream": True}, "logprobs"),
    ({"tools": [{"type": "web_search_preview"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "code_interpreter"}]}, "tools[1].type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
        "messages[0].content[0]",
    ),
    ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, "messages[0].audio"),
]


async def test_what_the_provider_would_do_or_keep_by_itself_is_refused_by_name(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        for members, param in REFUSED:
            answer = await guard.raw.post("/v1/chat/completions", json={"model": "small", "messages": ASK, **members})
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_parameter", param)
        assert guard.provider.seen == []


async def test_an_unknown_member_is_refused_until_the_stack_file_names_it_and_then_inspected(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        answer = await guard.ask(top_k=40)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "unknown_parameter", "top_k")
        assert "guard.extra_parameters" in error["message"]
        assert guard.records()[-1]["key"] == "guard.extra_parameters"
        assert "Do you mean 'messages'?" in (await guard.ask(mesages=[])).json()["error"]["message"]
    (tmp_path / "named").mkdir()
    extra = {"extra_parameters": ["top_k", "guided_grammar"]}
    async with route_guarded(tmp_path / "named", guard=extra) as guard:
        assert (await guard.ask(top_k=40, guided_grammar='root ::= "yes"')).status_code == 200
        assert guard.provider.bodies[0]["top_k"] == 40
        assert (await guard.ask(guided_grammar="AKIA" + "Z7QX3M5K9P2R4T6W")).json()["error"]["code"] == "content_filter"


@pytest.mark.parametrize(
    ("kind", "params", "unknown"),
    [
        ("chat", chat_params.CompletionCreateParamsBase, CHAT_UNKNOWN),
        ("responses", response_params.ResponseCreateParamsBase, RESPONSES_UNKNOWN),
    ],
)
def test_every_member_of_the_official_client_is_known_refused_or_listed_here(
    kind: Any, params: type, unknown: set[str]
) -> None:
    """When OpenAI adds a member, this says so, and somebody decides."""
    row = FORMATS[kind]
    members = set(params.__annotations__)
    assert {name for name in members if not row.knows(name) and name not in row.refused} == unknown
