"""The base class of every model and the types of their fields. The models themselves stand in the other modules."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from model.countries import ISO_3166_1, country_remedy
from model.errors import InputErrors
from model.loader import Document, Json, KeyPath
from model.loopback import is_loopback as is_loopback
from model.problems import PATTERN_WORDS, Wrong, plain


class Model(BaseModel):
    """Frozen; unknown keys are errors, and no value is coerced from another type.

    A model is compiled when it is first validated, as most commands need few of them. A default that is a model is therefore
    made by `model_construct`, which validates nothing; a test does it in its place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True, defer_build=True)

    def dump(self) -> dict[str, Any]:
        """Plain JSON values, every default written out."""
        return self.model_dump(mode="json", by_alias=True)


_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")


def seconds(duration: str) -> int:
    """``8h``, ``30m``, ``90s`` or ``1h30m`` in whole seconds; raises ValueError."""
    match = _DURATION.fullmatch(duration)
    if not match or not duration:
        raise Wrong("must be a duration", 'write it such as "8h", "30m" or "90s"')
    hours, minutes, remainder = (int(group or 0) for group in match.groups())
    total = hours * 3600 + minutes * 60 + remainder
    if total <= 0:
        raise Wrong("must be longer than zero", 'write it such as "8h", "30m" or "90s"')
    return total


def _duration(value: str) -> str:
    seconds(value)
    return value


_HOSTNAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")


def _hostname(value: str) -> str:
    if not _HOSTNAME.fullmatch(value):
        raise Wrong("must be a full lower-case host name", _hostname_remedy(value))
    return value


def _hostname_remedy(value: str) -> str:
    """The host name that was meant: without a scheme, port, path or wildcard, in lower case."""
    if value.startswith("*"):
        return "wildcards are not possible: write one host name, such as github.example.com"
    host = re.split(r"[/?#:]", value.strip().rpartition("://")[2])[0].rstrip(".").lower()
    return f"write {host if _HOSTNAME.fullmatch(host) else 'it such as github.example.com'}"


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value, strict=True)
    except ValueError:
        raise Wrong(
            "must be an address range in CIDR form, its host bits zero", "write it such as 203.0.113.0/24"
        ) from None
    if network.prefixlen == 0:
        raise Wrong("is the whole internet", "name the ranges it really uses")
    return str(network)


def split_url(value: str) -> SplitResult:
    """The parts of an absolute URL that every reader takes apart alike; raises ValueError.

    `urlsplit` drops line ends and tabs, and browsers take a backslash for a slash (WHATWG URL); both are refused.
    """
    if not re.fullmatch(r"[!-~]+", value) or "\\" in value:
        raise Wrong("holds a character that a URL cannot hold", "percent-encode it")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise Wrong("is not a URL", "correct its host or port") from None
    if port == 0:
        raise Wrong("names port 0", "name the real port")
    if "@" in parts.netloc:
        raise Wrong("holds a user name or password", "remove it; secrets are given by reference")
    if parts.fragment:
        raise Wrong("holds a fragment", "remove it from # on")
    return parts


def _https_url(value: str) -> str:
    parts = split_url(value)
    loopback = parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname)
    if not loopback and (parts.scheme != "https" or not parts.hostname):
        raise Wrong("must be an https URL (http only on loopback)", "write it such as https://login.example.com/path")
    return value


def _country(value: str) -> str:
    if value not in ISO_3166_1:
        raise Wrong("must be an ISO 3166-1 alpha-2 country code in capitals", country_remedy(value))
    return value


def _instant(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", value):
        raise Wrong("must be a moment in UTC as RFC 3339 writes it", 'write it such as "2026-03-01T12:00:00Z"')
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise Wrong("names a day or time that does not exist", 'write it such as "2026-03-01T12:00:00Z"') from None
    return value


T = TypeVar("T")
M = TypeVar("M", bound=Model)


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    distinct: list[T] = []
    for value in values:
        if value in distinct:
            name = value if isinstance(value, str) else "the same entry"
            raise Wrong(f"names {name} twice", "remove one of the two")
        distinct.append(value)
    return values


#: A name that becomes part of Pulumi, Cloudflare and Kong names.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
Hostname = Annotated[str, AfterValidator(_hostname)]
Country = Annotated[str, AfterValidator(_country)]
Network = Annotated[str, AfterValidator(_network)]
Duration = Annotated[str, AfterValidator(_duration)]
Instant = Annotated[str, AfterValidator(_instant)]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
Port = Annotated[int, Field(ge=1024, le=65535)]
CloudflareId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s\"]+@[a-z0-9.-]+\.[a-z]{2,}$", max_length=254)]
Domain = Annotated[str, AfterValidator(_hostname)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f]*$")]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$")]
Positive = Annotated[int, Field(gt=0, le=2**31 - 1)]
#: A gateway-side reference, resolved by Kong from its own environment (OSS has the env vault only).
VaultReference = Annotated[str, StringConstraints(pattern=r"^\{vault://env/[a-z0-9][a-z0-9-]*(/[A-Za-z0-9_-]+)?\}$")]


PATTERN_WORDS.update(
    {
        r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$": "lower-case letters, digits and -, at most 40, a letter first",
        r"^[0-9a-f]{32}$": "32 lower-case hexadecimal digits",
        r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$": "a UUID in lower case",
        r"^[^@\s\"]+@[a-z0-9.-]+\.[a-z]{2,}$": "an e-mail address, its domain in lower case",
        r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of an environment variable",
        r"^/[^\x00-\x1f]*$": "an absolute path",
        r"^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$": "a URL path such as /mcp",
        r"^\{vault://env/[a-z0-9][a-z0-9-]*(/[A-Za-z0-9_-]+)?\}$": 'a reference such as "{vault://env/log-token}"',
    }
)

#: A list in the file, an immutable tuple without repeats in the model.
Many = Annotated[tuple[T, ...], Field(strict=False), AfterValidator(_unique)]
#: A list in which order counts and repeats are meant, such as a command line.
Words = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(strict=False)]
Names = Many[Name]
Countries = Many[Country]
Networks = Many[Network]
Emails = Many[Email]
Domains = Many[Domain]


class SecretRef(Model):
    """Where the origin host finds a secret: an environment variable or a file. Never the secret itself."""

    env: EnvName | None = Field(None, description="Name of an environment variable on the host.")
    file: AbsolutePath | None = Field(None, description="File on the host.")

    @model_validator(mode="after")
    def _exactly_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise Wrong("must have exactly one of env and file", "write {env: NAME} or {file: /path}")
        return self


def validate(model: type[M], value: Json, document: Document, below: KeyPath) -> M:
    """Build `model` from `value`, which stands at `below` in `document`.

    Raises:
        InputErrors: one line per problem, each with file, line, key and what to do.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InputErrors(plain(error, model, document, below)) from None


def _no_lookalike(value: object) -> object:
    """A number as text, which a literal `true` does not match: pydantic takes 1 for true, as Python holds them equal."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _no_truth(value: object) -> object:
    """True, false and fractions as text, which a literal 1 does not match, for the same reason."""
    return str(value) if isinstance(value, bool | float) else value


Version1 = Annotated[Literal[1], BeforeValidator(_no_truth)]
Yes = Annotated[Literal[True], BeforeValidator(_no_lookalike)]
