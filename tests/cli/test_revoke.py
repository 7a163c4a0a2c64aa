"""`ringwall revoke` on a running guard and a strict stand-in of the Access API: who is put out, how fast, and back in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.locate import VARIABLE
from guard.bundle.bundle import render, sign
from guard.bundle.keys import create_key_pair, load_private_key, load_public_keys
from guard.bundle.source import BundleSource
from model.errors import InputError
from operations.incident.revoke import RevocationSubject, read_principal
from operations.incident.stack_file import locked
from operations.journal import JOURNAL
from tests.guard.bundle.test_bundle import config
from tests.support.access_api import TOKEN, AccessApi, access_api
from tests.support.command_line import Result
from tests.support.command_line import ringwall as run
from tests.support.guard_service import Guarded, Origin, guarded, sse
from tests.support.ports import free_port
from tests.support.projects import server_text, write_project, write_server
from wire.cloudflare import TOKEN_VARIABLE

REASON = "laptop lost; Ada"
ADA = {"email": "ada@example.com", "id": "ada", "uid": "ada-uid"}
POLL = 0.05


@dataclass
class Desk:
    """A project, a key, a folder of bundles and the Access API."""

    root: Path
    bundles: Path
    key: Path
    api: AccessApi

    def revoke(self, *arguments: str | Path, wait: str = "10") -> Result:
        options: list[str | Path] = [
            "--env",
            "dev",
            "--bundles",
            self.bundles,
            "--yes",
            "--wait",
            wait,
            "--project",
            self.root,
        ]
        return run("revoke", *arguments, *options)

    def sign(self, guard_config: Any, sequence: int = 7, denied: tuple[str, ...] = ()) -> Path:
        name = guard_config.server.name
        file = self.bundles / f"dev.{name}.guard.bundle.json"
        text = render(sign(guard_config, sequence=sequence, denied=denied, key=load_private_key(self.key)))
        file.write_text(text, encoding="utf-8")
        return file

    def denied(self, name: str) -> list[str]:
        text = (self.bundles / f"dev.{name}.guard.bundle.json").read_text(encoding="utf-8")
        denied: list[str] = json.loads(text)["denied"]
        return denied


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """No engine: what guards run by is known from the bundles alone."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no-engine-here"))
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    root = write_project(tmp_path / "project", servers=0)
    create_key_pair(tmp_path / "keys")
    tokens = {"t-1": {"name": "dev-ci", "client_id": "abc.access", "enabled": True}}
    with access_api(users=[ADA], service_tokens=tokens) as api:
        file = root / "stacks" / "Pulumi.dev.yaml"
        text = file.read_text(encoding="utf-8").replace(
            "      team: example", f"      team: example\n      api: {api.url}"
        )
        file.write_text(text, encoding="utf-8")
        (tmp_path / "bundles").mkdir()
        yield Desk(root, tmp_path / "bundles", tmp_path / "keys" / "guard-signing.key", api)


@contextlib.asynccontextmanager
async def polled(desk: Desk, state: Path, origin: Origin) -> AsyncIterator[Guarded]:
    """A guard of dev.raw that polls the bundle's file as `ringwall guard run` does."""
    write_server(desk.root, "dev.raw", server_text("raw", 7))
    async with guarded(origin, state, admin_port=free_port()) as guard:
        file = desk.sign(guard.config)
        keys = load_public_keys([desk.key.with_suffix(".pub")])
        source = BundleSource(str(file), keys, state / "source", expected_server=("dev", "raw"))
        await guard.service.apply((await source.load_first()).opened)
        guard.service.runtime.source_status = source.members
        watching = asyncio.create_task(source.watch(lambda step: guard.service.apply(step.opened), POLL))
        try:
            yield guard
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def endless() -> tuple[Origin, threading.Event]:
    """A server whose GET stream ends when the event is set."""
    origin, over = Origin(), threading.Event()

    async def get(_: Any) -> Any:
        async def forever() -> None:
            while not over.is_set():
                await asyncio.sleep(0.01)

        return sse(": hello\n\n", then=forever)

    origin.get = get
    return origin, over


def steps(result: Result) -> dict[str, str]:
    return {f"{step['stack']} {step['ring']}": step["state"] for step in result.json["steps"]}


