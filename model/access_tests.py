"""The access tests of a project: who may and who may never use what, asserted in `tests/NAME.access.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from model.base import Country, Many, Model, Name, Version1
from model.problems import PATTERN_WORDS, Wrong

_PRINCIPAL = r"^(person|agent|outsider):[^\s]+$"
_SERVER = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?\.[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
PATTERN_WORDS[_PRINCIPAL] = "person:EMAIL, agent:NAME or outsider:EMAIL"
PATTERN_WORDS[_SERVER] = "the stack of a server or model route, such as dev.tickets"

EntryName = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class AccessCase(Model):
    """One assertion for one principal and one server or model route. Each tool, prompt, resource and model of it is asserted
    by itself."""

    principal: Annotated[str, StringConstraints(pattern=_PRINCIPAL, max_length=260)] = Field(
        description="person:EMAIL or agent:NAME; outsider:EMAIL is somebody whom no file names."
    )
    groups: Many[EntryName] = Field(
        (), description="Groups the person is in, as the environment or the identity provider names them."
    )
    through: Name | None = Field(None, description="A hosted client, by whose front door the person comes.")
    country: Country | None = Field(None, description="Where the request comes from; else from a country that may.")
    address: EntryName | None = Field(None, description="The address it comes from; else from one that may.")
    server: Annotated[str, StringConstraints(pattern=_SERVER)] = Field(
        description="Stack of the server or model route."
    )
    tools: Many[EntryName] = Field((), description="Exact names of locked tools.")
    prompts: Many[EntryName] = Field((), description="Exact names of locked prompts.")
    resources: Many[EntryName] = Field((), description="URIs that a locked resource or template stands for.")
    models: Many[EntryName] = Field((), description="Public names of models of a model route.")
    arguments: dict[str, Any] | None = Field(
        None,
        description="Arguments of the one tool or prompt, or the request to the one model; without them, whatever they are.",
    )
    reason: EntryName | None = Field(None, description="Why it must be so; shown when it is not.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        named = (*self.tools, *self.prompts, *self.models)
        if not (named or self.resources):
            raise Wrong("asks for nothing", "give tools, prompts or resources, or models of a model route")
        if self.arguments is not None and (len(named) != 1 or self.resources):
            raise Wrong("belongs to exactly one tool, prompt or model", "give each its own entry", ("arguments",))
        return self


Cases = Annotated[tuple[AccessCase, ...], Field(strict=False)]


class AccessTests(Model):
    """One file of access tests."""

    version: Version1 = Field(description="Format of this file.")
    may: Cases = Field((), description="What must be allowed.")
    may_never: Cases = Field((), description="What must be refused, whatever the request's country or device is.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.may or self.may_never):
            raise Wrong("asserts nothing", "give may or may_never")
        return self
