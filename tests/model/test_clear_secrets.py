"""No secret in a manifest, whatever it looks like; no message repeats one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.clear_secrets import REMEDY, find_clear_secrets
from model.loader import parse
from tests.support.bad_files import ENVIRONMENT, lines
from tests.support.projects import write_project

SHAPES = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
    "a JSON Web Token": "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "a Cloudflare service token secret": "cfast_" + "a1B2" * 12,
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "an AWS access key": "AKIA" + "ABCD" * 4,
    "a Slack token": "xoxb-1234567890-abc",
    "an OpenAI or Anthropic key": "sk-ant-" + "a1B2" * 6,
    "a Google key": "AIza" + "a1B2c" * 7,
    "a Pulumi token": "pul-" + "0a1b" * 10,
    "a bearer credential": "Bearer " + "a1B2" * 5,
    "a URL with a password": "redis://user:hunter2@redis.example.com",
    "a secret in a URL's query": "https://logs.example.com/?api_key=hunter2",
    "a secret on a command line": "--github-token=hunter2",
}


def problems_of(value: Any) -> list[str]:
    document = parse(json.dumps({"config": {"m": value}}, indent=1), Path("f.yaml"))
    return [str(problem) for problem in find_clear_secrets(document, ("config", "m"))]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("after", ["", " there"])
def test_a_value_of_a_known_shape_is_refused_and_not_quoted(shape: str, after: str) -> None:
    assert problems_of({"note": ["x", SHAPES[shape] + after]}) == [
        f"f.yaml:6: config.m.note.1: looks like {shape} in clear; {REMEDY}"
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_in_the_place_of_a_key_is_refused_and_not_quoted(shape: str) -> None:
    assert problems_of({"headers": {SHAPES[shape]: "x"}}) == [
        f"f.yaml:5: a key that looks like {shape} in clear; {REMEDY}"
    ]


@pytest.mark.parametrize(
    "key",
    ["password", "PASSWORD", "db_password", "client_secret", "client-secret", "clientSecret", "api_key", "x-api-key",
     "Authorization", "cookie", "access.token", "log-token", "private_key"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["hunter2", ["hunter2"]])
def test_text_under_a_secrets_name_is_refused_and_not_quoted(key: str, value: Any) -> None:
    (line,) = problems_of({key: value})
    assert "a secret in clear" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "value",
    [
        {"password": "{vault://env/redis-password}"},
        {"api_key": {"env": "LAKERA_API_KEY"}},
        {"api_key": {"file": "/etc/ringwall/key"}},
        {"password": ""},
        {"token_duration": "8760h", "access_token_lifetime": "15m", "tokens_per_minute": 5},
        {"tools": ["get_secret", "token", "sk-ip"]},
        {"url": "https://example.com/a@b", "path": "/basic auth"},
    ],
)
def test_references_and_plain_words_are_fine(value: Any) -> None:
    assert problems_of(value) == []


@pytest.mark.parametrize("value", [{"secure": "v1:x"}, {"a": {"secure": "v1:x"}}, {"a": [{"secure": {"b": 1}}]}])
def test_a_nested_secure_value_is_refused_at_any_depth(value: Any) -> None:
    (line,) = problems_of(value)
    assert ".secure: a nested secure: value, which Pulumi keeps readable; " in line


@pytest.mark.parametrize("shape", SHAPES)
def test_no_report_of_a_bad_project_quotes_a_planted_secret(tmp_path: Path, shape: str) -> None:
    root = write_project(tmp_path)
    file = root / ENVIRONMENT
    planted = SHAPES[shape]
    text = file.read_text().replace("group: Engineering", f"group: '{planted}'\n            nonsense: '{planted}'")
    file.write_text(text)
    report = "\n".join(lines(root))
    assert "looks like" in report
    assert planted not in report
