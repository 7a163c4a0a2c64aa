"""`ringwall model` and what other commands say of a model route: written, listed, refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.project import load_environment, open_project
from tests.support.command_line import ringwall
from tests.support.model_routes import FILE, ROUTE, write_route_project
from tests.support.projects import write_project

MODEL = ["--model", "small=openai/gpt-4o-mini", "--credential", "{vault://env/openai-key}"]
PEOPLE = ["--people", "ada@example.com", "--host", "dev-1"]


def test_a_route_is_written_that_loads_and_passes_check_but_for_its_secret(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    done = ringwall(
        *("model", "add", "dev.models", *MODEL, "--grant", "small", *PEOPLE, "--agent", "ci", "--yes"),
        *("--project", root),
    )
    assert done.code == 0, done.err
    assert "pulumi config set --secret ringwall:guardKey --stack dev.models" in done.out
    assert "set OPENAI_KEY to the whole header value" in done.out
    route = load_environment(open_project(root), "dev").models["models"].manifest
    assert (route.hostname, route.guard_port) == ("dev-models.example.com", 9011)
    assert route.models["small"].targets[0].credential == "{vault://env/openai-key}"
    checked = ringwall("check", "dev", "--project", root)
    assert checked.code == 2
    assert checked.err.count("error:") == 1
    assert "ringwall:guardKey: is missing" in checked.err


def test_each_provider_gets_its_own_header_and_what_kong_needs_for_it(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    models = [
        "--model",
        "a=anthropic/claude",
        "--model",
        "m=mistral/small",
        "--credential",
        "a={vault://env/claude-key}",
    ]
    done = ringwall("model", "add", "dev.models", *models, *PEOPLE, "--yes", "--project", root)
    assert done.code == 0, done.err
    route = load_environment(open_project(root), "dev").models["models"].manifest
    (claude,), (mistral,) = (route.models[name].targets for name in ("a", "m"))
    assert (claude.credential_header, claude.options) == ("x-api-key", {"anthropic_version": "2023-06-01"})
    assert (mistral.credential, mistral.options) == (None, {"mistral_format": "openai"})


def test_a_models_name_may_hold_a_colon_and_its_address_an_equals_sign(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    flags = ["--model", "llama3:8b=openai/llama3:8b", "--credential", "llama3:8b={vault://env/k}"]
    flags += ["--url", "llama3:8b=http://127.0.0.1:11434/v1/chat/completions", "--grant", "llama3:*"]
    done = ringwall("model", "add", "dev.models", *flags, *PEOPLE, "--yes", "--project", root)
    assert done.code == 0, done.err
    (target,) = load_environment(open_project(root), "dev").models["models"].manifest.models["llama3:8b"].targets
    assert (target.credential, target.url) == ("{vault://env/k}", "http://127.0.0.1:11434/v1/chat/completions")


WRONG = {
    "no model": (["--model", "small"], "--model: small is no model; write it such as small=openai/gpt-4o-mini"),
    "no provider": (["--model", "small=acme/x"], "--model: acme is no provider; write one of openai, azure"),
    "one twice": (["--model", "a=openai/x", "--model", "a=openai/y"], "--model: a is named twice"),
    "a key in clear": (
        ["--model", "a=openai/x", "--credential", "Bearer planted"],
        "--credential: is no reference, and a key has no place in a stack file",
    ),
    "a credential of nobody": (
        ["--model", "a=openai/x", "--credential", "b={vault://env/k}"],
        "--credential: b is no --model",
    ),
    "what the edition cannot carry": (["--model", "a=bedrock/x"], "bedrock signs each request with AWS keys"),
    "what a provider lacks": (["--model", "a=azure/x"], "azure needs azure_deployment_id; add it"),
    "a grant of nothing": (["--model", "a=openai/x", "--grant", "b"], "b matches no model of the route"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_flag_is_named_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    root = write_project(tmp_path)
    flags, expected = WRONG[case]
    done = ringwall("model", "add", "dev.models", *flags, *PEOPLE, "--yes", "--project", root)
    assert done.code == 2
    assert expected in done.err
    assert "planted" not in done.err + done.out
    assert not (root / FILE).exists()


def test_a_route_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    root = write_route_project(tmp_path)
    done = ringwall("model", "add", "dev.models", *MODEL, *PEOPLE, "--yes", "--project", root)
    assert done.code == 2
    assert "is there already" in done.err
    assert (root / FILE).read_text() == ROUTE


def test_a_dry_run_shows_the_file_and_writes_none(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    done = ringwall("model", "add", "dev.models", *MODEL, *PEOPLE, "--dry-run", "--yes", "--project", root)
    assert "ringwall:model:" in done.out
    assert not (root / FILE).exists()


def test_models_are_listed_with_where_prompts_go_and_who_may_spend_what(tmp_path: Path) -> None:
    root = write_route_project(tmp_path)
    (row,) = json.loads(ringwall("model", "list", "dev", "--json", "--project", root).out)["routes"]
    assert (row["stack"], row["base_url"]) == ("dev.models", "https://models.example.com/v1")
    house, small = row["models"]
    assert house["addresses"] == ["https://one.example.com:443", "https://two.example.com:8443"]
    assert [grant["to"] for grant in small["grants"]] == ["everyone admitted", "ci"]
    assert small["grants"][1]["budget"] == "100000 tokens a day, cost 5.00 a day"
    assert "dev.models: https://models.example.com/v1" in ringwall("model", "list", "--project", root).out


def test_list_shows_a_model_route_as_one(tmp_path: Path) -> None:
    root = write_route_project(tmp_path)
    rows = json.loads(ringwall("list", "--json", "--project", root).out)["stacks"]
    kinds = {row["stack"]: row["kind"] for row in rows}
    assert kinds == {"dev": "environment", "dev.models": "model route", "dev.one": "server"}
    assert "dev.models" in ringwall("list", "--project", root).out


def test_clients_of_a_model_route_are_openais_and_hold_no_secret(tmp_path: Path) -> None:
    root = write_route_project(tmp_path)
    shown = json.loads(ringwall("clients", "dev.models", "--json", "--project", root).out)["snippets"]
    assert [snippet["client"] for snippet in shown["agents"]] == [
        "OpenAI SDK (Python)",
        "OpenAI SDK (JavaScript)",
        "LiteLLM",
        "curl",
    ]
    for snippet in [*shown["people"], *shown["agents"]]:
        assert "https://models.example.com/v1" in snippet["text"]
        if snippet["client"].endswith("(Python)") or snippet["client"] == "LiteLLM":
            compile(snippet["text"], "ask.py", "exec")
    assert "Claude Code speaks Anthropic's Messages API" in ringwall("clients", "dev.models", "--project", root).out
    assert ringwall("clients", "dev.models", "cursor", "--project", root).code == 2


def test_an_access_test_about_a_model_route_says_that_it_is_none(tmp_path: Path) -> None:
    root = write_route_project(tmp_path)
    (root / "tests").mkdir()
    (root / "tests" / "models.access.yaml").write_text(
        "version: 1\nmay:\n  - {principal: agent:ci, server: dev.models, tools: [small]}\n", encoding="utf-8"
    )
    done = ringwall("test", "--project", root)
    assert done.code == 2
    assert "dev.models is a model route, and this is about MCP servers" in done.err


FOR_SERVERS = {
    "explain": ["explain", "dev.models", "small", "--as", "person:ada@example.com"],
    "who": ["who", "dev.models", "small"],
    "verify": ["verify", "dev.models"],
    "local": ["local", "dev.models"],
    "lock diff": ["lock", "diff", "dev.models"],
    "onboard": ["onboard", "dev.models", "--url", "http://127.0.0.1:1/mcp"],
}


@pytest.mark.parametrize("command", FOR_SERVERS)
def test_a_command_for_servers_says_that_a_model_route_is_none(tmp_path: Path, command: str) -> None:
    root = write_route_project(tmp_path)
    done = ringwall(*FOR_SERVERS[command], "--project", root)
    assert done.code == 2, done.out + done.err
    assert "dev.models is a model route" in done.err, done.err
