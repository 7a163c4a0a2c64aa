"""Proposes the stack file of a new model route from what `ringwall model add` was told. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from components.gateway.model_support import NEEDED, support_problems
from model.cross_checks import GUARD_KEY, missing_secrets
from model.errors import InputError, InputErrors
from model.model_target import Provider
from model.project import Project
from model.stacks import EnvironmentStack, ModelStack, leg_of
from operations.onboard.conflicts import free_guard_port, siblings_of
from operations.project.staging import load_staged
from operations.project.templates import SCHEMA_FILE, block, inline, scalar
from operations.project.write import FileChange

_FILE = """\
# yaml-language-server: $schema=../{schema}
# Model route {name} of environment {environment}. Every key: `ringwall schema model`.
config:
  ringwall:model:
    version: 1
    host: {host}
    hostname: {hostname}
    guard_port: {guard_port}
    guard_key: {guard_key}

    # Models by their public names, and where each one is. Kong alone holds the providers' keys: each is a reference to a
    # variable of the gateway's own environment, whole header value and all.
    models:
{models}

    # Who may reach the route at all; people must also come from the environment's countries.
    access:
{access}

    # Which models they may use, and how much. A model that no grant names does not exist for a caller.
{grants}

    # How much each principal may use of all models together, and all principals. The guard counts what providers report.
    limits:
      principal: {{requests_per_minute: 60, tokens_per_minute: 200000, tokens_per_day: 2000000}}
      all: {{tokens_per_minute: 2000000}}
"""


@dataclass(frozen=True)
class NewModel:
    """One `--model PUBLIC=PROVIDER/MODEL` with its credential."""

    name: str
    provider: str
    model: str
    credential: str | None
    url: str | None


@dataclass(frozen=True)
class RouteProposal:
    """A new model route, checked with its environment, and the change that writes it."""

    stack: ModelStack
    change: FileChange


def models_from(specs: Sequence[str], credentials: Sequence[str], urls: Sequence[str]) -> tuple[NewModel, ...]:
    """The models that the flags name; raises InputError, by flag, for one that cannot be read."""
    by_model = {"--credential": _by_model("--credential", credentials), "--url": _by_model("--url", urls)}
    models = []
    for spec in specs:
        name, equals, target = spec.partition("=")
        provider, slash, model = target.partition("/")
        if not (name and equals and provider and slash and model):
            raise InputError(f"{spec} is no model", key="--model", remedy="write it such as small=openai/gpt-4o-mini")
        if provider not in get_args(Provider):
            raise InputError(
                f"{provider} is no provider", key="--model", remedy=f"write one of {', '.join(get_args(Provider))}"
            )
        credential, url = (values.get(name, values.get("")) for values in by_model.values())
        models.append(NewModel(name, provider, model, credential, url))
    names = [model.name for model in models]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{repeated} is named twice", key="--model", remedy="give each model a name of its own")
    for flag, values in by_model.items():
        if unknown := next((name for name in values if name and name not in names), None):
            raise InputError(f"{unknown} is no --model", key=flag, remedy=f"name one of {', '.join(names)}")
    return tuple(models)


def _by_model(flag: str, values: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` by name; a value alone, under the empty name, is for every model."""
    by_name: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        alone = not equals or "{" in name or "://" in name
        by_name["" if alone else name] = value if alone else text
    if flag == "--credential":
        for value in by_name.values():
            if not value.startswith("{vault://env/"):
                raise InputError(
                    "is no reference, and a key has no place in a stack file",
                    key=flag,
                    remedy='write "{vault://env/openai-key}" and set OPENAI_KEY where Kong runs, such as "Bearer sk-…"',
                )
    return by_name


