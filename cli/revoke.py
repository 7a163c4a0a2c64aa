"""`ringwall revoke`: one person or agent put out of every server of an environment, and let in again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import console
from cli.lockdown import Bundles, KeyFile, Wait, finish, guards_of
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Yes, _complete_stack

if TYPE_CHECKING:
    from model.guard_config import GuardBundle, GuardConfig
    from model.project import Project
    from model.stacks import EnvironmentStack
    from operations.guard_bundle.delivery import Delivered, Guards
    from operations.incident.journal import Operation
    from wire.cloudflare import AccessUser, CloudflareApi

_PERSON = re.compile(r"[^\x00-\x20\x7f]{1,256}")
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Subject:
    """Who is meant: an agent by its name, or a person by address, by the `sub` of their tokens, or both."""

    text: str
    agent: str | None = None
    email: str | None = None
    sub: str | None = None


def revoke(
    principal: Annotated[
        str,
        typer.Argument(
            metavar="PRINCIPAL", help="person:EMAIL, person:SUB as guards log it, or agent:NAME.", show_default=False
        ),
    ],
    env: Annotated[
        str,
        typer.Option(
            "--env", metavar="ENV", help="The environment.", autocompletion=_complete_stack, show_default=False
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, and who decided it; for the journal.", show_default=False)
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Let them in again, as the stack files have it.")] = False,
    sub: Annotated[
        str | None, typer.Option("--sub", help="person:EMAIL only: the sub that guards deny.", show_default=False)
    ] = None,
    key: KeyFile = None,
    bundles: Bundles = Path(),
    wait: Wait = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Put one person or agent out of every server of an environment at once, open streams too.

    At the edge, with CLOUDFLARE_API_TOKEN: a person's sessions end, an agent's service token is disabled. At the
    guards, with --key: the next bundle of each server denies them. Each step says how long after the start it took
    effect. Guards deny them until --lift; a person may sign in at Access again unless the identity provider or the
    stack file stops that. Exit code 1 names what does not hold yet; run it again to go on.
    """
    from cli.project import current_project
    from model.errors import InputError
    from model.project import load_environment
    from operations.incident.journal import Operation

    subject = read_principal(principal, sub)
    if not lift and not (reason or "").strip():
        raise InputError("a revocation needs a reason", key="--reason", remedy='add --reason "why, and who decided it"')
    found = current_project()
    environment = load_environment(found, env)
    if subject.agent and subject.agent not in environment.settings.agents:
        known = ", ".join(sorted(environment.settings.agents)) or "none"
        raise InputError(f"environment {env} has no agent {subject.agent} (it has: {known})", key="PRINCIPAL")
    guards = guards_of(key, bundles, wait)
    if dry_run:
        _say_plan(environment, subject, lift=lift, as_json=as_json)
        return
    question = f"Let {subject.text} in again" if lift else f"Put {subject.text} out of every server of {env}"
    console.consent(f"{question}?", yes=yes)
    operation = Operation(found.root, "revoke --lift" if lift else "revoke", f"{subject.text} in {env}", reason)
    operation.begin()
    Revocation(found, environment, subject, operation, guards, lift).run(sandbox=sandbox)
    if subject.agent and not lift and not as_json:
        console.say(
            f"For good: `ringwall agents rotate {env} {subject.agent}`, or take it out of access; then `ringwall up {env}`."
        )
    finish(operation, as_json=as_json)


def _say_plan(environment: EnvironmentStack, subject: Subject, *, lift: bool, as_json: bool) -> None:
    if subject.agent:
        edge = f"{'enable' if lift else 'disable'} the service token of {subject.text}"
    else:
        edge = "nothing" if lift else f"end every Access session of {subject.text} in this account"
    guard = f"a bundle that {'no longer denies' if lift else 'denies'} {subject.text}"
    stacks = [server.stack for _, server in sorted(environment.servers.items())]
    steps = [{"stack": environment.name, "ring": "edge", "text": edge}]
    guards = [{"stack": stack, "ring": "guard", "text": guard} for stack in stacks]
    steps = [*guards, *steps] if lift else [*steps, *guards]
    if as_json:
        console.print_json({"version": 1, "dry_run": True, "lift": lift, "target": subject.text, "steps": steps})
    for step in steps:
        console.say(f"{step['stack']}: {step['ring']}: {step['text']}")


def read_principal(text: str, sub: str | None) -> Subject:
    """Raises `InputError` for anything but person:EMAIL, person:SUB and agent:NAME."""
    from model.errors import InputError

    kind, _, name = text.partition(":")
    if kind == "agent" and _NAME.fullmatch(name) and sub is None:
        return Subject(text, agent=name)
    if kind == "person" and _PERSON.fullmatch(name) and (sub is None or _PERSON.fullmatch(sub)):
        if "@" in name:
            return Subject(text, email=name, sub=sub)
        if sub is None:
            return Subject(text, sub=name)
    raise InputError(
        f"{text} names no principal" if sub is None else f"{text} does not go with --sub",
        key="PRINCIPAL",
        remedy="write person:EMAIL (with or without --sub), person:SUB or agent:NAME",
    )


