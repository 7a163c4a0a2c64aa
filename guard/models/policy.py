"""The policy of a model route: one configuration compiled once, never changed, and replaced as a whole by the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from components.gateway.flood import flood_kilobytes
from guard.decide.counters import Counters
from guard.decide.grants import PrincipalFacts
from guard.decide.term import NO_END, Term
from guard.http.http_rules import PublicNames, hostnames_of
from guard.identity.principal import Principal
from guard.identity.verifier import Verifier
from guard.inspect.exceptions import Exceptions
from guard.inspect.inspection import Inspector
from guard.inspect.panel import Panel, build_panel
from guard.models.budgets import ModelBudgets
from guard.models.inspection import CleanParts, PartInspector
from model.model_guard_config import InnerModel, ModelGuardConfig

CACHED_PRINCIPALS = 4096


@dataclass(frozen=True, slots=True)
class GrantedModel:
    """A model that a principal may use, and the numbers of the grants that give it."""

    model: InnerModel
    grants: tuple[int, ...]


class ModelPolicy:
    """The compiled configuration. `previous` is the policy before: its issuers' keys are taken over.

    Raises:
        InputError: a secret cannot be read; nothing of the configuration is in force then.
    """

    def __init__(
        self,
        config: ModelGuardConfig,
        *,
        sha256: str,
        sequence: int,
        denied: frozenset[str],
        term: Term = NO_END,
        client: httpx.AsyncClient,
        counters: Counters,
        previous: ModelPolicy | None = None,
    ) -> None:
        self.config = config
        self.sha256 = sha256
        self.sequence = sequence
        self.denied = denied
        self.term = term
        self.server = f"{config.server.environment}.{config.server.name}"
        self.body_limit = config.limits.body_kilobytes * 1024
        #: Where a body is not read on; in between the refusal says what the limit is.
        self.body_end = flood_kilobytes(config.limits.body_kilobytes) * 1024
        identity = config.identity
        self.verifier: Verifier = Verifier(
            identity, client, path=config.path, previous=previous.verifier if previous else None
        )
        self.names = PublicNames(hostnames_of(identity), config.browser_origins, loopback=identity.demo is not None)
        self.behind_gateway = identity.demo is None
        self.extra = frozenset(config.guard.extra_parameters)
        self.budgets = ModelBudgets(config, counters)
        self.panel: Panel = build_panel(config)
        inspector = Inspector(self.panel, config.guard.legs, self.server, Exceptions(config.guard.exceptions))
        self.inspector = PartInspector(inspector, CleanParts())
        self._models = {model.name: model for model in config.models}
        self._facts = [PrincipalFacts(grant.to) for grant in config.grants]
        self._granted: OrderedDict[int, tuple[Principal, Mapping[str, GrantedModel]]] = OrderedDict()

    def granted(self, principal: Principal) -> Mapping[str, GrantedModel]:
        """The models that a principal may use, by public name; no other exists for it.

        Cached by the object's `id()`. The cache holds the object, so that no other object can get its id.
        """
        cached = self._granted.get(id(principal))
        if cached is not None and cached[0] is principal:
            return cached[1]
        numbers = self.applying(principal)
        models = {
            name: GrantedModel(model, giving)
            for name, model in self._models.items()
            if (giving := tuple(number for number in numbers if name in self.config.grants[number].models))
        }
        self._granted[id(principal)] = (principal, models)
        if len(self._granted) > CACHED_PRINCIPALS:
            self._granted.popitem(last=False)
        return models

    def applying(self, principal: Principal) -> tuple[int, ...]:
        """The numbers of the grants to a principal."""
        return tuple(number for number, facts in enumerate(self._facts) if facts.match(principal))

    async def close(self) -> None:
        await self.panel.close()
