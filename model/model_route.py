"""The model route's stack file: one OpenAI-compatible endpoint, who may use which model behind it, and for how much.

A route stands behind the same four rings as a server. Its origin is the gateway's own AI proxy (see `model.server` for a
server's file, whose access and sign-in are the same).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WrapSerializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from model.base import (
    Countries,
    Duration,
    Hostname,
    Many,
    Model,
    Name,
    Names,
    Port,
    Positive,
    SecretRef,
    UrlPath,
    Version1,
)
from model.defaults import Anchor, CircuitBreaker, GuardRedis, Timeouts, Verdict
from model.engines import EmbeddedEngine, Engines
from model.environment import Logs
from model.finding_exceptions import ModelFindingException
from model.front_door import ADMIN_PORT_OFFSET, check_front_door
from model.lockdown import Lockdown
from model.model_gateway import GatewayLimits, ModelGateway, SemanticCache
from model.model_target import Amount as Amount
from model.model_target import ModelName as ModelName
from model.model_target import ModelTarget as ModelTarget
from model.name_patterns import matches_any
from model.problems import Wrong
from model.server import Access, Cors, Grantees, OAuth, Pattern
from model.traces import Traces
from model.waivers import Waiver

ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
#: What a model answers: chat completions, responses or embeddings of the OpenAI API.
ModelKind = Literal["chat", "responses", "embeddings"]


class Price(Model):
    """What a model costs per million tokens, in the route's one currency."""

    input: Amount = Field(description="Per million input tokens.")
    output: Amount = Field("0", description="Per million output tokens.")


class RoutedModel(Model):
    """A model under its public name. Names that no route lists do not exist."""

    kinds: Many[ModelKind] = Field(("chat",), min_length=1, description="What it answers.")
    targets: Many[ModelTarget] = Field(min_length=1, description="Where it is.")
    price: Price | None = Field(None, description="What it costs; needed where a budget counts cost.")
    max_output_tokens: Positive | None = Field(
        None, description="Most output tokens of one answer; a request for more is refused."
    )


class ModelBudget(Model):
    """How much may be used in a time. Input and output count; cost is counted by the models' prices."""

    requests_per_minute: Positive | None = Field(None, description="Requests a minute.")
    requests_per_hour: Positive | None = Field(None, description="Requests an hour.")
    requests_per_day: Positive | None = Field(None, description="Requests a day.")
    tokens_per_minute: Positive | None = Field(None, description="Tokens a minute.")
    tokens_per_hour: Positive | None = Field(None, description="Tokens an hour.")
    tokens_per_day: Positive | None = Field(None, description="Tokens a day.")
    cost_per_hour: Amount | None = Field(None, description="Cost an hour.")
    cost_per_day: Amount | None = Field(None, description="Cost a day.")

    @property
    def counts_tokens(self) -> bool:
        return any((self.tokens_per_minute, self.tokens_per_hour, self.tokens_per_day))

    @property
    def counts_cost(self) -> bool:
        return self.cost_per_hour is not None or self.cost_per_day is not None


class ModelLimits(Model):
    """Limits of a route. The guard counts them; the gateway cuts off floods, as it does before a server."""

    principal: ModelBudget = Field(
        ModelBudget.model_construct(requests_per_minute=60, tokens_per_minute=200_000, tokens_per_day=2_000_000),
        description="Of each principal, for all models together.",
    )
    all: ModelBudget = Field(
        ModelBudget.model_construct(tokens_per_minute=2_000_000), description="Of all principals together."
    )
    body_kilobytes: Annotated[int, Field(gt=0, le=65536)] = Field(1024, description="Request size.")
    concurrency: Positive = Field(8, description="Requests in flight per principal.")


class ModelGrant(Model):
    """Which models some principals may use. A model that no grant names does not exist for a caller."""

    to: Grantees = Field(description="To whom.")
    models: Many[Pattern] = Field(min_length=1, description="Public model names, or patterns with * and ?.")
    budget: ModelBudget = Field(
        ModelBudget.model_construct(),
        description="Of each of these principals and for these models; tighter than limits.principal.",
    )


class PromptPolicy(Model):
    """What every prompt must be like; Kong enforces it with ai-prompt-decorator and ai-prompt-guard."""

    system: Annotated[str, StringConstraints(min_length=1, max_length=4000)] | None = Field(
        None, description="System message put before every conversation."
    )
    deny: Many[Annotated[str, StringConstraints(min_length=1, max_length=500)]] = Field(
        (), max_length=10, description="Regular expressions (PCRE) that no user message may match."
    )
    allow: Many[Annotated[str, StringConstraints(min_length=1, max_length=500)]] = Field(
        (), max_length=10, description="Regular expressions of which every conversation must match one."
    )


class ExactCache(Model):
    """Answers to an identical request with temperature 0, kept by the guard."""

    lifetime: Duration = Field("5m", description="How long an answer is kept.")
    shared: bool = Field(
        False, description="Between principals that are granted the model; without it each has its own."
    )


