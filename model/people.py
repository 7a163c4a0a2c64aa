"""The people whom a manifest admits: by address, domain or group."""

from __future__ import annotations

from pydantic import Field, model_validator

from model.base import Domains, Emails, Model, Names
from model.problems import Wrong


class People(Model):
    """People who may reach the server; any rule admits, countries and posture must hold as well."""

    emails: Emails = Field((), description="Addresses.")
    domains: Domains = Field((), description="Everyone with an address in one of these domains.")
    groups: Names = Field((), description="Keys of the environment's groups.")

    @model_validator(mode="after")
    def _somebody(self) -> People:
        if not (self.emails or self.domains or self.groups):
            raise Wrong("admits nobody", "give emails, domains or groups, or remove the key")
        return self
