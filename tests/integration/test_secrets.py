"""Planted secrets are found nowhere: not in state, its backups and history, the plan, or what the commands print."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.state import outputs
from tests.support.engine_project import EngineProject

pytestmark = pytest.mark.engine

API_TOKEN = "planted-cloudflare-api-token-0123456789abcdef"
KONG_TOKEN = "planted-kong-admin-token"
TUNNEL_SECRET = base64.b64encode(b"planted tunnel secret, 32 bytes!").decode()
LOG_ENDPOINT = "https://planted.example.net/collector"


def ringwall(project: EngineProject, *arguments: str) -> str:
    environment = {
        **os.environ,
        **project.environment,
        "CLOUDFLARE_API_TOKEN": API_TOKEN,
        "KONG_ADMIN_TOKEN": KONG_TOKEN,
        "LOG_ENDPOINT": LOG_ENDPOINT,
    }
    command = [str(Path(sys.executable).with_name("ringwall")), *arguments, "--project", str(project.project.root)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout + process.stderr


def test_planted_secrets_are_found_nowhere(engine_project: EngineProject) -> None:
    root = engine_project.project.root
    dev = engine_project.project.stack_file("dev")
    text = dev.read_text(encoding="utf-8").replace("dev-1: {}", "dev-1:\n        tunnel: local")
    dev.write_text(text, encoding="utf-8")
    for stack in ("dev", "dev.one"):
        engine_project.pulumi("stack", "init", stack)
        engine_project.pulumi("config", "set", "--secret", "--stack", stack, "cloudflare:apiToken", API_TOKEN)
        engine_project.pulumi("config", "set", "--secret", "--stack", stack, "kong:kongAdminToken", KONG_TOKEN)
    engine_project.pulumi("config", "set", "--secret", "--stack", "dev.one", "ringwall:tunnelSecret", TUNNEL_SECRET)

    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    engine_project.run("dev.one", "refresh")
    agents = outputs(engine_project.project, "dev", show_secrets=True, target=engine_project.target)[
        "agent_credentials"
    ]
    planted = [
        API_TOKEN,
        KONG_TOKEN,
        TUNNEL_SECRET,
        LOG_ENDPOINT,
        *(agent["client_secret"] for agent in agents.values()),
    ]
    printed = [
        ringwall(engine_project, "plan", "dev.one", "--full"),
        ringwall(engine_project, "plan", "dev", "--format", "json"),
        ringwall(engine_project, "preview", "dev"),
        ringwall(engine_project, "preview", "dev.one", "--json"),
        ringwall(engine_project, "outputs", "dev"),
        ringwall(engine_project, "outputs", "dev.one", "--json"),
    ]
    files = [path for path in root.rglob("*") if path.is_file()]
    kinds = {part for path in files for part in path.parts}
    assert {"stacks", "history", "backups"} <= kinds
    assert any(path.name.endswith(".bak") for path in files)
    for secret in planted:
        assert len(secret) > 20
        forms = [secret, base64.b64encode(secret.encode()).decode()]
        for path in files:
            text = path.read_bytes().decode("utf-8", errors="replace")
            assert not any(form in text for form in forms), f"{path} holds a planted secret"
        assert not any(form in text for text in printed for form in forms)
    # What was searched does hold what is no secret: the search itself works.
    assert any("dev-one" in path.read_bytes().decode("utf-8", errors="replace") for path in files)