class ModelCache(Model):
    exact: ExactCache | None = Field(None, description="The guard's cache.")
    semantic: SemanticCache | None = Field(None, description="The gateway's cache, in edition ai.")


class ModelLegs(Model):
    """What to do with a finding on each leg. `redact` removes secrets and personal data only."""

    prompts: Verdict = Field("block", description="Messages that people and agents send.")
    tool_results: Verdict = Field("block", description="Tool results inside the messages.")
    definitions: Verdict = Field("block", description="Tool definitions that a request offers the model.")
    answers: Verdict = Field("block", description="What the model answers.")
    tool_calls: Verdict = Field("block", description="Arguments of the tool calls that it asks for.")


class ModelTaint(Model):
    """The toxic flow in one conversation: the model reads untrusted text in a tool result, and then asks for a tool call."""

    tool_calls: Literal["block", "allow"] = Field(
        "block",
        description="What happens to tool calls that the model asks for in a conversation with a tool result that tries to "
        "steer it, where that passed: its leg flags, or an exception without `action: allow` covers it.",
    )


class ModelGuard(Model):
    """The guard's settings of one route."""

    engines: Engines = Field(
        Engines.model_construct(embedded=EmbeddedEngine.model_construct()),
        description="Verdict engines, as before a server.",
    )
    deadline: Duration = Field("5s", description="For all engines together; no verdict in time is a refusal.")
    legs: ModelLegs = Field(ModelLegs.model_construct(), description="What a finding on each leg leads to.")
    taint: ModelTaint = Field(
        ModelTaint.model_construct(), exclude_if=lambda value: value == ModelTaint(), description="The toxic flow."
    )
    hold_back: Annotated[int, Field(ge=64, le=65536)] = Field(
        1024, description="Characters of a stream that wait for their verdict before they are sent."
    )
    extra_parameters: Many[ParameterName] = Field(
        (), description="Further members of a request that pass to the provider, inspected as prompts are."
    )
    audit_payloads: bool = Field(False, description="Write redacted payloads to the audit log too.")
    audit_anchor: Anchor | None = Field(None, description="Send the audit log's signed head off the host.")
    traces: Traces | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Send a span of each request to a collector of traces (OpenTelemetry).",
    )
    redis: GuardRedis | None = Field(None, description="Counters shared by several replicas of the guard.")
    exceptions: Many[ModelFindingException] = Field(
        (), description="Findings that do not block, each for one model and rule."
    )


class GuardLeg(NamedTuple):
    """The guard of a route, where Kong finds it, and the key by which it enters the inner routes."""

    settings: ModelGuard
    port: int
    key: SecretRef


