"""What a server may ask of a client: no part of its conversation and no visit that the stack file does not name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guard.decide.server_questions import fault_of
from model.defaults import Questions
from tests.support.guard_messages import call, result
from tests.support.guard_service import Guarded, Origin, answer_of, guarded, sse
from tests.support.waiting import eventually

HOSTS = {"questions": {"url_hosts": ["accounts.example.com"]}}


def sampling(context: Any = None) -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": {"type": "text", "text": "Sum it up"}}], "maxTokens": 9}
    return {
        "method": "sampling/createMessage",
        "params": asked if context is None else {**asked, "includeContext": context},
    }


def visit(url: Any, **more: Any) -> dict[str, Any]:
    params = {"mode": "url", "elicitationId": "e1", "url": url, "message": "Please sign in", **more}
    return {"method": "elicitation/create", "params": params}


FORM: dict[str, Any] = {
    "method": "elicitation/create",
    "params": {"message": "Which floor?", "requestedSchema": {"type": "object"}},
}
SIGN_IN = "https://accounts.example.com/connect?state=1#top"


def form(name: str, **field: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": "string", **field}}}
    return {"method": "elicitation/create", "params": {"message": "Go on?", "requestedSchema": schema}}


CASES: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    (sampling(), {}, None),
    (sampling("none"), {}, None),
    (sampling("thisServer"), {}, "context_not_granted"),
    (sampling("thisServer"), {"questions": {"include_context": "thisServer"}}, None),
    (sampling("allServers"), {"questions": {"include_context": "thisServer"}}, "context_not_granted"),
    (sampling("allServers"), {"questions": {"include_context": "allServers"}}, None),
    (sampling("everything"), {"questions": {"include_context": "allServers"}}, "unclear_question"),
    (sampling(["none"]), {}, "unclear_question"),
    ({**sampling(), "params": {**sampling()["params"], "IncludeContext": "allServers"}}, {}, "unclear_question"),
    (FORM, {}, None),
    ({**FORM, "params": {**FORM["params"], "mode": "form"}}, {}, None),
    ({**FORM, "params": {**FORM["params"], "mode": "popup"}}, HOSTS, "unclear_question"),
    ({**FORM, "params": {**FORM["params"], "url": SIGN_IN}}, HOSTS, "unclear_question"),
    ({**FORM, "params": {**FORM["params"], "Mode": "url", "URL": SIGN_IN}}, HOSTS, "unclear_question"),
    (form("password"), {}, "secret_question"),
    (
        {**FORM, "params": {**FORM["params"], "requestedSchema": {"Properties": {"password": {}}}}},
        {},
        "unclear_question",
    ),
    (visit(SIGN_IN), {}, "url_not_granted"),
    (visit(SIGN_IN), HOSTS, None),
    (visit("https://ACCOUNTS.example.com:443/x"), HOSTS, None),
    (visit("https://evil.example/accounts.example.com"), HOSTS, "url_not_granted"),
    (visit("https://accounts.example.com.evil.example/"), HOSTS, "url_not_granted"),
    (visit("https://a.accounts.example.com/"), HOSTS, "url_not_granted"),
    (visit("https://accounts.example.com@evil.example/"), HOSTS, "url_not_granted"),
    (visit("https://accounts.example.com\\@evil.example/"), HOSTS, "url_not_granted"),
    (visit("https://accounts.example.com:8443/"), HOSTS, "url_not_granted"),
    (visit("http://accounts.example.com/"), HOSTS, "url_not_granted"),
    (visit("javascript://accounts.example.com/%0aalert(1)"), HOSTS, "url_not_granted"),
    (visit("//accounts.example.com/"), HOSTS, "url_not_granted"),
    (visit(["https://accounts.example.com/"]), HOSTS, "unclear_question"),
    (visit(None), HOSTS, "unclear_question"),
]


def noted(guard: Guarded, reason: str) -> dict[str, Any]:
    [record] = [record for record in guard.records() if record["reason"] == reason]
    return record


@pytest.mark.parametrize(("asked", "settings", "reason"), CASES)
async def test_a_question_of_either_era_is_asked_only_if_the_stack_file_allows_it(
    tmp_path: Path, asked: dict[str, Any], settings: dict[str, Any], reason: str | None
) -> None:
    origin = Origin()
    ask = {"jsonrpc": "2.0", "id": 77, **asked}
    async with guarded(origin, tmp_path, guard=settings) as guard:
        needed = {"resultType": "input_required", "inputRequests": {"q": asked}, "requestState": "s"}
        origin.replies["tools/call"] = lambda _: needed
        modern = (await guard.modern("tools/call", {"name": "search", "arguments": {}})).json()["result"]
        if reason is None:
            assert modern == needed
        else:
            record = noted(guard, reason)
            assert modern["isError"]
            assert "inputRequests" not in modern
            assert modern["_meta"]["ringwall/incident"] == record["incident"]
            assert (record["decision"], record["leg"]) == ("block", "server_requests")

        await guard.initialize()
        origin.replies["tools/call"] = lambda m: sse(ask, {"jsonrpc": "2.0", "id": m["id"], "result": result("done")})
        shown = await guard.post(call(8))
        assert answer_of(shown, 8)["result"] == result("done")
        assert (asked["method"] in shown.text) is (reason is None)
        if reason is not None:
            refused = guard.records()[-2]
            assert (refused["method"], refused["decision"], refused["reason"]) == (asked["method"], "refuse", reason)
            await eventually(
                lambda: any(message.get("id") == 77 and "error" in message for message in origin.calls),
                "the server has the refusal of its question",
            )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"elicitations": [visit(SIGN_IN)["params"]]}, None),
        ({"elicitations": [visit(SIGN_IN)["params"], visit("https://evil.example/")["params"]]}, "url_not_granted"),
        ({"elicitations": [visit("https://evil.example/", mode=None)["params"]]}, "unclear_question"),
        ({"Elicitations": [visit("https://evil.example/")["params"]]}, "unclear_question"),
        ({"elicitations": ["https://evil.example/"]}, "unclear_question"),
    ],
)
async def test_an_error_that_sends_people_to_an_address_is_judged_by_the_same_hosts(
    tmp_path: Path, data: dict[str, Any], reason: str | None
) -> None:
    origin = Origin()
    problem = {"code": -32042, "message": "Sign in first", "data": data}
    origin.replies["tools/call"] = lambda m: {"jsonrpc": "2.0", "id": m["id"], "error": problem}
    async with guarded(origin, tmp_path, guard=HOSTS) as guard:
        await guard.initialize()
        answer = await guard.call("search")
        if reason is None:
            assert answer["error"] == problem
        else:
            assert "evil.example" not in json.dumps(answer)
            assert noted(guard, reason)["incident"] in json.dumps(answer)


async def test_the_record_names_the_key_that_would_allow_it(tmp_path: Path) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda _: {"resultType": "input_required", "inputRequests": {"q": visit(SIGN_IN)}}
    async with guarded(origin, tmp_path) as guard:
        await guard.modern("tools/call", {"name": "search", "arguments": {}})
        record = noted(guard, "url_not_granted")
        assert (record["key"], record["problem"]) == (
            "guard.questions.url_hosts",
            "the address is at accounts.example.com",
        )


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("apiKey", {}),
        ("DB_PASSWORD", {}),
        ("x", {"title": "API key"}),
        ("x", {"title": "Please enter your Pass\u200bword"}),
        ("p\u0430ssw\u043erd", {}),
        ("cardNumber", {"type": "integer"}),
        ("cvv", {}),
        ("login", {"type": "object", "properties": {"password": {"type": "string"}}}),
        ("pin", {}),
        ("otp_code", {}),
        ("x", {"title": "Verification code"}),
        ("recovery-phrase", {}),
        ("ssn", {}),
        ("Passwort", {}),
        ("x", {"title": "Contraseña"}),
        ("x", {"title": "Mot de passe"}),
        ("x", {"title": "请输入密码"}),
        ("secret", {"type": ["string", "null"]}),
    ],
)
def test_a_field_that_is_named_as_a_secret_is_not_asked_for(name: str, field: dict[str, Any]) -> None:
    asked = form(name, **field)
    fault = fault_of(Questions(), asked["method"], asked["params"])
    assert fault is not None
    assert fault.reason == "secret_question"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("city", {}),
        ("email", {"format": "email"}),
        ("zip_code", {}),
        ("secretary", {}),
        ("pinned", {"title": "Pin to top"}),
        ("use_password", {"type": "boolean"}),
        ("method", {"enum": ["password", "key"], "title": "Password or key"}),
        ("page_token_count", {"type": "integer"}),
        ("description", {"description": "How the password is kept"}),
        ("passenger", {}),
        ("compass", {}),
        ("country code", {}),
    ],
)
def test_the_fields_of_everyday_are_asked_for(name: str, field: dict[str, Any]) -> None:
    asked = form(name, **field)
    assert fault_of(Questions(), asked["method"], asked["params"]) is None