@dataclass
class Revocation:
    """One principal put out, or with `lift` let in again: the edge first, then the guards, or the other way round."""

    project: Project
    environment: EnvironmentStack
    subject: Subject
    operation: Operation
    guards: Guards
    lift: bool
    #: What guards know a person by, as far as it was found; of these, those that are Access's own.
    _ids: set[str] = field(default_factory=set)
    _access_ids: set[str] = field(default_factory=set)

    def run(self, *, sandbox: bool) -> None:
        """Every problem is a step that failed; none keeps the next one from being tried."""
        if self.subject.sub:
            self._ids.add(self.subject.sub)
        edge = self._agent_at_edge if self.subject.agent else self._person_at_edge
        if self.lift:
            if not self.subject.agent and not sandbox:
                self._look_up()
            self._at_guards(sandbox)
            edge(sandbox)
        else:
            edge(sandbox)
            self._at_gateway()
            self._at_guards(sandbox)

    def _at_gateway(self) -> None:
        """Said, so that nobody takes silence for a ring that holds."""
        text = "nothing is done there: it knows issuers and not principals, so whoever holds a token passes it until it ends"
        self.operation.step(self.environment.name, "gateway", "left", text)

    # -- edge ---------------------------------------------------------------------------------------------------------

    def _person_at_edge(self, sandbox: bool) -> None:
        if self.lift:
            self._edge("left", "may sign in again as the stack files and the identity provider have it")
            return
        self._call(sandbox, self._end_sessions)

    def _end_sessions(self, api: CloudflareApi) -> str:
        from model.errors import InputError, RingwallError

        email = self.subject.email
        text = "their Access sessions are ended"
        if email is not None:
            # Before anything is looked up: it needs no more than the address.
            api.revoke_user(email)
            try:
                user = self._found(api)
            except RingwallError as error:
                return f"{text}; what guards know them by could not be looked up: {error}"
        else:
            user = self._found(api)
            if user is None:
                raise InputError(
                    f"Access knows nobody of that sub, so {self.subject.text} has no address to end sessions by"
                )
            api.revoke_user(user.email)
        return f"{text}; to guards they are {_listed(user.ids)}" if user else text

    def _found(self, api: CloudflareApi) -> AccessUser | None:
        """The person as Access knows them, whose ids count from now on."""
        user = api.find_user(email=self.subject.email, sub=None if self.subject.email else self.subject.sub)
        if user is not None:
            self._access_ids = set(user.ids)
            self._ids |= self._access_ids
        return user

    def _look_up(self) -> None:
        """Every id that a revocation denied them by; a step only where it cannot be known."""
        from model.errors import RingwallError
        from wire.cloudflare import TOKEN_VARIABLE, CloudflareApi, token_from_environment

        rest = "so guards may go on denying them by another sub"
        token = token_from_environment()
        if token is None:
            self._edge("waiting", f"what Access knows them by was not looked up, {rest}; set {TOKEN_VARIABLE}")
            return
        try:
            with CloudflareApi(self.environment.settings.cloudflare, token) as api:
                self._found(api)
        except RingwallError as error:
            self._edge("failed", f"what Access knows them by is not known, {rest}: {' '.join(str(error).split())}")

    def _agent_at_edge(self, sandbox: bool) -> None:
        word = "enabled" if self.lift else "disabled"

        def work(api: CloudflareApi) -> str:
            clients = self._client_ids(sandbox)
            for client in sorted(clients):
                api.set_service_token(client, enabled=self.lift)
            return f"its service token is {word}"

        self._call(sandbox, work)

    def _client_ids(self, sandbox: bool) -> set[str]:
        """Of the agent, from the deployed environment, or else from the bundles that are there."""
        from cli.target import target_of
        from engine.state import outputs
        from model.errors import EngineFailed, EngineMissing, InputError

        agent = str(self.subject.agent)
        try:
            with target_of(self.project, sandbox=sandbox, plugins=False) as target:
                contract = outputs(self.project, self.environment.name, target=target).get("contract")
            client = contract["agents"][agent] if isinstance(contract, dict) else None
            if isinstance(client, str):
                return {client}
        except (EngineFailed, EngineMissing, KeyError, TypeError) as error:
            # In an incident the backend may be the very thing out of reach; bundles name the same ids.
            console.note(f"warning: {self.environment.name}: the deployed client id cannot be read ({error})")
        found: set[str] = set()
        for bundle in self._bundles().values():
            found |= _clients(bundle.config, agent)
        if not found:
            raise InputError(
                f"neither the deployed environment nor a bundle here says what client id {agent} has",
                remedy=f"see `ringwall agents show {self.environment.name} {agent}`, and disable it in the dashboard",
            )
        return found

    def _call(self, sandbox: bool, work: Callable[[CloudflareApi], str]) -> None:
        from wire.cloudflare import TOKEN_VARIABLE, CloudflareApi, token_from_environment

        token = token_from_environment()
        if sandbox:
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

    def _at_guards(self, sandbox: bool) -> None:
        from operations.guard_bundle.delivery import prove

        word = "let in again" if self.lift else "denied"
        stacks = [server.stack for _, server in sorted(self.environment.servers.items())]
        if self.guards.key is None:
            option = "--allow" if self.lift else "--deny"
            names = sorted(f"person:{one}" for one in self._ids) or [self.subject.text]
            who = " ".join(f"{option} {name}" for name in names)
            for stack in stacks:
                text = f"not {word}: run this again with --key, or `ringwall guard bundle {stack} --key FILE {who}`"
                self.operation.step(stack, "guard", "waiting", text)
            return
        if self.subject.agent is None and not self._ids:
            text = f"not {word}: which sub they have is not known; give --sub as the guards' audit logs have it"
            for stack in stacks:
                self.operation.step(stack, "guard", "failed", text)
            return
        written = [(stack, self._sign(stack, sandbox, word)) for stack in stacks]
        for stack, bundle in written:
            if bundle is not None:
                prove(self.operation, self.guards, stack, bundle, word)

    def _sign(self, stack: str, sandbox: bool, word: str) -> Delivered | None:
        """The bundle that is there with another deny list: nothing else that may be deployed or pending comes with it."""
        from model.errors import RingwallError
        from operations.guard_bundle.delivery import last_bundle, warn_without_bundle, write_bundle

        try:
            last = last_bundle(self.guards, stack)
            config = last.config if last else self._deployed(stack, sandbox)
            if config is None:
                self.operation.step(
                    stack, "guard", "left", "none is known: nothing is deployed, and no bundle is there"
                )
                return None
            person, external = self.subject.agent is None, config.identity.external
            whom = {f"person:{one}" for one in self._ids} if person else self._agent_ids(config)
            if self.lift:
                if last is None:
                    text = f"no bundle of it is in {self.guards.folder.resolve()}; where there is one, name --bundles"
                    self.operation.step(stack, "guard", "left", text)
                    return None
                if whom.isdisjoint(last.denied):
                    self.operation.step(stack, "guard", "left", "not denied there")
                    return None
                return write_bundle(self.operation, self.guards, stack, config, allow=whom)
            if not whom:
                self.operation.step(stack, "guard", "left", "does not admit it")
                return None
            if person and external and self._ids <= self._access_ids:
                # There the bearer token names the principal, and its issuer has subs of its own.
                text = f"not {word}: it knows people by the sub of {external.issuer}, not by Access's"
                self.operation.step(stack, "guard", "failed", f"{text}; give that --sub, as its audit log has it")
                return None
            if last is None:
                warn_without_bundle(stack, self.guards.folder)
            return write_bundle(self.operation, self.guards, stack, config, deny=whom)
        except RingwallError as error:
            self.operation.step(stack, "guard", "failed", f"not {word}: {' '.join(str(error).split())}")
            return None

    def _agent_ids(self, config: GuardConfig) -> set[str]:
        return {f"agent:{client}" for client in _clients(config, str(self.subject.agent))}

    def _deployed(self, stack: str, sandbox: bool) -> GuardConfig | None:
        from cli.target import target_of
        from engine.state import outputs
        from model.errors import NoSuchStack
        from operations.guard_bundle.delivery import deployed_config

        try:
            with target_of(self.project, sandbox=sandbox, plugins=False) as target:
                return deployed_config(stack, outputs(self.project, stack, target=target))
        except NoSuchStack:
            return None

    def _bundles(self) -> dict[str, GuardBundle]:
        """The readable ones that are there."""
        from model.errors import RingwallError
        from operations.guard_bundle.delivery import last_bundle

        found: dict[str, GuardBundle] = {}
        for server in self.environment.servers.values():
            try:
                bundle = last_bundle(self.guards, server.stack)
            except RingwallError as error:
                console.note(f"warning: {error}")
                continue
            if bundle is not None:
                found[server.stack] = bundle
        return found


def _listed(ids: Iterable[str]) -> str:
    from model.tool_lock import visible

    return " and ".join(f"person:{visible(one)[:256]}" for one in ids)


def _clients(config: GuardConfig, agent: str) -> set[str]:
    """Client ids (`common_name`) of an agent's service tokens."""
    return {client for client, name in config.identity.agents.items() if name == agent}