class _WordNone:
    """`none` in the file is None here. An empty key is refused: it reads as if something were forgotten."""

    @classmethod
    def read(cls, value: object) -> object:
        if value is None:
            raise Wrong("is empty", "write the guard's settings, {} for its defaults, or none")
        if value != "none" and not isinstance(value, dict | ModelGuard):
            raise Wrong("must be the guard's settings", "write them as key: value lines, or none for no guard")
        return None if value == "none" else value

    @classmethod
    def write(cls, value: ModelGuard | None, handler: SerializerFunctionWrapHandler) -> Any:
        return "none" if value is None else handler(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        settings, _ = handler(schema)["anyOf"]
        return {"anyOf": [settings, {"const": "none"}]}


OptionalGuard = Annotated[
    ModelGuard | None, _WordNone, BeforeValidator(_WordNone.read), WrapSerializer(_WordNone.write)
]


class ModelRoute(Model):
    """`ringwall:model` of `Pulumi.<env>.<name>.yaml`."""

    version: Version1 = Field(description="Format of this manifest.")
    host: Name = Field(description="A key of the environment's hosts.")
    hostname: Hostname = Field(description="Public name, inside the environment's zone.")
    path: UrlPath = Field("/v1", description="Public path below which the endpoint's own paths stand.")
    guard_port: Port | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Loopback port of this route's guard; needed unless it has none.",
    )
    guard_admin_port: Port | None = Field(
        None, description="Loopback port of the guard's /readyz and /metrics; guard_port + 1000 unless given."
    )
    guard_key: SecretRef | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Where the host finds the key by which the guard enters the inner route; needed unless it has none.",
    )
    models: dict[ModelName, RoutedModel] = Field(min_length=1, description="Models by public name.")
    oauth: OAuth = Field(OAuth.model_construct(), description="The one OAuth front door.")
    access: Access = Field(description="Who may reach it.")
    session: Duration = Field("8h", description="How long a sign-in lasts.")
    posture: Names = Field(
        (), description="Posture rules people's devices must pass: keys of the environment's posture."
    )
    countries: Countries | None = Field(None, description="From where people may come; else the environment's.")
    grants: Many[ModelGrant] = Field((), description="Which models they may use.")
    limits: ModelLimits = Field(ModelLimits.model_construct(), description="How much they may use.")
    prompt_policy: PromptPolicy = Field(PromptPolicy.model_construct(), description="What every prompt must be like.")
    cache: ModelCache = Field(ModelCache.model_construct(), description="Answers that are kept.")
    gateway: ModelGateway = Field(
        ModelGateway.model_construct(),
        description="What Kong itself does in edition ai, beside the guard or without one.",
    )
    timeouts: Timeouts = Field(Timeouts.model_construct(), description="Waiting for the provider.")
    circuit_breaker: CircuitBreaker = Field(
        CircuitBreaker.model_construct(), description="When the gateway stops sending."
    )
    guard: OptionalGuard = Field(
        ModelGuard.model_construct(),
        description="The guard's settings; or `none`, in edition ai: Kong alone stands before the models.",
    )
    cors: Cors | None = Field(None, description="Browser clients.")
    logs: Logs = Field(Logs.model_construct(), description="Sinks of its own, of a kind its environment does not use.")
    lockdown: Lockdown | None = Field(
        None, description="Closed to everyone in every ring while this is here; `ringwall lockdown` writes it."
    )
    waivers: Many[Waiver] = Field(
        (), exclude=True, description="Exceptions from `ringwall check`'s rules in this stack."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_guard_leg()
        check_front_door(self)
        if self.oauth.tool_claim is not None:
            raise Wrong("belongs to servers: a model route has no tools", "remove it", ("oauth", "tool_claim"))
        # What Kong cuts off a flood by, and what ends a runaway loop: a route without them would have no limit.
        if self.limits.principal.requests_per_minute is None:
            raise Wrong("has no requests_per_minute", "add it: it bounds a flood", ("limits", "principal"))
        if self.guard is not None and not self.limits.all.counts_tokens:
            raise Wrong(
                "counts no tokens", "add tokens_per_minute, tokens_per_hour or tokens_per_day", ("limits", "all")
            )
        return self

    @model_validator(mode="after")
    def _costs_are_known(self) -> Self:
        """A budget of cost with an unpriced model would be a budget that nothing uses up."""
        budgets: list[tuple[tuple[str, ...], ModelBudget | GatewayLimits]] = [
            (("limits", "principal"), self.limits.principal),
            (("limits", "all"), self.limits.all),
        ]
        if self.gateway.limits is not None:
            budgets.append((("gateway", "limits"), self.gateway.limits))
        budgets += [(("grants", str(index), "budget"), grant.budget) for index, grant in enumerate(self.grants)]
        unpriced = sorted(name for name, model in self.models.items() if model.price is None)
        for path, budget in budgets:
            if budget.counts_cost and unpriced:
                raise Wrong(f"counts cost, and {unpriced[0]} has no price", "give every model a price", path)
        return self

    def _check_guard_leg(self) -> None:
        """Raise Wrong where the keys of the guard's own leg stand without it, or it without them."""
        for key in ("guard_port", "guard_key", "guard_admin_port"):
            value = getattr(self, key)
            if self.guard is None and value is not None:
                raise Wrong("belongs to a guard, and this route has none", "remove it", (key,))
            if self.guard is not None and value is None and key != "guard_admin_port":
                raise Wrong("a required key is missing", "add it", (key,))

    @property
    def leg(self) -> GuardLeg | None:
        """None for a route without a guard."""
        if self.guard is None or self.guard_port is None or self.guard_key is None:
            return None
        return GuardLeg(self.guard, self.guard_port, self.guard_key)

    @property
    def admin_port(self) -> int | None:
        """Where the guard's /readyz and /metrics are; None without one."""
        if self.guard_port is None or self.guard_admin_port is not None:
            return self.guard_admin_port
        return self.guard_port + ADMIN_PORT_OFFSET

    @property
    def grantees(self) -> tuple[Grantees, ...]:
        """To whom each grant applies, in order."""
        return tuple(grant.to for grant in self.grants)

    @property
    def hostnames(self) -> dict[str, str | None]:
        """Every public name, each with the hosted client it belongs to (None: everyone else)."""
        names: dict[str, str | None] = {self.hostname: None}
        names.update({hosted.hostname: client for client, hosted in sorted(self.access.hosted_clients.items())})
        return names


def granted_models(manifest: ModelRoute) -> set[str]:
    """The models that at least one grant opens to somebody."""
    return {name for name in manifest.models if any(matches_any(grant.models, name) for grant in manifest.grants)}


def per_million(price: Amount) -> Decimal:
    """An amount as an exact number."""
    return Decimal(price)


def bound_name(target: ModelTarget) -> Literal["max_completion_tokens", "max_tokens"]:
    """The member by which the provider bounds an answer: OpenAI renamed it, and refuses the old name for new models; what
    only speaks its format, and what Kong translates to other formats, knows the old one."""
    renamed = target.provider in ("openai", "azure") and target.url is None
    return "max_completion_tokens" if renamed else "max_tokens"
