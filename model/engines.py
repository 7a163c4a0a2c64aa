"""The verdict engines that a stack file can name, with the settings of each."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from model.base import AbsolutePath, HttpsUrl, Model, SecretRef, Yes
from model.problems import PATTERN_WORDS, Wrong

_GUARDRAIL = r"^([a-z0-9]+|arn:aws(-[^:/]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)$"
_TEMPLATE = r"^projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/templates/[A-Za-z0-9_-]+$"
PATTERN_WORDS[_GUARDRAIL] = "a guardrail's id such as abc123def456, or its ARN"
PATTERN_WORDS[_TEMPLATE] = "projects/PROJECT/locations/LOCATION/templates/TEMPLATE"


def _absent(value: object) -> bool:
    """Whether an engine stays out of what is written, so that files and digests of before it stay as they are."""
    return value is None


class EmbeddedEngine(Model):
    """The guard's own rules: no account and no network; they miss most paraphrased injections."""

    enabled: Yes = Field(True, description="Always true; `embedded: {}` is enough.")


class LocalModelEngine(Model):
    """A small classifier on the guard's host: it flags and taints, and never blocks. It needs `ringwall[model]`."""

    sensitivity: Literal["low", "medium", "high"] = Field(
        "medium", description="Its maker's presets: how sure it is of an injection before it says so."
    )
    characters: Annotated[int, Field(ge=1000, le=200_000)] = Field(
        20_000, description="Characters of one text that it reads; some 25 ms of processor time for each 900."
    )


class VerdictService(Model):
    """An engine that the guard asks over HTTP."""

    #: How messages name the engine, and its secret.
    title: ClassVar[str]
    secret_title: ClassVar[str]

    @property
    def address(self) -> str:
        """The URL that the guard needs to reach."""
        raise NotImplementedError

    @property
    def secret(self) -> SecretRef | None:
        """Where the host finds what proves to the service who asks; None where it asks for nothing."""
        raise NotImplementedError


class _KeyedService(VerdictService):
    """A vendor's service at an address of the user's choice, opened by a key."""

    base_url: HttpsUrl
    api_key: SecretRef = Field(description="Where the host finds the key.")

    @property
    def address(self) -> str:
        return self.base_url

    @property
    def secret(self) -> SecretRef | None:
        return self.api_key


class LakeraEngine(_KeyedService):
    """Lakera Guard v2. A project is required: the vendor calls its default policy too strict for production."""

    title = "Lakera Guard"
    secret_title = "API key"  # noqa: S105 - its name, not the secret

    base_url: HttpsUrl = Field("https://api.lakera.ai", description="Decides the region that processes the text.")
    project_id: Annotated[str, StringConstraints(pattern=r"^project-[A-Za-z0-9_-]+$")] = Field(
        description="Project whose policy decides."
    )


class PrismaAirsEngine(_KeyedService):
    """Prisma AIRS API intercept."""

    title = "Prisma AIRS"
    secret_title = "API key"  # noqa: S105 - its name, not the secret

    base_url: HttpsUrl = Field(
        "https://service.api.aisecurity.paloaltonetworks.com", description="Decides the region that processes the text."
    )
    profile_name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="Security profile that decides."
    )
    block_on: Literal["action", "category"] = Field(
        "category", description="The profile's action may be allow for malicious content."
    )


class BedrockEngine(_KeyedService):
    """Amazon Bedrock Guardrails. A guardrail needs its filter of prompt attacks switched on to find injections."""

    title = "Bedrock Guardrails"
    secret_title = "API key"  # noqa: S105 - its name, not the secret

    base_url: HttpsUrl = Field(
        description="`https://bedrock-runtime.REGION.amazonaws.com`; decides the region that processes the text."
    )
    guardrail: Annotated[str, StringConstraints(pattern=_GUARDRAIL, max_length=2048)] = Field(
        description="Id or ARN of the guardrail that decides."
    )
    guardrail_version: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,7}|DRAFT)$")] = Field(
        description="Its version; DRAFT changes without any difference in this file."
    )
    block_on: Literal["action", "detection"] = Field(
        "detection", description="detection: what a policy only reports blocks too."
    )


