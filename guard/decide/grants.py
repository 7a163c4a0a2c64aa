"""The grants: which tools, prompts and resources a principal may use, and with which arguments.

The default is no: a principal may use only what a grant that applies to it names. Whether the lock admits a definition
is decided in `guard.decide.pins`.
"""

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
#: The claims below which Cloudflare Access keeps custom claims: `custom` in its token, `oidc_fields` and `saml_attributes`
#: in its get-identity document. External issuers keep them at the top of the token.
_CLAIM_HOLDERS = ("custom", "oidc_fields", "saml_attributes")


@dataclass(frozen=True, slots=True)
class ToolRight:
    """The right to call one tool. Its limits are per principal, tool and minute; None is no such limit."""

    name: str
    constraints: tuple[Checker, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def check(self, arguments: Any) -> str | None:
        """None if a grant allows these arguments, else the constraint of the last grant that they break.

        The text has the place and the schema's keyword, and no values.
        """
        misfit: str | None = None
        for constraint in self.constraints:
            misfit = constraint(arguments)
            if misfit is None:
                return None
        return misfit


@dataclass(frozen=True, slots=True)
class Rights:
    """Everything one principal may use of this server, by exact name; resources by URI."""

    tools: Mapping[str, ToolRight]
    prompts: frozenset[str]
    _resources: Matcher

    def resource(self, uri: str) -> bool:
        """Whether this URI may be read. A URI that two readers could understand differently never may."""
        return is_plain_uri(uri) and self._resources(uri)

    def covers(self, kind: str, key: str) -> bool:
        """Whether a definition of this kind may be shown."""
        if kind in ("tools", "prompts"):
            return key in (self.tools if kind == "tools" else self.prompts)
        return self.resource(key) if kind == "resources" else self.template(key)

    def template(self, uri_template: str) -> bool:
        """Whether this URI template may be listed. Reading is judged by the URI, not by the template it came from."""
        return is_plain_template(uri_template) and self._resources(uri_template)


class Grants:
    """All grants of a configuration, compiled.

    Raises:
        ValueError: an argument constraint is not a schema that can be enforced.
    """

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._grants = config.grants
        self._facts = tuple(PrincipalFacts(grant.to) for grant in config.grants)
        self._checkers = [_checkers(grant, index) for index, grant in enumerate(config.grants)]
        self._resources = [compile_globs(grant.resources) for grant in config.grants]
        self._by_grants: dict[tuple[int, ...], Rights] = {}
        self._cached: OrderedDict[int, tuple[Principal, Rights]] = OrderedDict()

    def rights(self, principal: Principal) -> Rights:
        """What `principal` may use.

        Rights are cached by the object's `id()`. The cache holds the object, so that no other object can get its id.
        """
        cached = self._cached.get(id(principal))
        if cached is not None and cached[0] is principal:
            return cached[1]
        matching = self.applying(principal)
        rights = self._by_grants.get(matching)
        if rights is None:
            rights = self._by_grants[matching] = self._combine(matching)
            if len(self._by_grants) > CACHED_PRINCIPALS:
                self._by_grants.pop(next(iter(self._by_grants)))
        self._cached[id(principal)] = (principal, rights)
        if len(self._cached) > CACHED_PRINCIPALS:
            self._cached.popitem(last=False)
        return rights

    def deciding_groups(self, principal: Principal, section: str | None, name: str) -> list[str]:
        """The principal's groups by which a grant of this tool, prompt or resource applies; without a section, any grant."""
        groups: dict[str, None] = {}
        for facts, grant, resources in zip(self._facts, self._grants, self._resources, strict=True):
            if not grant.to.idp_groups or not facts.match(principal) or principal.hosted_client is not None:
                continue
            granted = {"tools": grant.tools, "prompts": grant.prompts}.get(section or "")
            if section is None or (name in granted if granted is not None else resources(name)):
                groups |= dict.fromkeys(item.group for item in grant.to.idp_groups if in_group(principal.claims, item))
        return sorted(groups)

    def applying(self, principal: Principal) -> tuple[int, ...]:
        """The numbers of the grants that apply to `principal`, in the order of the stack file."""
        return tuple(index for index, facts in enumerate(self._facts) if facts.match(principal))

    def everything(self) -> Rights:
        """What anybody at all may use."""
        return self._combine(tuple(range(len(self._grants))))

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
            # A grant without a constraint allows every argument, whatever the constraints of further grants.
            constraints=() if None in checkers else tuple(item for item in checkers if item is not None),
            requests_per_minute=_limit(
                (rate.requests_per_minute for rate in limits), server.requests_per_minute if server else None
            ),
            tokens_per_minute=_limit(
                (rate.tokens_per_minute for rate in limits), server.tokens_per_minute if server else None
            ),
        )


def _limit(granted: Iterable[int | None], server: int | None) -> int | None:
    """The limit of the most generous grant, but never above the server's own; None is no limit."""
    values = list(granted)
    best = None if None in values else max(value for value in values if value is not None)
    return server if best is None else best if server is None else min(best, server)


def _checkers(grant: ResolvedGrant, index: int) -> dict[str, Checker]:
    checkers: dict[str, Checker] = {}
    for tool, schema in grant.arguments.items():
        try:
            checkers[tool] = compile_schema(schema, strict=True)
        except ValueError as error:
            raise ValueError(f"grants.{index}.arguments.{tool}: {error}; correct the schema") from None
    return checkers


class PrincipalFacts:
    """The principals that one grant applies to, in a form that is fast to compare with."""

    def __init__(self, principals: Principals) -> None:
        self._all = principals.all is not None
        self._emails = frozenset(email.lower() for email in principals.emails)
        self._domains = frozenset(domain.lower() for domain in principals.domains)
        self._groups = principals.idp_groups
        self._agents = frozenset(principals.agents)
        self._hosted = frozenset(principals.hosted_clients)

    def match(self, principal: Principal) -> bool:
        """Whether the grant applies to `principal`.

        A person who comes through a hosted client's front door has that client's grants and no others: what the vendor's
        cloud may do in a person's name is granted apart from what the person may do.
        """
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

    Access tokens do not say which identity provider signed a person in. So where an environment declares several, the
    files are refused unless each group of a grant has a claim of its provider's own (`model.cross_checks`); only declared
    providers can sign anyone in.
    """
    name = group.claim or "groups"
    holders = [claims, *(claims[key] for key in _CLAIM_HOLDERS if isinstance(claims.get(key), dict))]
    return any(_names(holder[name], group.group) for holder in holders if name in holder)


def _names(value: Any, group: str) -> bool:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item == group:
            return True
        if isinstance(item, dict) and group in (item.get("id"), item.get("name"), item.get("email")):
            return True
    return False
