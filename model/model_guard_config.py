"""The guard's configuration of one model route: what `guard.models` enforces. `model.guard_config` has a server's."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from model.base import Hostname, HttpsUrl, Many, Model, Port, Positive, SecretRef, UrlPath, Version1
from model.defaults import GuardRedis, Timeouts
from model.guard_config import Audit, Identity, Listen, Principals, ServerName
from model.model_route import ExactCache, ModelBudget, ModelGuard, ModelKind, ModelLimits, ModelName, Price
from model.problems import Wrong


class InnerModel(Model):
    """A model as the guard knows it: where Kong's inner route for it is, and what it costs."""

    name: ModelName = Field(description="Public name.")
    kinds: Many[ModelKind] = Field(description="What it answers.")
    #: The Host by which Kong finds the inner route: one route and service a model (Kong 3.9 refuses another model's name).
    inner_host: Hostname = Field(description="Host name of the inner route.")
    provider_model: ModelName = Field(description="The name that the inner route asks for.")
    price: Price | None = Field(None, description="What it costs.")
    max_output_tokens: Positive | None = Field(None, description="Most output tokens of one answer.")
    #: OpenAI renamed it, and each provider knows one of the two names.
    bound: Literal["max_completion_tokens", "max_tokens"] = Field(
        "max_completion_tokens", description="The member of a chat completion that bounds the answer."
    )


class ModelRight(Model):
    """A grant with its patterns replaced by the models they match."""

    to: Principals = Field(description="To whom.")
    models: Many[ModelName] = Field(description="Exact public names.")
    budget: ModelBudget = Field(
        ModelBudget.model_construct(), description="Of each of these principals and for these models."
    )


class InnerGateway(Model):
    """Kong on loopback, as the guard reaches it."""

    url: HttpsUrl = Field(description="Kong's proxy port on loopback, such as http://127.0.0.1:8000.")
    key_header: str = Field("x-ringwall-key", description="Header that carries the guard's key.")
    key: SecretRef = Field(description="Where the host finds the key.")
    #: The gateway counts by it, and takes it off before the provider.
    principal_header: str | None = Field(
        None, description="Header with a digest of the principal, where the gateway counts too."
    )


class ModelGuardConfig(Model):
    """What `ringwall guard run` enforces for one model route."""

    version: Version1 = Field(description="Format of this document.")
    model_route: ServerName = Field(description="Whose guard this is.")
    listen: Listen = Field(description="Where the gateway reaches it.")
    path: UrlPath = Field(description="Path below which the endpoint's own paths stand.")
    browser_origins: Many[HttpsUrl] = Field((), description="Other `Origin` values that may call, from cors.")
    admin_port: Port | None = Field(None, description="Loopback port of /readyz and /metrics.")
    redis: GuardRedis | None = Field(None, description="Shared counters for several replicas of this guard.")
    inner: InnerGateway = Field(description="Kong's inner routes.")
    models: Many[InnerModel] = Field(min_length=1, description="Every model of the route.")
    identity: Identity = Field(description="Whose tokens count.")
    grants: Many[ModelRight] = Field((), description="Who may use which model.")
    limits: ModelLimits = Field(description="How much.")
    cache: ExactCache | None = Field(None, description="Answers that the guard keeps.")
    timeouts: Timeouts = Field(Timeouts.model_construct(), description="Waiting for the inner route.")
    guard: ModelGuard = Field(description="Engines, legs and exceptions.")
    audit: Audit = Field(description="The audit log.")

    @property
    def server(self) -> ServerName:
        """The stack's name, under the name that a server's configuration has for it."""
        return self.model_route

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = [model.name for model in self.models]
        for index, model in enumerate(self.models):
            if model.name in names[:index]:
                raise Wrong(f"names {model.name} twice", "remove one", ("models", str(index), "name"))
        for index, grant in enumerate(self.grants):
            for name in grant.models:
                if name not in names:
                    raise Wrong(f"{name} is none of the models", "name one of models", ("grants", str(index), "models"))
        return self
