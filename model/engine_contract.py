"""The contract between the guard and a verdict engine of the user's own: what is asked, and what may be answered.

`ringwall schema verdict-request` and `verdict-answer` print these as JSON Schema. Both sides pass over members that they do
not know, so that either may be newer; the guard is strict about every member that stands here (`guard.engines.contract`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints

from model.base import Model

VERSION: Final = 1

Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _./:-]{0,99}$")]


class _OpenModel(Model):
    """Unknown members are passed over, as the other side may be newer."""

    model_config = ConfigDict(extra="ignore")


class VerdictText(_OpenModel):
    """A string of the message."""

    pointer: str = Field(
        description="Where it stands in the message (JSON pointer); one that ends in # means a member's name."
    )
    text: str = Field(description="The string, or a part of a long one. What was encoded stands here decoded.")


class VerdictPrincipal(_OpenModel):
    """Who called, without a name."""

    kind: Literal["person", "agent"] | None = Field(description="null where the guard asks on its own account.")
    hash: str | None = Field(description="The same for every call of one principal; null where nobody called.")


class VerdictRequest(_OpenModel):
    """What the guard sends by POST, as `application/json`, for each piece of a message."""

    version: Literal[1] = Field(description="Version of the contract.")
    id: Id = Field(description="Of this request alone; the answer returns it.")
    incident: Id = Field(description="The exchange, as the guard's audit log names it.")
    leg: Literal["definitions", "arguments", "results", "prompts", "resources", "server_requests"] = Field(
        description="The part of the conversation, as in `guard.legs`."
    )
    direction: Literal["to_server", "to_client"] = Field(description="Where the message goes.")
    server: str = Field(description="The server, as ENV.SERVER.")
    method: str = Field(description="MCP method.")
    name: str = Field(description="Tool, prompt or resource URI; empty where the method names none.")
    principal: VerdictPrincipal = Field(description="Who called.")
    part: Annotated[int, Field(ge=1)] = Field(description="Number of this piece.")
    parts: Annotated[int, Field(ge=1)] = Field(description="Number of pieces of the message.")
    texts: Annotated[tuple[VerdictText, ...], Field(strict=False)] = Field(
        description="What to judge, in the message's order."
    )
    value: Any = Field(
        None, description="The message part as JSON, numbers too; absent where it is too long for one request."
    )


class VerdictFinding(_OpenModel):
    """A reason for a verdict."""

    category: Literal[
        "injection",
        "jailbreak",
        "tool_poisoning",
        "secret",
        "personal_data",
        "malicious_url",
        "toxic",
        "malicious_code",
        "hidden_text",
        "policy",
    ] = Field(
        description="What it is about. injection, jailbreak, tool_poisoning and hidden_text taint the caller. "
        "secret and personal_data can be redacted."
    )
    label: Label = Field(description="Your name for it. An exception and the audit log call it http.LABEL.")
    pointer: str | None = Field(None, description="The text it is in, by a pointer of the request.")
    words: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        None, description="The exact words, wherever they stand; what redaction cuts out."
    )
    confidence: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="From 0 to 1.")


class VerdictAnswer(_OpenModel):
    """What the service answers, with status 200 and `application/json`."""

    version: Literal[1] = Field(description="Version of the contract.")
    id: Id = Field(description="The `id` of the request.")
    verdict: Literal["allow", "flag", "block"] = Field(
        description="allow: no findings. flag: findings that are recorded, may taint, and stop nothing. "
        "block: the leg's policy decides."
    )
    findings: Annotated[tuple[VerdictFinding, ...], Field(strict=False, max_length=100)] = Field(
        (), description="Required for flag; none beside allow."
    )
    complete: Literal[True] = Field(
        True, description="Anything but true says that not all of the text was judged, which is no verdict."
    )
    reference: Label | None = Field(None, description="Your id of the scan, for the audit log.")