def propose_route(
    project: Project,
    environment: EnvironmentStack,
    name: str,
    *,
    models: Sequence[NewModel],
    access: dict[str, Any],
    host: str,
    hostname: str,
    guard_port: int | None,
    grants: Sequence[str],
) -> RouteProposal:
    """Prepare the stack file of a new model route.

    Raises:
        InputErrors: the environment would refuse the file, or its gateway cannot carry a model; nothing is written.
    """
    stack = f"{environment.name}.{name}"
    document = environment.document.value
    provider = document.get("secretsprovider") if isinstance(document, dict) else None
    port = free_guard_port(environment, siblings_of(project, environment)) if guard_port is None else guard_port
    text = _FILE.format(
        schema=SCHEMA_FILE,
        name=name,
        environment=environment.name,
        host=scalar(host),
        hostname=scalar(hostname),
        guard_port=port,
        guard_key=f"{{file: /etc/ringwall/{stack}/guard-key}}",
        models="\n".join(_model(model) for model in models),
        access=block(access, 6),
        grants=_grants(grants),
    ) + (f"secretsprovider: {scalar(provider)}\n" if isinstance(provider, str) else "")
    file = project.stack_file(stack)
    staged = load_staged(project, environment.name, {file: text}, newcomer=name)
    route = staged.models[name]
    if problems := support_problems(route):
        raise InputErrors(problems)
    return RouteProposal(route, FileChange.new(file, text))


def _model(model: NewModel) -> str:
    lines = [
        f"      {_key(model.name)}:",
        "        targets:",
        f"          - provider: {scalar(model.provider)}",
        f"            model: {scalar(model.model)}",
    ]
    if model.credential is not None:
        lines.append(f"            credential: {scalar(model.credential)}")
    header = {"anthropic": "x-api-key", "azure": "api-key", "gemini": "x-goog-api-key"}.get(model.provider)
    if header and model.credential is not None:
        lines.append(f"            credential_header: {header}")
    if model.url is not None:
        lines.append(f"            url: {scalar(model.url)}")
    if model.provider in NEEDED and model.provider in _USUAL:
        lines.append(f"            options: {{{_USUAL[model.provider]}}}")
    return "\n".join(lines)


#: Options without which Kong refuses a provider, where there is a value that fits everybody.
_USUAL = {"anthropic": 'anthropic_version: "2023-06-01"', "mistral": "mistral_format: openai"}


def _key(name: str) -> str:
    """A model's name as a key of YAML: quoted where it holds what YAML reads as something else."""
    text = scalar(name)
    return f'"{name}"' if text == name and (":" in name or name[0].isdigit()) else text


def _grants(patterns: Sequence[str]) -> str:
    if not patterns:
        return "    grants: []"
    return "\n".join(["    grants:", "      - to: {all: true}", f"        models: {inline(list(patterns))}"])


def next_steps(proposal: RouteProposal) -> list[str]:
    """What follows once the file is written: the guard's key, the host's copy of it, the providers' keys, `up`."""
    stack = proposal.stack
    key = leg_of(stack).key
    place = key.file or f"the variable {key.env}"
    variables = sorted(
        {
            target.credential.removeprefix("{vault://env/")
            .removesuffix("}")
            .partition("/")[0]
            .replace("-", "_")
            .upper()
            for model in stack.manifest.models.values()
            for target in model.targets
            if target.credential is not None
        }
    )
    lines = ["\nNext, after a review in Git:"]
    for problem in missing_secrets([stack]):
        lines.append(f"  {(problem.remedy or '').removeprefix('run `').removesuffix('`')}")
    lines.append(f"  pulumi config get {GUARD_KEY} --stack {stack.stack}   # the host keeps it in {place}")
    if variables:
        lines.append(f"  # where Kong runs, set {' and '.join(variables)} to the whole header value")
    return [
        *lines,
        f"  ringwall plan {stack.stack}      # what it will make, offline",
        f"  ringwall up {stack.environment.name}",
        f"  ringwall clients {stack.stack}   # settings for OpenAI's SDKs, LiteLLM and curl",
    ]
