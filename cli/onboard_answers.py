"""What `ringwall onboard` asks a person at the terminal where no flag says it: who may reach the server, and its host."""

from __future__ import annotations

from typing import Any

from cli import console
from cli.prompt import read_answer
from model.base import Email
from model.errors import InputError
from model.stacks import EnvironmentStack
from operations.onboard.propose import access_value, default_host
from operations.project.new_project import AGENT, Question


def environment_and_server(name: str, env: str | None) -> tuple[str, str]:
    """The environment and the server that ``dev.tickets``, or ``tickets`` with `--env dev`, names."""
    environment, dot, server = name.rpartition(".")
    if AGENT.wrong(server) or (dot and AGENT.wrong(environment)):
        raise InputError(f"{name} is no server name", key="SERVER", remedy="use lower-case letters, digits and -")
    if not dot and env is None:
        raise InputError("is missing", key="--env", remedy=f"name the environment too, such as dev.{server}")
    if dot and env not in (None, environment):
        raise InputError(f"{env} is not the environment of {name}", key="--env", remedy="leave it out, or correct it")
    return (environment if dot else env or ""), server


def ask_access(yes: bool) -> dict[str, Any]:
    if yes or not console.interactive():
        raise InputError(
            "nobody would be admitted",
            key="--people",
            remedy="give at least one --people, --domain, --group or --agent",
        )
    question = Question("--people", "E-mail address of who may reach it", Email, "give one such as ada@example.com")
    return access_value([read_answer(question.text, None, question.advice)], [], [], [])


def host_of(environment: EnvironmentStack, yes: bool) -> str:
    hosts = list(environment.settings.hosts)
    only = default_host(environment.settings)
    if only is not None:
        return only
    if yes or not console.interactive():
        raise InputError("is missing", key="--host", remedy=f"name one of {', '.join(hosts)}")
    return read_answer(
        f"Host ({', '.join(hosts)})", None, lambda answer: None if answer in hosts else f"{answer} is none of them"
    )
