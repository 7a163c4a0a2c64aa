"""The MCP portal of an environment: one public name at Cloudflare under which several servers are offered together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from model.base import Countries, Duration, Hostname, Model, Name, Names
from model.clients import Clients
from model.people import People
from model.problems import Wrong

#: Where a portal takes its users back after they signed in to a server (Cloudflare One docs, MCP server portals,
#: "Portal callback URL").
CALLBACK_PATH = "/servers-callback"
#: Where a portal's name leads. The API makes no record (there, "Configure via Terraform").
PORTAL_TARGET = "gateway.agents.cloudflare.com"


def _kind(value: Any) -> str:
    return "all" if isinstance(value, str) else "names"


#: `all`, or a list of names. The kind decides by which of the two a mistake is judged.
Published = Annotated[
    Annotated[Literal["all"], Tag("all")] | Annotated[Annotated[Names, Field(min_length=1)], Tag("names")],
    Discriminator(_kind),
]


class Portal(Model):
    """A Cloudflare MCP server portal. The servers' own names stay as they are, with policies of their own."""

    hostname: Hostname = Field(description="Public name of the portal, inside the zone.")
    servers: Published = Field(description="Names of the servers that it offers, or all.")
    people: People | None = Field(None, description="Who may sign in to it. Each server also asks for its own people.")
    agents: Names = Field((), description="Agents that may call through it; they reach the servers of `shared` alone.")
    shared: dict[Name, Name] = Field(
        {},
        description="Server to agent: the portal calls this server as that agent, whoever uses it. The server's guard "
        "then sees the agent and not the person. Servers not named here are called as the person who signed in.",
    )
    countries: Countries = Field((), description="From where people may come; the environment's unless written here.")
    posture: Names = Field((), description="Posture rules that people's devices must pass.")
    session: Duration = Field("8h", description="How long a sign-in lasts.")
    clients: Clients | None = Field(
        None,
        description="Clients that may register themselves to sign people in. Without it, those on people's machines.",
    )
    # Written as a word, because off without quotes is false to many YAML readers.
    code_mode: Literal["opt_in", "default_on", "enforced"] | None = Field(
        None, description="Whether clients may run code that calls the tools. Without it, nobody may."
    )

    @field_validator("code_mode", mode="before")
    @classmethod
    def _off_is_not_written(cls, value: Any) -> Any:
        if value is False or value == "off":
            raise Wrong("is off where it is not written", "remove it")
        return value

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.people or self.agents):
            raise Wrong("admits nobody", "give people or agents")
        if self.agents and not self.shared:
            raise Wrong(
                "an agent has no sign-in that the portal could carry on to a server",
                "name in shared the servers that the portal calls as an agent of their own, or remove agents",
                ("agents",),
            )
        if self.servers != "all":
            for server in self.shared:
                if server not in self.servers:
                    raise Wrong(f"{server} is not in servers", "add it there, or remove it", ("shared", server))
        return self

    @property
    def url(self) -> str:
        """What clients are given (Cloudflare One docs, MCP server portals, "Connect to a portal")."""
        return f"https://{self.hostname}/mcp"

    def publishes(self, server: str) -> bool:
        return self.servers == "all" or server in self.servers

    def published(self, servers: Iterable[str]) -> list[str]:
        """Those of the given servers that it offers, sorted."""
        return sorted(server for server in servers if self.publishes(server))

    def callback_for(self, server: str) -> str | None:
        """The redirect URI that the portal registers at a server's own name; None for a server that it calls as an agent."""
        if not self.publishes(server) or server in self.shared:
            return None
        return f"https://{self.hostname}{CALLBACK_PATH}"
