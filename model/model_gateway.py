"""What the gateway itself does for a model route in edition ai, beside the guard: a cache by meaning, limits and checks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from model.base import Duration, HttpsUrl, Many, Model, Positive, VaultReference
from model.environment import Text
from model.model_target import Amount, ProviderModel
from model.problems import PATTERN_WORDS, Wrong

_FRACTION = r"^0\.[0-9]{1,4}$"
PATTERN_WORDS[_FRACTION] = 'a fraction below 1 in quotes, such as "0.25"'

Fraction = Annotated[str, StringConstraints(pattern=_FRACTION)]
Topic = Annotated[str, StringConstraints(min_length=1, max_length=500)]
#: Kinds that ai-sanitizer knows (schema of 3.15).
PersonalData = Literal[
    "all",
    "all_and_credentials",
    "bank",
    "credentials",
    "creditcard",
    "crypto",
    "custom",
    "date",
    "domain",
    "driverlicense",
    "email",
    "general",
    "ip",
    "medical",
    "nationalid",
    "nrp",
    "passport",
    "phone",
    "ssn",
    "url",
]
#: What a check reads: prompts on their way in, answers on their way out.
CheckedLegs = Annotated[Many[Literal["prompts", "answers"]], Field(min_length=1)]


class VectorSearch(Model):
    """Where the gateway compares texts by meaning: a vector store, and a model that turns texts into vectors."""

    store: Literal["redis", "pgvector"] = Field(description="Vector store.")
    host: Annotated[str, StringConstraints(min_length=1, max_length=350)] = Field(description="Its host name.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="Its port; 6379 for redis and 5432 for pgvector unless given."
    )
    username: VaultReference | None = Field(None, description="Gateway-side reference.")
    password: VaultReference | None = Field(None, description="Gateway-side reference.")
    database: Text | None = Field(None, description="Database of pgvector; kong-pgvector unless given.")
    tls: bool = Field(True, description="Verified TLS to it.")
    embeddings: ProviderModel = Field(description="The model that turns texts into vectors; it reads every prompt.")
    dimensions: Positive = Field(1536, description="Length of its vectors.")


class SemanticCache(VectorSearch):
    """Answers to a request that means the same; edition ai alone (ai-semantic-cache)."""

    threshold: Fraction = Field("0.1", description="Largest distance that still means the same.")
    lifetime: Duration = Field("5m", description="How long an answer is kept.")
    shared: bool = Field(
        False, description="Between principals. Kong can keep it in no other way, so without it the cache is refused."
    )


class GatewayLimits(Model):
    """How much each principal may use of each model, counted by Kong too (ai-rate-limiting-advanced)."""

    tokens_per_minute: Positive | None = Field(None, description="Tokens in any 60 seconds.")
    tokens_per_hour: Positive | None = Field(None, description="Tokens in any hour.")
    tokens_per_day: Positive | None = Field(None, description="Tokens in any 24 hours.")
    cost_per_hour: Amount | None = Field(None, description="Cost in any hour.")
    cost_per_day: Amount | None = Field(None, description="Cost in any 24 hours.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(value for _, value in self):
            raise Wrong("limits nothing", "give tokens or a cost")
        return self

    @property
    def counts_cost(self) -> bool:
        return self.cost_per_hour is not None or self.cost_per_day is not None


class LakeraCheck(Model):
    """Lakera Guard, asked by Kong (ai-lakera-guard); `guard.engines.lakera` is asked by the guard in every edition."""

    api_key: VaultReference | None = Field(None, description="Gateway-side reference; none for a server of your own.")
    project_id: Text | None = Field(None, description="Project whose policy counts.")
    url: HttpsUrl = Field("https://api.lakera.ai/v2/guard", description="Where it is asked.")
    legs: CheckedLegs = Field(("prompts", "answers"), description="What it reads.")
    timeout: Duration = Field("10s", description="No answer in time refuses the request.")


class AirsCheck(Model):
    """Prisma AIRS, asked by Kong (ai-custom-guardrail); `guard.engines.prisma_airs` is asked by the guard."""

    api_key: VaultReference = Field(description="Gateway-side reference.")
    profile: Text = Field(description="Name of the AI security profile.")
    url: HttpsUrl = Field(
        "https://service.api.aisecurity.paloaltonetworks.com/v1/scan/sync/request", description="Where it is asked."
    )
    legs: CheckedLegs = Field(("prompts", "answers"), description="What it reads.")
    timeout: Duration = Field("10s", description="No answer in time refuses the request.")


class TopicCheck(VectorSearch):
    """What prompts may be about, compared by meaning (ai-semantic-prompt-guard)."""

    deny: Many[Topic] = Field((), max_length=100, description="Prompts like these are refused.")
    allow: Many[Topic] = Field((), max_length=100, description="Only prompts like one of these pass.")
    threshold: Fraction = Field("0.5", description="From which similarity on a prompt is like another.")

    @model_validator(mode="after")
    def _topics(self) -> Self:
        if not (self.deny or self.allow):
            raise Wrong("names no topic", "give deny or allow")
        return self


class Sanitizer(Model):
    """Kong's service that takes personal data out of prompts (ai-sanitizer)."""

    url: HttpsUrl = Field(description="Scheme, host and port of the service; https, or http on loopback.")
    anonymize: Many[PersonalData] = Field(
        ("all_and_credentials",), min_length=1, description="Kinds of data, as Kong names them."
    )
    action: Literal["replace", "block"] = Field("replace", description="What is done where it is found.")
    legs: CheckedLegs = Field(("prompts",), description="What it reads.")
    timeout: Duration = Field("10s", description="No answer in time refuses the request.")


class ModelGateway(Model):
    """Limits and checks of Kong's own. A check that fails refuses the request; none takes the place of the guard's."""

    limits: GatewayLimits | None = Field(None, description="Tokens and cost, counted by Kong too.")
    lakera: LakeraCheck | None = Field(None, description="Lakera Guard.")
    prisma_airs: AirsCheck | None = Field(None, description="Prisma AIRS.")
    topics: TopicCheck | None = Field(None, description="What prompts may be about.")
    sanitizer: Sanitizer | None = Field(None, description="Personal data in prompts.")
