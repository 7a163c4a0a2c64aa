"""The zone stack file: country blocks in the zone's own firewall, which runs before any login."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from model.base import CloudflareId, Countries, Domain, Hostname, HttpsUrl, Many, Model, Version1
from model.problems import Wrong
from model.waivers import Waiver

Text = Annotated[str, StringConstraints(min_length=1)]


class ZoneCloudflare(Model):
    """The zone. The API token is never here, as in an environment."""

    zone: Domain = Field(description="Zone name, such as example.com.")
    zone_id: CloudflareId = Field(description="Zone id, 32 hexadecimal digits.")
    api: HttpsUrl = Field("https://api.cloudflare.com/client/v4", description="API base URL.")


class Skip(Model):
    """What a kept `skip` rule leaves out."""

    ruleset: Literal["current"] | None = Field(None, description="The rest of this entry point.")
    phases: Many[Text] = Field((), description="These phases.")
    products: Many[Text] = Field((), description="These products.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.ruleset or self.phases or self.products):
            raise Wrong("skips nothing", "give ruleset, phases or products")
        return self


class Response(Model):
    """What a kept `block` rule answers instead of Cloudflare's own page."""

    status_code: Annotated[int, Field(ge=400, le=499)] = Field(description="HTTP status.")
    content: str = Field(description="Body.")
    content_type: Text = Field(description="Content type of the body.")


class KeptRule(Model):
    """A rule that was in the entry point before Ringwall, kept as it is and before Ringwall's own."""

    ref: Text = Field(description="Its stable reference, unique in the ruleset.")
    description: str = Field("", description="Its description.")
    expression: Text = Field(description="When it matches, in the Rules language.")
    action: Literal["block", "challenge", "js_challenge", "managed_challenge", "skip", "log"] = Field(
        description="What it does."
    )
    enabled: bool = Field(True, description="Whether it is on.")
    skip: Skip | None = Field(None, description="action skip: what it skips.")
    response: Response | None = Field(None, description="action block: its own answer.")
    logging: bool | None = Field(None, description="action skip: whether matches are logged.")

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        if (self.action == "skip") != (self.skip is not None):
            raise Wrong("needs action skip and the key skip together", "give both, or neither")
        if self.response is not None and self.action != "block":
            raise Wrong("belongs to action block", "remove it", ("response",))
        if self.logging is not None and self.action != "skip":
            raise Wrong("belongs to action skip", "remove it", ("logging",))
        return self


class CountryRule(Model):
    """Blocks requests for some host names from everywhere but some countries."""

    hostnames: Many[Hostname] = Field(min_length=1, description="Only these: never the rest of the zone.")
    countries: Countries = Field(min_length=1, description="From where requests may come.")


class Zone(Model):
    """`ringwall:zone` of `Pulumi.zone.<name>.yaml`.

    A zone has one entry point for custom rules, usually there already: name it to take it over, with the rules it has.
    Taking over changes nothing, so it is a step of its own: `keep` first, `rules` once it is imported.
    """

    version: Version1 = Field(description="Format of this manifest.")
    cloudflare: ZoneCloudflare
    existing_ruleset: CloudflareId | None = Field(None, description="Id of the zone's entry point to import.")
    ruleset_name: Text = Field("default", description="Its name; a changed name replaces the whole ruleset.")
    keep: Many[KeptRule] = Field((), description="Rules it has already, in their order.")
    rules: Many[CountryRule] = Field((), description="May be missing only while an existing ruleset is taken over.")
    # Not part of what is deployed: an exception changes no configuration and no digest.
    waivers: Many[Waiver] = Field(
        (), exclude=True, description="Exceptions from `ringwall check`'s rules in this stack."
    )

    @model_validator(mode="after")
    def _scoped(self) -> Self:
        hostnames: set[str] = set()
        for rule in self.rules:
            for hostname in rule.hostnames:
                if not hostname.endswith("." + self.cloudflare.zone):
                    raise Wrong(
                        f"{hostname} is outside the zone {self.cloudflare.zone}",
                        f"use names that end in .{self.cloudflare.zone}",
                        ("rules",),
                    )
                if hostname in hostnames:
                    raise Wrong(f"{hostname} is in two rules", "name it once", ("rules",))
                hostnames.add(hostname)
        refs = [rule.ref for rule in self.keep]
        if len(set(refs)) != len(refs):
            raise Wrong("two kept rules have the same ref", "give each its own", ("keep",))
        if self.keep and self.existing_ruleset is None:
            raise Wrong("belongs to existing_ruleset", "give its id, or remove keep", ("keep",))
        if not self.rules and self.existing_ruleset is None:
            raise Wrong("has no rules", "add rules, or existing_ruleset to take one over")
        return self
