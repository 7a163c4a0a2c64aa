"""Settings that an environment can give once for all its servers: limits, timeouts, circuit breaker, guard.

Every number here is a security control: a server gets it when nobody chose another.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from model.base import Countries, Duration, Hostname, HttpsUrl, Many, Model, Names, Positive, SecretRef
from model.clients import Clients
from model.engines import EmbeddedEngine, Engines
from model.loopback import is_loopback
from model.problems import Wrong
from model.traces import Traces


class Rate(Model):
    """How many calls and tokens a minute one principal may use of one server or tool."""

    requests_per_minute: Positive | None = Field(None, description="Calls a minute.")
    tokens_per_minute: Positive | None = Field(None, description="Request and result tokens a minute.")


class Limits(Model):
    """Defaults suit a person with one agent. The guard refuses at these numbers inside the protocol, so that no client loses
    its session; the gateway cuts off a flood, at four times the requests and the size.

    A principal's tokens bound what one caller, or an agent that is led astray, can carry away in a minute; they let it read
    a file of 1 MB (262 144 tokens) and go on. The server's tokens bound all callers together, four of them at their most.
    """

    requests_per_minute: Positive = Field(60, description="Per principal, by the guard; the gateway stops a flood.")
    requests_per_hour: Positive = Field(1200, description="Per principal, by the guard; the gateway stops a flood.")
    tokens_per_minute: Positive = Field(2_000_000, description="The whole server's budget, counted by the gateway.")
    principal_tokens_per_minute: Positive = Field(500_000, description="Per principal, by the guard.")
    body_kilobytes: Annotated[int, Field(gt=0, le=65536)] = Field(
        1024, description="Request size, by the guard; the gateway stops a flood."
    )
    concurrency: Positive = Field(8, description="Calls in flight per principal, by the guard.")
    tools: dict[str, Rate] = Field({}, description="Per tool and principal, by the guard.")


class Timeouts(Model):
    """How long the guard waits for the origin. `read` is the longest silence on a stream, not the length of a call."""

    connect: Duration = Field("5s", description="Until the guard accepts a connection.")
    write: Duration = Field("60s", description="Longest pause while a request is sent.")
    read: Duration = Field("300s", description="Longest silence of an answer or stream.")


class CircuitBreaker(Model):
    """When the gateway takes a guard out, and when it tries it again.

    Only what the guard alone brings about counts; its server's failures are counted by the guard's own breaker. Neither 429
    nor a verdict ever counts, because on Kong 3.9.3 three refused calls would then close a server for everyone.
    """

    failures: Annotated[int, Field(ge=1, le=255)] = Field(
        5, description="In a row: no connection, a broken one (502), or 503."
    )
    timeouts: Annotated[int, Field(ge=1, le=255)] = Field(
        3, description="Active probes in a row without an answer in 2 s."
    )
    probe_every: Duration = Field("10s", description="Active probe of the guard's /healthz.")
    recover_after: Annotated[int, Field(ge=1, le=255)] = Field(2, description="Good probes before it is used again.")


Verdict = Literal["block", "redact", "flag"]


class LegPolicy(Model):
    """What to do with a finding on each leg. `redact` removes secrets and personal data only."""

    definitions: Literal["block"] = Field(
        "block", description="Tool, prompt and resource definitions, server instructions."
    )
    arguments: Verdict = Field("block", description="Arguments of a call.")
    results: Verdict = Field("block", description="Results of a call.")
    prompts: Verdict = Field("block", description="Prompts the server returns.")
    resources: Verdict = Field("block", description="Resources the server returns.")
    server_requests: Literal["block"] = Field("block", description="Sampling and elicitation.")


class Taint(Model):
    """The toxic flow: a session reads untrusted text in a result and then makes a call that can send data outside."""

    window: Duration = Field("10m", description="How long untrusted text counts.")
    outbound_call: Literal["block", "ask", "allow"] = Field(
        "ask",
        description="What happens to a call that can send data outside during that time. `ask` puts it to the person by "
        "MCP elicitation, and blocks it where the client cannot ask.",
    )


class Questions(Model):
    """What the server may ask of a client beyond a form for the person: nothing that is not named here."""

    include_context: Literal["none", "thisServer", "allServers"] = Field(
        "none",
        description="How much of the conversation sampling may ask the client to give its model: `thisServer` the part with "
        "this server, `allServers` that with every server of the client.",
    )
    url_hosts: Many[Hostname] = Field(
        (), description="Hosts whose https pages elicitation may send the person to (URL mode)."
    )


class Anchor(Model):
    """Where the guard sends the signed head of its audit log. Root on the host can rewrite the log, but not the heads
    that have left the host."""

    url: HttpsUrl = Field(description="Receives each head by POST.")
    protocol: Literal["http", "otlp"] = Field("http", description="JSON, or an OTLP/HTTP log record.")
    token: SecretRef | None = Field(None, description="Bearer token for it, found on the host.")
    every: Duration = Field("60s", description="Longest time between two heads while records are written.")
    records: bool = Field(False, description="otlp: every audit record too, not the heads alone.")


class GuardRedis(Model):
    """Counters that hold across replicas, and taint that holds at every server of the environment with the same Redis.

    A Redis that does not answer refuses calls: no count, and no word about a taint, is never a free pass."""

    url: Annotated[str, StringConstraints(pattern=r"^rediss?://[A-Za-z0-9.:\[\]_-]+(/[0-9]{1,3})?$")] = Field(
        description="redis://host:port/db, or rediss:// (TLS) beyond loopback."
    )
    password: SecretRef | None = Field(None, description="Where the host finds its password.")

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        host = urlsplit(self.url).hostname or ""
        if self.url.startswith("redis://") and not is_loopback(host):
            raise Wrong(f"{host} is beyond loopback, and redis:// is in clear", "write rediss://", ("url",))
        return self


class Guard(Model):
    """The settings of the guard, which is the third ring."""

    engines: Engines = Field(
        Engines.model_construct(embedded=EmbeddedEngine.model_construct()), description="Verdict engines."
    )
    deadline: Duration = Field("5s", description="For all engines together; no verdict in time is a refusal.")
    legs: LegPolicy = Field(LegPolicy.model_construct(), description="What a finding on each leg leads to.")
    taint: Taint = Field(Taint.model_construct(), description="The toxic flow.")
    questions: Questions = Field(
        Questions.model_construct(),
        exclude_if=lambda value: value == Questions(),
        description="What the server may ask of a client.",
    )
    audit_payloads: bool = Field(False, description="Write redacted payloads to the audit log too.")
    audit_anchor: Anchor | None = Field(None, description="Send the audit log's signed head off the host.")
    traces: Traces | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Send a span of each call to a collector of traces (OpenTelemetry).",
    )
    redis: GuardRedis | None = Field(None, description="Counters shared by several replicas of the guard.")


class DefaultAccess(Model):
    """What every server's `access` has unless it says otherwise."""

    clients: Clients | None = Field(
        None, description="As in a server. Servers in oauth mode external do not inherit it."
    )


class ServerDefaults(Model):
    """`defaults` of an environment. A server inherits the keys that are written here and no others."""

    countries: Countries | None = Field(None, description="As in a server.")
    posture: Names | None = Field(None, description="As in a server.")
    session: Duration | None = Field(None, description="As in a server.")
    access: DefaultAccess | None = Field(
        None, exclude_if=lambda value: value is None, description="As in a server; merged key by key."
    )
    limits: Limits | None = Field(None, description="As in a server; merged key by key.")
    timeouts: Timeouts | None = Field(None, description="As in a server; merged key by key.")
    circuit_breaker: CircuitBreaker | None = Field(None, description="As in a server; merged key by key.")
    guard: Guard | None = Field(None, description="As in a server; merged key by key.")