async def test_an_open_stream_of_a_revoked_person_ends_and_the_time_to_effect_is_measured(
    desk: Desk, tmp_path: Path
) -> None:
    origin, over = endless()
    async with polled(desk, tmp_path, origin) as guard:
        await guard.initialize()
        async with guard.client.stream("GET", "/mcp", headers={"mcp-session-id": guard.session or ""}) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ":"
            arguments = ("person:ada@example.com", "--reason", REASON, "--key", desk.key, "--json")
            revoking = asyncio.create_task(asyncio.to_thread(desk.revoke, *arguments))
            async with asyncio.timeout(30):
                assert [line async for line in lines if line] == []
            result = await revoking
        assert (result.code, steps(result)) == (
            0,
            {"dev edge": "done", "dev gateway": "left", "dev.raw bundle": "done", "dev.raw guard": "done"},
        )
        assert desk.api.ended == ["ada@example.com"]
        assert desk.denied("raw") == ["person:ada", "person:ada-uid"]
        edge, *_, in_force = (step["seconds"] for step in result.json["steps"])
        # A second or so on an idle machine: the guard looks every 50 ms, and is looked at every 250 ms.
        assert 0 < edge < in_force < 30
        assert (await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 403

        lifting = ("person:ada@example.com", "--lift", "--key", desk.key, "--json")
        back = await asyncio.to_thread(desk.revoke, *lifting)
        assert (back.code, [step["ring"] for step in back.json["steps"]]) == (0, ["bundle", "guard", "edge"])
        assert desk.denied("raw") == []
        await guard.initialize()
        assert "result" in await guard.call("search")
        over.set()


async def test_a_lockdown_is_proven_by_the_guard_that_has_it_in_force(desk: Desk, tmp_path: Path) -> None:
    async with polled(desk, tmp_path, Origin()) as guard:
        await guard.initialize()
        assert "result" in await guard.call("search")
        options: list[str | Path] = [
            "--yes",
            "--key",
            desk.key,
            "--bundles",
            desk.bundles,
            "--wait",
            "10",
            "--json",
        ]
        arguments = ("lockdown", "dev.raw", "--reason", REASON, *options, "--project", desk.root)
        result = await asyncio.to_thread(run, *arguments)
        assert (await guard.call("search"))["error"]["code"] == -32602
        assert (await guard.request("tools/list"))["result"]["tools"] == []
        assert result.code == 1  # the gateway is not here
        assert steps(result) == {
            "dev.raw file": "done",
            "dev.raw edge": "left",  # its account has nothing of that name
            "dev.raw gateway": "failed",
            "dev.raw bundle": "done",
            "dev.raw guard": "done",
        }


async def test_a_guard_that_keeps_its_old_bundle_is_no_proof(desk: Desk, tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, admin_port=free_port()) as guard:
        write_server(desk.root, "dev.raw", server_text("raw", 7))
        desk.sign(guard.config)
        arguments = ("person:ada", "--reason", REASON, "--key", desk.key)
        result = await asyncio.to_thread(desk.revoke, *arguments, wait="0.5")
        assert result.code == 1
        assert (
            "dev.raw: guard: the guard has not confirmed that it is denied: the guard still has bundle 1 in force. Copy "
            in result.err
        )


async def test_another_servers_guard_is_no_proof(desk: Desk, tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, admin_port=free_port()) as guard:
        write_server(desk.root, "dev.one", server_text("one", 7))
        desk.sign(config("one", admin_port=guard.config.admin_port))
        result = await asyncio.to_thread(desk.revoke, "person:ada", "--reason", REASON, "--key", desk.key)
        assert f"what answers on 127.0.0.1:{guard.config.admin_port} is not the guard of dev.one" in result.err


def two_servers(desk: Desk) -> None:
    """dev.one admits ci, dev.two does not."""
    for number, name in enumerate(("one", "two")):
        write_server(desk.root, f"dev.{name}", server_text(name, number))
    desk.sign(config("one", admin_port=free_port()), denied=("person:mallory",))
    identity = {**config("two").identity.dump(), "agents": {}}
    desk.sign(config("two", admin_port=free_port(), identity=identity))


def enabled(desk: Desk) -> list[bool]:
    return [token["enabled"] for token in desk.api.service_tokens.values()]


def test_an_agents_token_is_disabled_and_the_servers_that_admit_it_deny_it(desk: Desk) -> None:
    two_servers(desk)
    before = {file: file.read_bytes() for file in desk.root.rglob("*.yaml")}
    result = desk.revoke("agent:ci", "--reason", REASON, "--key", desk.key, "--json")
    assert steps(result) == {
        "dev edge": "done",
        "dev gateway": "left",
        "dev.one bundle": "done",
        "dev.one guard": "waiting",
        "dev.two guard": "left",
    }
    assert enabled(desk) == [False]
    assert (desk.denied("one"), desk.denied("two")) == (["agent:abc.access", "person:mallory"], [])
    back = desk.revoke("agent:ci", "--lift", "--key", desk.key, "--json")
    assert [step["ring"] for step in back.json["steps"]] == ["bundle", "guard", "guard", "edge"]
    assert enabled(desk) == [True]
    assert desk.denied("one") == ["person:mallory"]
    assert {file: file.read_bytes() for file in before} == before


def test_the_guards_deny_although_the_api_refuses(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    two_servers(desk)
    monkeypatch.setenv(TOKEN_VARIABLE, "cfut_another-token")
    result = desk.revoke("person:ada@example.com", "--sub", "ada", "--reason", REASON, "--key", desk.key)
    assert result.code == 1
    assert "dev: edge: not done: " in result.err
    assert "refuses CLOUDFLARE_API_TOKEN (HTTP 403" in result.err
    assert "another-token" not in result.out + result.err
    assert (desk.denied("one"), desk.denied("two")) == (["person:ada", "person:mallory"], ["person:ada"])


def test_the_guards_deny_although_the_token_is_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    two_servers(desk)
    for token in ("planted-tökén", "planted\ntoken"):
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        result = desk.revoke("person:ada", "--reason", REASON, "--key", desk.key)
        assert "dev: edge: not done: CLOUDFLARE_API_TOKEN holds a character that no token has" in result.err
        assert "planted" not in result.out + result.err
        assert desk.denied("two") == ["person:ada"]


def test_a_person_whose_sub_nobody_knows_is_named_as_not_denied(desk: Desk) -> None:
    two_servers(desk)
    result = desk.revoke("person:new@example.com", "--reason", REASON, "--key", desk.key)
    assert (result.code, desk.api.ended) == (1, ["new@example.com"])
    assert "dev.one: guard: not denied: which sub they have is not known" in result.err
    assert desk.denied("one") == ["person:mallory"]


def test_a_sub_alone_finds_the_address_to_end_sessions_by(desk: Desk) -> None:
    two_servers(desk)
    desk.revoke("person:ada-uid", "--reason", REASON, "--key", desk.key)
    assert desk.api.ended == ["ada@example.com"]
    assert desk.denied("two") == ["person:ada", "person:ada-uid"]


def test_lifting_by_sub_takes_off_every_id_that_revoking_put_on(desk: Desk) -> None:
    two_servers(desk)
    desk.revoke("person:ada@example.com", "--reason", REASON, "--key", desk.key)
    desk.revoke("person:ada-uid", "--lift", "--key", desk.key)
    assert (desk.denied("one"), desk.denied("two")) == (["person:mallory"], [])
    assert desk.api.ended == ["ada@example.com"]  # being let in ends nothing


def test_lifting_without_the_api_says_that_another_id_may_stay_denied(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_servers(desk)
    desk.revoke("person:ada@example.com", "--reason", REASON, "--key", desk.key)
    monkeypatch.delenv(TOKEN_VARIABLE)
    result = desk.revoke("person:ada", "--lift", "--key", desk.key)
    assert (result.code, desk.denied("two")) == (1, ["person:ada-uid"])
    assert "guards may go on denying them by another sub; set CLOUDFLARE_API_TOKEN" in result.err


def test_a_guard_that_goes_by_another_issuers_sub_is_not_called_denied_by_accesss(desk: Desk) -> None:
    two_servers(desk)
    issuer = "https://login.example.org/realms/tools"
    external = {"issuer": issuer, "jwks_uri": f"{issuer}/certs", "audience": "https://two.example.com/mcp"}
    identity = {**config("two").identity.dump(), "external": external}
    desk.sign(config("two", admin_port=free_port(), identity=identity))
    for whom in ("person:ada@example.com", "person:ada"):
        result = desk.revoke(whom, "--reason", REASON, "--key", desk.key)
        assert f"dev.two: guard: not denied: it knows people by the sub of {issuer}" in result.err
    desk.revoke("person:ada@example.com", "--sub", "keycloak-ada", "--reason", REASON, "--key", desk.key)
    assert "person:keycloak-ada" in desk.denied("two")


def test_signing_where_the_last_bundle_is_not_to_be_seen_is_warned_of(desk: Desk, tmp_path: Path) -> None:
    two_servers(desk)
    (desk.bundles / "dev.two.guard.bundle.json").unlink()
    exported = {"guard_config": json.dumps(config("two", admin_port=free_port()).dump())}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("operations.incident.revoke.outputs", lambda *_, **__: exported)
        result = desk.revoke("person:ada@example.com", "--reason", REASON, "--key", desk.key)
    assert (
        f"warning: dev.two: no bundle of it is in {desk.bundles}, so whoever an earlier bundle denies is let in"
        in result.err
    )
    assert "warning: dev.one" not in result.err


def test_a_dry_run_says_what_it_would_do_and_asks_nobody(desk: Desk) -> None:
    two_servers(desk)
    result = desk.revoke("agent:ci", "--reason", REASON, "--key", desk.key, "--dry-run", "--json")
    assert [(step["stack"], step["ring"]) for step in result.json["steps"]] == [
        ("dev", "edge"), ("dev.one", "guard"), ("dev.two", "guard"),
    ]  # fmt: skip
    assert (result.code, desk.api.log, enabled(desk), desk.denied("one")) == (0, [], [True], ["person:mallory"])
    assert not (desk.root / JOURNAL).exists()


def test_without_a_key_every_bundle_that_must_be_signed_is_named(desk: Desk) -> None:
    two_servers(desk)
    result = desk.revoke("person:ada@example.com", "--reason", REASON)
    assert result.code == 1
    for name in ("one", "two"):
        options = f"--key FILE --deny person:ada --deny person:ada-uid --project {desk.root}"
        command = f"`ringwall guard bundle dev.{name} {options}`"
        assert command in result.err


def test_a_closed_server_stays_closed_when_somebody_is_revoked(desk: Desk) -> None:
    two_servers(desk)
    desk.sign(config("two", grants=[], admin_port=free_port()))
    file = desk.root / "stacks" / "Pulumi.dev.two.yaml"
    file.write_text(locked(file.read_text(encoding="utf-8"), REASON, "2026-11-23T03:00:00Z"), encoding="utf-8")
    desk.revoke("person:ada", "--reason", REASON, "--key", desk.key)
    signed = json.loads((desk.bundles / "dev.two.guard.bundle.json").read_text(encoding="utf-8"))
    assert (signed["config"]["grants"], "person:ada" in signed["denied"]) == ([], True)


def test_it_is_in_the_journal_and_no_token_is(desk: Desk) -> None:
    two_servers(desk)
    desk.revoke("person:ada@example.com", "--reason", REASON, "--key", desk.key)
    text = (desk.root / JOURNAL).read_text(encoding="utf-8")
    begun, ended = (json.loads(line) for line in text.splitlines())
    assert (begun["target"], begun["reason"], ended["result"]) == (
        "person:ada@example.com in dev",
        REASON,
        "not complete",
    )
    assert TOKEN not in text


@pytest.mark.parametrize("text", ["ada@example.com", "person:", "agent:", "agent:A", "person:a b", "group:x"])
def test_what_names_no_principal_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no principal"):
        read_principal(text, None)


def test_a_principal_is_read_as_it_is_written() -> None:
    assert read_principal("person:a@b.example", "s") == RevocationSubject(
        "person:a@b.example", email="a@b.example", sub="s"
    )
    assert read_principal("person:7335d417", None) == RevocationSubject("person:7335d417", sub="7335d417")
    for text in ("agent:ci", "person:7335d417"):
        with pytest.raises(InputError, match="does not go with --sub"):
            read_principal(text, "s")


def test_an_agent_the_environment_does_not_have_is_refused_before_anything_is_done(desk: Desk) -> None:
    two_servers(desk)
    result = desk.revoke("agent:other", "--reason", REASON, "--key", desk.key)
    assert (result.code, "PRINCIPAL: there is no agent other; correct it (known: ci, nightly)" in result.err) == (
        2,
        True,
    )
    assert desk.api.log == []
    assert not (desk.root / JOURNAL).exists()