class ModelArmorEngine(VerdictService):
    """Google Cloud Model Armor. Its access token ends after an hour, so its file must be renewed."""

    title = "Model Armor"
    secret_title = "token"  # noqa: S105 - its name, not the secret

    base_url: HttpsUrl = Field(
        description="`https://modelarmor.LOCATION.rep.googleapis.com`; decides the region that processes the text."
    )
    template: Annotated[str, StringConstraints(pattern=_TEMPLATE)] = Field(
        description="`projects/PROJECT/locations/LOCATION/templates/TEMPLATE` that decides."
    )
    token: SecretRef = Field(description="File on the host that holds the access token; read for every request.")

    @model_validator(mode="after")
    def _renewed(self) -> Self:
        if self.token.file is None:
            raise Wrong(
                "an access token of Google ends after an hour, and a variable cannot be renewed",
                "write {file: /path}, and renew that file",
                ("token",),
            )
        return self

    @property
    def address(self) -> str:
        return self.base_url

    @property
    def secret(self) -> SecretRef | None:
        return self.token


class AzureContentSafetyEngine(_KeyedService):
    """Azure AI Content Safety, Prompt Shields: finds attacks, and no personal data, secrets or addresses."""

    title = "Azure AI Content Safety"
    secret_title = "API key"  # noqa: S105 - its name, not the secret

    base_url: HttpsUrl = Field(
        description="`https://NAME.cognitiveservices.azure.com`; decides the region that processes the text."
    )


class ContractEngine(VerdictService):
    """A classifier or policy server of your own, by the contract in docs/reference/engine-contract.md."""

    title = "HTTP engine"
    secret_title = "token"  # noqa: S105 - its name, not the secret

    url: HttpsUrl = Field(description="Receives each text by POST; https beyond loopback.")
    token: SecretRef | None = Field(None, description="Bearer token for it, found on the host.")
    ca_file: AbsolutePath | None = Field(
        None, description="Certificates on the host; the only authority that may vouch for its TLS."
    )
    piece: Annotated[int, Field(ge=1000, le=200_000)] = Field(
        20_000, description="Characters that one request holds at most; longer texts are cut, with an overlap."
    )

    @model_validator(mode="after")
    def _certificates_have_a_use(self) -> Self:
        if self.ca_file and not self.url.startswith("https:"):
            raise Wrong("is for https, and the url is http", "remove it, or write an https url", ("ca_file",))
        return self

    @property
    def address(self) -> str:
        return self.url

    @property
    def secret(self) -> SecretRef | None:
        return self.token


class Engines(Model):
    """The verdict engines, at least one. A single block decides, whatever the others answer."""

    embedded: EmbeddedEngine | None = Field(None, description="The guard's own rules.")
    lakera: LakeraEngine | None = Field(None, description="Lakera Guard.")
    prisma_airs: PrismaAirsEngine | None = Field(None, description="Prisma AIRS.")
    bedrock: BedrockEngine | None = Field(None, exclude_if=_absent, description="Amazon Bedrock Guardrails.")
    model_armor: ModelArmorEngine | None = Field(None, exclude_if=_absent, description="Google Cloud Model Armor.")
    azure_content_safety: AzureContentSafetyEngine | None = Field(
        None, exclude_if=_absent, description="Azure AI Content Safety."
    )
    http: ContractEngine | None = Field(
        None, exclude_if=_absent, description="A classifier or policy server of your own."
    )

    model: LocalModelEngine | None = Field(
        None, exclude_if=_absent, description="A small classifier on the guard's host."
    )

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.names:
            raise Wrong("names no engine", f"give embedded, {', '.join(_BLOCKING[:-1])} or {_BLOCKING[-1]}")
        if self.names == ("model",):
            raise Wrong("names no engine that blocks: model only flags and taints", "give embedded: {} beside it")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def services(self) -> tuple[VerdictService, ...]:
        """The engines that are asked over the network, in their order."""
        engines = (getattr(self, name) for name in self.names)
        return tuple(engine for engine in engines if isinstance(engine, VerdictService))


#: Engines whose findings only a guard at work learns. Their rules begin with the engine's name.
VENDORS: Final = tuple(name for name in Engines.model_fields if name != "embedded")
_BLOCKING: Final = tuple(name for name in VENDORS if name != "model")
