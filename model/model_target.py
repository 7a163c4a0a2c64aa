"""A model at a provider, as a model route's stack file names it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from model.base import HttpsUrl, Model, VaultReference
from model.problems import PATTERN_WORDS

_PRICE = r"^[0-9]{1,6}(\.[0-9]{1,6})?$"
_MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$"
PATTERN_WORDS[_PRICE] = 'an amount in quotes, such as "0.40"'
PATTERN_WORDS[_MODEL_NAME] = "letters, digits and . _ : / -, at most 128, a letter or digit first"

#: Money as text: a number would pass through binary fractions. The currency is the route's own, the same everywhere.
Amount = Annotated[str, StringConstraints(pattern=_PRICE)]
ModelName = Annotated[str, StringConstraints(pattern=_MODEL_NAME)]
Provider = Literal["openai", "azure", "anthropic", "mistral", "cohere", "gemini", "bedrock", "llama2"]


class ProviderModel(Model):
    """One model at one provider. The credential stays with Kong: neither the guard nor a caller ever holds it."""

    provider: Provider = Field(description="Whose API it is; openai for everything that speaks OpenAI's format.")
    model: ModelName = Field(description="The provider's own name of the model.")
    credential: VaultReference | None = Field(
        None,
        description="Gateway-side reference to the whole header value, such as `Bearer …`; none for a provider without.",
    )
    credential_header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] = Field(
        "Authorization", description="Header that carries it: `api-key` at Azure, `x-api-key` at Anthropic."
    )
    url: HttpsUrl | None = Field(None, description="Full URL of the endpoint, instead of the provider's own.")
    options: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")], str] = Field(
        {}, description="Further options of Kong's ai-proxy for this provider, such as azure_instance."
    )


class ModelTarget(ProviderModel):
    """One of the places that a model's prompts go to."""

    weight: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="Share of the traffic among targets of one order."
    )
    order: Annotated[int, Field(ge=1, le=8)] = Field(
        1, description="Lower is tried first; a higher one takes over on failure."
    )
