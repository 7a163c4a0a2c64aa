"""The question whether somebody may use one tool, prompt or resource of a server, or a model, with or without arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guard.decide.policy import Policy
from model.errors import InputError
from model.json import parse_json
from model.suggestions import did_you_mean
from model.text import visible
from model.tool_lock import ToolLock

Kind = Literal["tool", "prompt", "resource", "model"]
#: The method that asks an MCP server for each kind.
METHODS: Mapping[Kind, str] = {"tool": "tools/call", "prompt": "prompts/get", "resource": "resources/read"}


@dataclass(frozen=True)
class AccessQuestion:
    """What is asked for. `arguments` None: whatever they will be; a resource has none, a model's are those of a request."""

    kind: Kind
    name: str
    arguments: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.kind} {visible(self.name)}"

    def params(self) -> dict[str, Any]:
        """The params of the request that asks for it."""
        if self.kind == "resource":
            return {"uri": self.name}
        return {"name": self.name, **({} if self.arguments is None else {"arguments": dict(self.arguments)})}


def question_of(tool: str | None, prompt: str | None, resource: str | None, arguments: str | None) -> AccessQuestion:
    """The question of a command line; raises InputError unless it names exactly one thing, with arguments in JSON."""
    named: list[tuple[Kind, str]] = []
    named += [("tool", tool)] if tool is not None else []
    named += [("prompt", prompt)] if prompt is not None else []
    named += [("resource", resource)] if resource is not None else []
    if len(named) != 1:
        problem = "nothing is asked for" if not named else "one question asks for one tool, prompt or resource"
        raise InputError(problem, remedy="name a tool, or give --prompt NAME or --resource URI")
    kind, name = named[0]
    if arguments is None:
        return AccessQuestion(kind, name)
    if kind == "resource":
        raise InputError("a resource takes no arguments", key="ARGUMENTS", remedy="leave them out")
    return AccessQuestion(kind, name, _object(arguments, "ARGUMENTS", """'{"id": "7"}'"""))


def model_question_of(model: str | None, request: str | None, options: Mapping[str, str | None]) -> AccessQuestion:
    """The question of a command line about a model route.

    Args:
        request: a JSON object, or the text of one message.
        options: what a model route has not, by option.

    Raises:
        InputError: no model is named, or something that a model route has not, or the object is none.
    """
    for option, value in options.items():
        if value is not None:
            raise InputError("a model route has models alone", key=option, remedy="name a model in its place")
    if model is None:
        raise InputError("nothing is asked for", remedy="name a model of the route")
    if request is None:
        return AccessQuestion("model", model)
    if not request.lstrip().startswith("{"):
        return AccessQuestion("model", model, {"messages": [{"role": "user", "content": request}]})
    example = """'{"messages": [{"role": "user", "content": "Hello"}]}', or a text alone"""
    return AccessQuestion("model", model, _object(request, "REQUEST", example))


def _object(text: str, key: str, example: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", key=key, remedy=f"write it such as {example}") from None
    if not isinstance(value, dict):
        raise InputError("is not an object", key=key, remedy=f"write it such as {example}")
    return value


def absence(question: AccessQuestion, lock: ToolLock, policy: Policy) -> str | None:
    """What to do where the lock has nothing of this name, so that nobody may use it; None where it has."""
    if question.kind == "resource":
        if policy.pinning(question.name):
            return None
        known = [*(entry.key for entry in lock.resources), *(entry.key for entry in lock.resource_templates)]
        return did_you_mean(question.name, known, none="the lock has no resource")
    entries = lock.tools if question.kind == "tool" else lock.prompts
    names = [entry.name for entry in entries]
    return (
        None if question.name in names else did_you_mean(question.name, names, none=f"the lock has no {question.kind}")
    )
