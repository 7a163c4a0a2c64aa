"""What a principal may use. Nothing is granted unless a grant that names the principal names it: the default is no."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from guard.decide.resource_uris import is_plain_template, is_plain_uri
from guard.identity.principal import Principal
from model.guard_config import GuardConfig, IdpClaim, Principals, ResolvedGrant
from model.patterns import Matcher, compile_globs
from model.schemas import Checker, compile_schema

CACHED_PRINCIPALS = 4096
#: Where tokens keep custom claims: at the top (external issuers), or below these (Cloudflare Access: `custom` in the token;
#: `oidc_fields` and `saml_attributes` in its get-identity document).
_CLAIM_HOLDERS = ("custom", "oidc_fields", "saml_attributes")


@dataclass(frozen=True, slots=True)
class ToolRight:
    """The right to call one tool. Limits are a minute's, per principal and tool; None leaves only the server's."""

    name: str
    constraints: tuple[Checker, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def check(self, arguments: Any) -> str | None:
        """None if a grant allows these arguments, else what the last grant asked misses (place and keyword, no values)."""
        said: str | None = None
        for constraint in self.constraints:
            said = constraint(arguments)
            if said is None:
                return None
        return said


@dataclass(frozen=True, slots=True)
class Rights:
    """Everything one principal may use of this server, by exact name; resources by URI."""

    tools: Mapping[str, ToolRight]
    prompts: frozenset[str]
    _resources: Matcher

    def resource(self, uri: str) -> bool:
        """Whether this URI may be read. A URI that two readers could take for different ones never may."""
        return is_plain_uri(uri) and self._resources(uri)

    def template(self, uri_template: str) -> bool:
        """Whether this URI template may be seen. Reading goes by the URI, not by the template it came from."""
        return is_plain_template(uri_template) and self._resources(uri_template)


class Grants:
    """All grants of a configuration, compiled.

    Raises:
        ValueError: an argument constraint is no schema that can be enforced.
    """

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._grants = config.grants
        self._facts = tuple(_Facts(grant.to) for grant in config.grants)
        self._checkers = [_checkers(grant, index) for index, grant in enumerate(config.grants)]
        self._by_grants: dict[tuple[int, ...], Rights] = {}
        self._seen: OrderedDict[int, tuple[Principal, Rights]] = OrderedDict()

    def rights(self, principal: Principal) -> Rights:
        """What `principal` may use. The same object is answered from memory, which holds it: its id stays its own."""
        seen = self._seen.get(id(principal))
        if seen is not None and seen[0] is principal:
            return seen[1]
        matching = tuple(index for index, facts in enumerate(self._facts) if facts.match(principal))
        rights = self._by_grants.get(matching)
        if rights is None:
            rights = self._by_grants[matching] = self._combine(matching)
            if len(self._by_grants) > CACHED_PRINCIPALS:
                self._by_grants.pop(next(iter(self._by_grants)))
        self._seen[id(principal)] = (principal, rights)
        if len(self._seen) > CACHED_PRINCIPALS:
            self._seen.popitem(last=False)
        return rights

    def _combine(self, matching: tuple[int, ...]) -> Rights:
        grants = [self._grants[index] for index in matching]
        names = sorted({name for grant in grants for name in grant.tools})
        patterns = tuple(sorted({pattern for grant in grants for pattern in grant.resources}))
        return Rights(
            tools={name: self._right(name, matching) for name in names},
            prompts=frozenset(name for grant in grants for name in grant.prompts),
            _resources=compile_globs(patterns),
        )

    def _right(self, name: str, matching: tuple[int, ...]) -> ToolRight:
        giving = [index for index in matching if name in self._grants[index].tools]
        checkers = [self._checkers[index].get(name) for index in giving]
        limits = [self._grants[index].limits for index in giving]
        server = self._config.limits.tools.get(name)
        return ToolRight(
            name=name,
            # One grant without a constraint allows every argument, whatever the others ask.
            constraints=() if None in checkers else tuple(item for item in checkers if item is not None),
            requests_per_minute=_limit(
                (rate.requests_per_minute for rate in limits), server.requests_per_minute if server else None
            ),
            tokens_per_minute=_limit(
                (rate.tokens_per_minute for rate in limits), server.tokens_per_minute if server else None
            ),
        )


def _limit(granted: Iterable[int | None], server: int | None) -> int | None:
    """The most generous grant's, and never above the server's; None is no limit."""
    values = list(granted)
    best = None if None in values else max(value for value in values if value is not None)
    return server if best is None else best if server is None else min(best, server)


def _checkers(grant: ResolvedGrant, index: int) -> dict[str, Checker]:
    found: dict[str, Checker] = {}
    for tool, schema in grant.arguments.items():
        try:
            found[tool] = compile_schema(schema, strict=True)
        except ValueError as error:
            raise ValueError(f"grants.{index}.arguments.{tool}: {error}; correct the schema") from None
    return found


class _Facts:
    """To whom one grant applies, ready to be compared."""

    def __init__(self, to: Principals) -> None:
        self._all = to.all is not None
        self._emails = frozenset(email.lower() for email in to.emails)
        self._domains = frozenset(domain.lower() for domain in to.domains)
        self._groups = to.idp_groups
        self._agents = frozenset(to.agents)
        self._hosted = frozenset(to.hosted_clients)

    def match(self, principal: Principal) -> bool:
        """Whoever comes through a hosted client's front door has that client's grants and no others: what the vendor's
        cloud may do in a person's name is decided apart from what the person may do."""
        if self._all:
            return True
        if principal.hosted_client is not None:
            return principal.hosted_client in self._hosted
        if principal.kind == "agent":
            return principal.agent in self._agents
        email = (principal.email or "").lower()
        if email in self._emails or (email.count("@") == 1 and email.partition("@")[2] in self._domains):
            return True
        return any(in_group(principal.claims, group) for group in self._groups)


def in_group(claims: Mapping[str, Any], group: IdpClaim) -> bool:
    """Whether verified claims name the group: a string, or a list of strings or of objects with id, name or email.

    Access tokens do not say which identity provider signed a person in, so equal group names of two providers of one
    environment are one group here; only declared providers can sign anyone in.
    """
    name = group.claim or "groups"
    holders = [claims, *(claims[key] for key in _CLAIM_HOLDERS if isinstance(claims.get(key), dict))]
    return any(_names(holder[name], group.group) for holder in holders if name in holder)


def _names(value: Any, wanted: str) -> bool:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item == wanted:
            return True
        if isinstance(item, dict) and wanted in (item.get("id"), item.get("name"), item.get("email")):
            return True
    return False
