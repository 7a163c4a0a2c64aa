"""The hub of a guard with workers that do not all do what they should."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.bundle.bundle import Opened, OpenedBundle, open_bundle, render, sign
from guard.bundle.keys import create_key_pair, load_private_key, load_public_keys
from guard.decide.counters import Charge, CountersUnavailable, MemoryCounters, Slot
from guard.workers.channel import Channel, ChannelSilent
from guard.workers.crew import Crew
from guard.workers.hub import Hub
from guard.workers.shared_counters import CountingHub, SharedCounters
from model.errors import InputError, RingwallError
from model.guard_config import GuardConfig
from tests.support.guard_service import Origin, config_for
from tests.support.ports import free_port
from tests.support.waiting import eventually


@dataclass
class Member:
    """A process that speaks to the hub as a worker does, and does what the test says with what it is told."""

    number: int
    process: subprocess.Popen[bytes]
    answers: dict[str, Any] = field(default_factory=dict)
    heard: list[tuple[str, Any]] = field(default_factory=list)
    channel: Channel | None = None

    def line(self) -> Channel:
        return Channel(self.answer, lambda: None)

    def answer(self, question: str, value: Any) -> Any:
        self.heard.append((question, value))
        answer = self.answers.get(question, True)
        return asyncio.Event().wait() if answer == "silence" else answer

    async def ask(self, question: str, value: Any = None) -> Any:
        assert self.channel is not None
        return await self.channel.ask(question, value, within=20)

    @property
    def killed(self) -> bool:
        return self.process.poll() == -signal.SIGKILL


@dataclass
class Company:
    """A hub with two members that joined it."""

    hub: Hub
    key: Ed25519PrivateKey
    public: Path
    config: GuardConfig
    members: tuple[Member, Member]

    def bundle(self, sequence: int, denied: tuple[str, ...] = ()) -> OpenedBundle:
        text = render(sign(self.config, sequence=sequence, denied=denied, key=self.key))
        return open_bundle(text, load_public_keys([self.public]), expected_server=None, after=0)


@contextlib.asynccontextmanager
async def company(folder: Path, **changes: Any) -> AsyncIterator[Company]:
    private, public, _ = create_key_pair(folder / "keys")
    key, config = load_private_key(private), config_for(Origin(port=free_port()), folder, **changes)
    text = render(sign(config, sequence=1, denied=(), key=key))
    loaded = open_bundle(text, load_public_keys([public]), expected_server=None, after=0)
    crew = Crew.gather(2, loaded.opened, folder, load_public_keys([public]), None, 3600)
    hub, stop, loop = Hub(crew, loaded.opened, text, fact_seconds=0.5), asyncio.Event(), asyncio.get_running_loop()
    started = asyncio.Event()
    running = loop.create_task(hub.run(stop, started.set))
    await started.wait()
    with contextlib.ExitStack() as stack:
        members = []
        for number in (1, 2):
            sleeping = stack.enter_context(
                subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
            )
            member = Member(number, sleeping, {"apply": None, "bundle": "sha256:new"})
            _, member.channel = await loop.create_unix_connection(member.line, crew.hub_path)
            await member.ask("hello", [number, sleeping.pid])
            assert await member.ask("join", loaded.sha256) == []
            members.append(member)
        yield Company(hub, key, public, config, (members[0], members[1]))
        for member in members:
            assert member.channel is not None
            member.channel.close()
            if member.process.stdin is not None:
                member.process.stdin.close()
        stop.set()
        await running
        crew.close()


async def test_a_worker_that_cannot_take_a_bundle_is_ended_and_the_others_go_on(tmp_path: Path) -> None:
    async with company(tmp_path) as whole:
        well, ill = whole.members
        ill.answers["apply"] = {"text": "a secret cannot be read", "remedy": None, "restart": False}
        await whole.hub.apply(bundle := whole.bundle(2, ("person:eve",)))
        await eventually(lambda: ill.killed, "it is ended, as it would serve by the older bundle")
        assert not well.killed
        assert whole.hub.opened.sha256 == bundle.sha256
        # The deny list comes first, whatever becomes of the rest.
        assert [question for question, _ in ill.heard] == ["deny", "apply"]
        readiness = await whole.hub.readiness()
        assert not readiness["ready"]
        assert "worker 2: it does not serve" in readiness["problems"]


async def test_a_bundle_that_no_worker_can_take_is_refused_and_its_deny_list_is_in_force(tmp_path: Path) -> None:
    async with company(tmp_path) as whole:
        for member in whole.members:
            member.answers["apply"] = {"text": "a secret cannot be read", "remedy": "put it there", "restart": False}
        with pytest.raises(RingwallError, match="a secret cannot be read; put it there"):
            await whole.hub.apply(whole.bundle(2, ("person:eve",)))
        assert not any(member.killed for member in whole.members)
        assert whole.hub.opened.sequence == 1
        assert all(("deny", ["person:eve"]) in member.heard for member in whole.members)
        # A worker that begins later denies them too.
        assert await whole.members[0].ask("join", whole.hub.opened.sha256) == ["person:eve"]
        assert await whole.members[0].ask("join", "sha256:older") is None


async def test_a_fact_is_known_once_every_other_worker_confirmed_it_and_who_is_silent_is_ended(tmp_path: Path) -> None:
    async with company(tmp_path) as whole:
        knowing, silent = whole.members
        until = time.monotonic() + 60
        assert await knowing.ask("mark", ["person:ada", False, "i1", until])
        assert silent.heard == [("mark", ["person:ada", False, "i1", until])]
        silent.answers["state"] = "silence"
        assert await knowing.ask("state", ["00" * 32, "person:ada", until])
        await eventually(lambda: silent.killed, "it would decide without what it was told")
        greeting = await knowing.ask("hello", [1, os.getpid()])
        assert greeting["marks"] == [["person:ada", False, "i1", until]]
        assert greeting["states"] == [["00" * 32, "person:ada", until]]


async def test_what_a_lost_worker_held_is_given_back(tmp_path: Path) -> None:
    async with company(tmp_path) as whole:
        first, second = (SharedCounters(member.channel) for member in whole.members if member.channel is not None)
        charge = Charge(("limits.requests_per_minute", "person:ada"), 10, 1.0)
        begun = time.monotonic()
        assert await first.take(Slot("person:ada", "a", 1), [charge]) is None
        short = await second.take(Slot("person:ada", "b", 1), [charge])
        assert short is not None
        assert short.limit == "concurrency"
        assert whole.members[0].channel is not None
        whole.members[0].channel.close()

        async def is_free() -> bool:
            return await second.take(Slot("person:ada", "b", 1), [charge]) is None

        await eventually(is_free, "its place is free")
        # Two of ten are taken, and one comes back in six seconds.
        left = await second.drain(Charge(charge.key, 10, 20.0))
        assert left == pytest.approx(8.0, abs=0.5 + (time.monotonic() - begun) / 6)


async def test_a_place_that_another_worker_told_to_be_free_is_found_though_that_is_read_later() -> None:
    hub, row = CountingHub(MemoryCounters(time.monotonic)), ["person:ada", "a", 1]
    assert hub.answer(1, "take", [row, []]) is None
    asked = hub.answer(2, "take", [["person:ada", "b", 1], []])
    # The first worker told it before its caller had the answer; the hub reads its line second.
    hub.answer(1, "release", [row, []])
    assert await asked is None
    refused = hub.answer(1, "take", [["person:ada", "c", 1], []])
    assert (await refused)[0] == "concurrency"


async def test_a_call_given_up_while_the_hub_looks_again_holds_no_place() -> None:
    hub, first, second = CountingHub(MemoryCounters(time.monotonic)), ["person:ada", "a", 1], ["person:ada", "b", 1]
    assert hub.answer(1, "take", [first, []]) is None
    asked = asyncio.ensure_future(hub.answer(2, "take", [second, []]))
    await asyncio.sleep(0)
    hub.answer(2, "release", [second, []])
    hub.answer(1, "release", [first, []])
    await asked
    assert hub.answer(1, "take", [["person:ada", "c", 1], []]) is None


async def test_a_count_that_is_not_answered_is_a_refusal(tmp_path: Path) -> None:
    async with company(tmp_path) as whole:
        [counters, _] = (SharedCounters(member.channel) for member in whole.members if member.channel is not None)
        assert whole.members[0].channel is not None
        whole.members[0].channel.close()
        charge = Charge(("limits.requests_per_minute", "person:ada"), 10, 1.0)
        with pytest.raises(CountersUnavailable) as refused:
            await counters.take(Slot("person:ada", "a", 1), [charge])
        assert refused.value.key == "--workers"
        with pytest.raises(ChannelSilent):
            await whole.members[0].ask("redeem", "x")


def test_counters_that_cannot_count_refuse_at_every_worker() -> None:
    hub = CountingHub(MemoryCounters(time.monotonic, most=1))
    row = [["limits.requests_per_minute", "person:ada"], 10, 1.0, 60]
    assert hub.answer(1, "spend", [row]) is None
    assert hub.answer(2, "spend", [[["limits.requests_per_minute", "person:eve"], 10, 1.0, 60]]) == "uncounted"


def test_a_crew_whose_sockets_cannot_be_made_gives_its_port_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(Origin(port=free_port()), tmp_path)
    long = tmp_path / ("n" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    opened = Opened(config, f"sha256:{1:064}", 1, frozenset(), None)
    with pytest.raises(InputError, match="the workers' sockets cannot be made in "):
        Crew.gather(2, opened, tmp_path, {}, None, 3600)
    with socket.create_server(("127.0.0.1", config.listen.port)):
        assert list(long.iterdir()) == []
