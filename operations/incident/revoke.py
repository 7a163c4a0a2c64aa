"""`ringwall revoke`: one principal denied at every server of an environment, or let in again, at the edge and the guards.

The gateway has no part in it: it knows issuers, not principals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.state import outputs
from engine.workspace import Target
from model.errors import EngineFailed, EngineMissing, InputError, NoSuchStack, RingwallError
from model.guard_bundle import AnyGuardConfig, GuardBundle
from model.project import Project
from model.stacks import EnvironmentStack, has_guard
from model.text import visible
from operations.guard_bundle.delivery import (
    Delivered,
    Guards,
    deployed_config,
    last_bundle,
    prove,
    warn_without_bundle,
    write_bundle,
)
from operations.journal import Operation
from wire.cloudflare import TOKEN_VARIABLE, AccessUser, CloudflareApi, token_from_environment

_PERSON = re.compile(r"[^\x00-\x20\x7f]{1,256}")
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class RevocationSubject:
    """The principal to revoke: an agent by name, or a person by e-mail address, by the `sub` of their tokens, or by both."""

    text: str
    agent: str | None = None
    email: str | None = None
    sub: str | None = None


def read_principal(text: str, sub: str | None) -> RevocationSubject:
    """The principal that the command line names; raises `InputError` for all but person:EMAIL, person:SUB and agent:NAME."""
    kind, _, name = text.partition(":")
    if kind == "agent" and _NAME.fullmatch(name) and sub is None:
        return RevocationSubject(text, agent=name)
    if kind == "person" and _PERSON.fullmatch(name) and (sub is None or _PERSON.fullmatch(sub)):
        if "@" in name:
            return RevocationSubject(text, email=name, sub=sub)
        if sub is None:
            return RevocationSubject(text, sub=name)
    remedy = "write person:EMAIL (with or without --sub), person:SUB or agent:NAME"
    if not kind.startswith(("person", "agent")) and "@" in text and _PERSON.fullmatch(text):
        remedy = f"write person:{text}"
    problem = f"{text} names no principal" if sub is None else f"{text} does not go with --sub"
    raise InputError(problem, key="PRINCIPAL", remedy=remedy)


def planned_steps(environment: EnvironmentStack, subject: RevocationSubject, *, lift: bool) -> list[dict[str, str]]:
    """What will be done, in the order in which it is done."""
    if subject.agent:
        edge = f"{'enable' if lift else 'disable'} the service token of {subject.text}"
    else:
        edge = "nothing" if lift else f"end every Access session of {subject.text} in this account"
    guard = f"a bundle that {'no longer denies' if lift else 'denies'} {subject.text}"
    stacks = [member.stack for member in environment.perimeters if has_guard(member)]
    steps = [{"stack": environment.name, "ring": "edge", "text": edge}]
    guards = [{"stack": stack, "ring": "guard", "text": guard} for stack in stacks]
    return [*guards, *steps] if lift else [*steps, *guards]


@dataclass
class Revocation:
    """The revocation of one principal: edge first, then guards. With `lift` it is let in again, guards first."""

    project: Project
    environment: EnvironmentStack
    subject: RevocationSubject
    operation: Operation
    guards: Guards
    lift: bool
    target: Target
    #: The subs by which guards know the person, as far as they were found, and those of them that Access gave.
    _ids: set[str] = field(default_factory=set)
    _access_ids: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Do every step. A problem becomes a failed step; none keeps the next step from being tried."""
        if self.subject.sub:
            self._ids.add(self.subject.sub)
        edge = self._agent_at_edge if self.subject.agent else self._person_at_edge
        if self.lift:
            if not self.subject.agent and self.target.sandbox_folder is None:
                self._find_ids()
            self._at_guards()
            edge()
        else:
            edge()
            self._at_gateway()
            self._at_guards()

    def _at_gateway(self) -> None:
        """Say that the gateway does nothing, so that nobody takes silence for a ring that holds."""
        text = "nothing is done there: the gateway knows issuers, not principals, so a token passes it until it expires"
        self.operation.step(self.environment.name, "gateway", "left", text)

    # -- edge ---------------------------------------------------------------------------------------------------------

    def _person_at_edge(self) -> None:
        if self.lift:
            self._edge("left", "may sign in again as the stack files and the identity provider have it")
            return
        self._call(self._end_sessions)

    def _end_sessions(self, api: CloudflareApi) -> str:
        email = self.subject.email
        text = "their Access sessions are ended"
        if email is not None:
            # The sessions end before anything is looked up, as that needs the address alone.
            api.revoke_user(email)
            try:
                user = self._find(api)
            except RingwallError as error:
                return f"{text}; what guards know them by could not be looked up: {error}"
        else:
            user = self._find(api)
            if user is None:
                raise InputError(
                    f"Access knows nobody of that sub, so {self.subject.text} has no address to end sessions by"
                )
            api.revoke_user(user.email)
        return f"{text}; to guards they are {_listed(user.ids)}" if user else text

    def _find(self, api: CloudflareApi) -> AccessUser | None:
        """Look the person up at Access, and keep the ids that it knows them by."""
        user = api.find_user(email=self.subject.email, sub=None if self.subject.email else self.subject.sub)
        if user is not None:
            self._access_ids = set(user.ids)
            self._ids |= self._access_ids
        return user

    def _find_ids(self) -> None:
        """Look up the ids by which a revocation denied the person; a step is reported only where that fails."""
        consequence = "so guards may go on denying them by another sub"
        token = token_from_environment()
        if token is None:
            self._edge("waiting", f"what Access knows them by was not looked up, {consequence}; set {TOKEN_VARIABLE}")
            return
        try:
            with CloudflareApi(self.environment.settings.cloudflare, token) as api:
                self._find(api)
        except RingwallError as error:
            self._edge(
                "failed", f"what Access knows them by is not known, {consequence}: {' '.join(str(error).split())}"
            )

    def _agent_at_edge(self) -> None:
        word = "enabled" if self.lift else "disabled"

        def work(api: CloudflareApi) -> str:
            clients = self._client_ids()
            for client in sorted(clients):
                api.set_service_token(client, enabled=self.lift)
            return f"its service token is {word}"

        self._call(work)

    def _client_ids(self) -> set[str]:
        """The agent's client ids, from the deployed environment, or else from the bundles in the folder."""
        agent = str(self.subject.agent)
        try:
            contract = outputs(self.project, self.environment.name, target=self.target).get("contract")
            client = contract["agents"][agent] if isinstance(contract, dict) else None
            if isinstance(client, str):
                return {client}
        except (EngineFailed, EngineMissing, KeyError, TypeError) as error:
            # In an incident the backend may be out of reach. The bundles hold the same ids.
            self.operation.progress.note(
                f"warning: {self.environment.name}: the deployed client id cannot be read ({error})"
            )
        ids: set[str] = set()
        for bundle in self._bundles().values():
            ids |= _clients(bundle.config, agent)
        if not ids:
            raise InputError(
                f"neither the deployed environment nor a bundle here says what client id {agent} has",
                remedy=f"see `ringwall agents show {self.environment.name} {agent}`, and disable it in the dashboard",
            )
        return ids

    def _call(self, work: Callable[[CloudflareApi], str]) -> None:
        token = token_from_environment()
        if self.target.sandbox_folder is not None:
            self._edge("left", "the sandbox has no sessions and no tokens in use")
        elif token is None:
            self._edge("waiting", f"nothing was changed; set {TOKEN_VARIABLE} and run this again")
        else:

            def called() -> str:
                with CloudflareApi(self.environment.settings.cloudflare, token) as api:
                    return work(api)

            self.operation.attempt(self.environment.name, "edge", called, failed="not done")

    def _edge(self, state: Any, text: str) -> None:
        self.operation.step(self.environment.name, "edge", state, text)

    # -- guards -------------------------------------------------------------------------------------------------------

    def _at_guards(self) -> None:
        word = "let in again" if self.lift else "denied"
        for member in self.environment.perimeters:
            if not has_guard(member):
                self.operation.step(member.stack, "guard", "left", "it has none: the edge alone keeps callers out")
        stacks = [member.stack for member in self.environment.perimeters if has_guard(member)]
        if self.guards.key is None:
            option = "--allow" if self.lift else "--deny"
            names = sorted(f"person:{sub}" for sub in self._ids) or [self.subject.text]
            options = " ".join(f"{option} {name}" for name in names)
            for stack in stacks:
                text = f"not {word}: run this again with --key, or `ringwall guard bundle {stack} --key FILE {options}`"
                self.operation.step(stack, "guard", "waiting", text)
            return
        if self.subject.agent is None and not self._ids:
            text = f"not {word}: which sub they have is not known; give --sub as the guards' audit logs have it"
            for stack in stacks:
                self.operation.step(stack, "guard", "failed", text)
            return
        written = [(stack, self._sign(stack, word)) for stack in stacks]
        for stack, bundle in written:
            if bundle is not None:
                prove(self.operation, self.guards, stack, bundle, word)

    def _sign(self, stack: str, word: str) -> Delivered | None:
        """Sign the last bundle again with another deny list, so that no other change of the configuration comes with it."""
        try:
            last = last_bundle(self.guards, stack)
            config = last.config if last else self._deployed(stack)
            if config is None:
                self.operation.step(
                    stack, "guard", "left", "none is known: nothing is deployed, and no bundle is there"
                )
                return None
            person, external = self.subject.agent is None, config.identity.external
            names = {f"person:{sub}" for sub in self._ids} if person else self._agent_ids(config)
            if self.lift:
                if last is None:
                    text = f"no bundle of it is in {self.guards.folder.resolve()}; where there is one, name --bundles"
                    self.operation.step(stack, "guard", "left", text)
                    return None
                if names.isdisjoint(last.denied):
                    self.operation.step(stack, "guard", "left", "not denied there")
                    return None
                return write_bundle(self.operation, self.guards, stack, config, allow=names)
            if not names:
                self.operation.step(stack, "guard", "left", "does not admit it")
                return None
            if person and external and self._ids <= self._access_ids:
                # This guard takes the principal from the bearer token, and its issuer has subs of its own.
                text = f"not {word}: it knows people by the sub of {external.issuer}, not by Access's"
                self.operation.step(stack, "guard", "failed", f"{text}; give that --sub, as its audit log has it")
                return None
            if last is None:
                warn_without_bundle(stack, self.guards.folder, self.operation.progress.note)
            return write_bundle(self.operation, self.guards, stack, config, deny=names)
        except RingwallError as error:
            self.operation.step(stack, "guard", "failed", f"not {word}: {' '.join(str(error).split())}")
            return None

    def _agent_ids(self, config: AnyGuardConfig) -> set[str]:
        return {f"agent:{client}" for client in _clients(config, str(self.subject.agent))}

    def _deployed(self, stack: str) -> AnyGuardConfig | None:
        try:
            return deployed_config(stack, outputs(self.project, stack, target=self.target))
        except NoSuchStack:
            return None

    def _bundles(self) -> dict[str, GuardBundle]:
        """The environment's last bundles, by stack, without those that cannot be read."""
        bundles: dict[str, GuardBundle] = {}
        for server in filter(has_guard, self.environment.perimeters):
            try:
                bundle = last_bundle(self.guards, server.stack)
            except RingwallError as error:
                self.operation.progress.note(f"warning: {error}")
                continue
            if bundle is not None:
                bundles[server.stack] = bundle
        return bundles


def _listed(ids: Iterable[str]) -> str:
    return " and ".join(f"person:{visible(sub)[:256]}" for sub in ids)


def _clients(config: AnyGuardConfig, agent: str) -> set[str]:
    """Client ids (`common_name`) of an agent's service tokens."""
    return {client for client, name in config.identity.agents.items() if name == agent}
