"""One judgement of several engines: any block wins, no verdict is never allow, and nobody is asked in vain."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from guard.engines.lakera import LakeraVerdictEngine
from guard.inspect.panel import AT_ONCE, CACHE_SECONDS, CACHED, Judgement, Panel, build_panel
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem, Verdict
from model.canonical import digest
from model.errors import InputError
from model.guard_config import GuardConfig
from tests.support.engine_services import ATTACK, KEY, AirsService, EngineService, LakeraService, Reply, item
from tests.support.token_issuer import Clock

ALLOW, BLOCK, NO_VERDICT = Outcome.ALLOW, Outcome.BLOCK, Outcome.NO_VERDICT


@dataclass
class Asked:
    """An engine of the interface that says `outcome`, raises it, or waits until it is ended."""

    says: Any
    name: str = "asked"
    items: list[ScanItem] = field(default_factory=list)
    task: asyncio.Task[Any] | None = None
    ended: bool = False
    closed: bool = False

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        self.items.append(item)
        self.task = asyncio.current_task()
        if self.says == "waits":
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True
        if isinstance(self.says, BaseException):
            raise self.says
        if not isinstance(self.says, Outcome):
            return self.says  # type: ignore[no-any-return]
        return Verdict(self.says, self.name, (EngineFinding(Category.POLICY, self.name),), milliseconds=5.0)

    async def close(self) -> None:
        self.closed = True


@dataclass
class Here(Asked):
    """An engine that answers without being waited for."""

    name: str = "here"
    thread: threading.Thread | None = None
    deadline: float = 0.0

    def judge(self, item: ScanItem, deadline: float) -> Verdict:
        self.items.append(item)
        self.thread, self.deadline = threading.current_thread(), deadline
        if isinstance(self.says, BaseException):
            raise self.says
        return Verdict(self.says, self.name)

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        raise AssertionError("it can be called directly")


async def judge(
    *engines: Any, leg: Leg = Leg.RESULTS, budget: float = 5.0, text: str = "hello", **options: Any
) -> Judgement:
    return await Panel(engines, budget, **options).judge(item(text, leg))


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ((), NO_VERDICT),
        ((ALLOW,), ALLOW),
        ((BLOCK,), BLOCK),
        ((NO_VERDICT,), NO_VERDICT),
        ((ALLOW, ALLOW), ALLOW),
        ((ALLOW, BLOCK), BLOCK),
        ((NO_VERDICT, BLOCK), BLOCK),
        ((ALLOW, NO_VERDICT), NO_VERDICT),
        ((ALLOW, NO_VERDICT, ALLOW), NO_VERDICT),
    ],
)
@pytest.mark.parametrize("first", [Here, Asked])
async def test_any_block_wins_then_any_silence_and_only_all_allow_is_allow(
    first: type[Asked], says: tuple[Outcome, ...], outcome: Outcome
) -> None:
    engines = [(first if at == 0 else Asked)(one) for at, one in enumerate(says)]
    assert (await judge(*engines)).outcome is outcome
    assert (await judge(*engines[::-1])).outcome is outcome


async def test_findings_are_those_of_all_engines_in_their_order() -> None:
    judgement = await judge(Asked(ALLOW, "one"), Asked(BLOCK, "two"), thorough=frozenset(Leg))
    assert [finding.rule for finding in judgement.findings] == ["one", "two"]


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("kind", [Here, Asked])
async def test_engine_that_raises_is_no_verdict_naming_the_type_alone(
    kind: type[Asked], others: int, caplog: pytest.LogCaptureFixture
) -> None:
    judgement = await judge(kind(RuntimeError("the text of patient-4711"), "broken"), *[Asked(ALLOW)] * others)
    assert judgement.outcome is NO_VERDICT
    assert judgement.verdicts[0].error == "failed (RuntimeError)"
    assert "engine broken failed: RuntimeError at test_panel.py" in caplog.text
    assert "patient" not in caplog.text + repr(judgement)


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("answer", [None, True, "allow"])
async def test_answer_that_is_no_verdict_object_is_no_verdict(answer: Any, others: int) -> None:
    assert (await judge(Asked(answer), *[Asked(ALLOW)] * others)).outcome is NO_VERDICT


@pytest.mark.parametrize("others", [0, 1])
async def test_engine_beyond_the_budget_is_no_verdict_and_ended(others: int) -> None:
    slow = Asked("waits")
    judgement = await judge(slow, *[Asked(ALLOW)] * others, budget=0.02)
    assert judgement.outcome is NO_VERDICT
    assert judgement.verdicts[0].error == "no verdict within the budget"
    assert slow.ended


async def test_timeout_error_of_an_engine_is_its_failure_not_the_deadlines() -> None:
    assert (await judge(Asked(TimeoutError()))).verdicts[0].error == "failed (TimeoutError)"


async def test_engine_that_cancels_itself_is_no_verdict() -> None:
    judgement = await judge(Asked(asyncio.CancelledError()), Asked(ALLOW))
    assert (judgement.outcome, len(judgement.verdicts)) == (NO_VERDICT, 2)


async def test_early_block_answers_at_once_and_ends_the_others() -> None:
    slow = Asked("waits", "slow")

    async def work() -> Judgement:
        panel = Panel([slow, Asked(BLOCK, "fast")], 60)
        judgement = await panel.judge(item("hello"))
        while not slow.ended:
            await asyncio.sleep(0)
        await panel.close()
        return judgement

    judgement = await asyncio.wait_for(work(), 30)
    assert [verdict.engine for verdict in judgement.verdicts] == ["fast"]
    assert slow.closed


async def test_caller_that_goes_away_ends_every_engine() -> None:
    engines = [Asked("waits"), Asked("waits")]
    panel = Panel(engines, 60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await panel.judge(item("hello"))
    await panel.close()
    assert all(engine.ended for engine in engines)


async def test_local_block_leaves_the_vendors_unasked() -> None:
    vendor = Asked(ALLOW)
    assert (await judge(vendor, Here(BLOCK))).outcome is BLOCK
    assert vendor.items == []


async def test_leg_whose_findings_may_pass_hears_every_engine() -> None:
    vendors = [Asked(ALLOW, "a"), Asked(NO_VERDICT, "b")]
    judgement = await judge(Here(BLOCK), *vendors, thorough=frozenset({Leg.RESULTS}))
    assert [verdict.outcome for verdict in judgement.verdicts] == [BLOCK, ALLOW, NO_VERDICT]
    judgement = await judge(Here(BLOCK), *vendors, thorough=frozenset({Leg.PROMPTS}))
    assert [verdict.outcome for verdict in judgement.verdicts] == [BLOCK]


async def test_single_engine_is_asked_in_the_callers_own_task() -> None:
    engine = Asked(ALLOW)
    await Panel([Here(ALLOW), engine], 5).judge(item("hello"))
    assert engine.task is asyncio.current_task()


async def test_long_text_is_judged_beside_the_loop_and_a_short_one_in_it() -> None:
    short, long = Here(ALLOW), Here(ALLOW)
    assert (await judge(short, text="a" * (AT_ONCE - 100))).outcome is ALLOW
    assert (await judge(long, text="a" * AT_ONCE)).outcome is ALLOW
    assert short.thread is threading.current_thread()
    assert long.thread is not threading.current_thread()


async def test_long_text_keeps_no_other_waiting() -> None:
    """The engine waits for what only a running loop can do."""
    done = threading.Event()

    class Slow(Here):
        def judge(self, item: ScanItem, deadline: float) -> Verdict:
            return Verdict(ALLOW if done.wait(30) else BLOCK, self.name)

    panel = Panel([Slow(ALLOW)], 5)
    asyncio.get_running_loop().call_later(0.01, done.set)
    judgement = await panel.judge(item("a" * AT_ONCE))
    await panel.close()
    assert judgement.outcome is ALLOW


async def test_local_engines_leave_half_of_the_budget_to_the_vendors() -> None:
    engine = Here(ALLOW)
    before = time.monotonic()
    await judge(engine, budget=60)
    assert before + 30 <= engine.deadline <= time.monotonic() + 30


async def test_long_text_after_the_end_is_no_verdict() -> None:
    panel = Panel([Here(ALLOW)], 5)
    await panel.close()
    assert (await panel.judge(item("a" * AT_ONCE))).outcome is NO_VERDICT


# -- definitions may be cached ------------------------------------------------------------------------------------------


async def asked_for(*items: ScanItem, says: Any = ALLOW, clock: Clock | None = None, later: float = 0.0) -> int:
    """How often an engine was asked about these items."""
    engine, clock = Asked(says), clock or Clock()
    panel = Panel([engine], 5, clock=clock)
    for definition in items:
        await panel.judge(definition)
        clock.now += later
    return len(engine.items)


DEFINITION = item("hello", Leg.DEFINITIONS, method="tools/list")


@pytest.mark.parametrize("says", [ALLOW, BLOCK])
async def test_definition_is_judged_once(says: Outcome) -> None:
    assert await asked_for(DEFINITION, DEFINITION, says=says) == 1


async def test_definition_without_a_verdict_is_asked_about_again() -> None:
    assert await asked_for(DEFINITION, DEFINITION, says=NO_VERDICT) == 2


@pytest.mark.parametrize("leg", sorted(set(Leg) - {Leg.DEFINITIONS}))
async def test_nothing_but_definitions_is_cached(leg: Leg) -> None:
    assert await asked_for(item("hello", leg), item("hello", leg)) == 2


async def test_other_definition_name_or_server_is_judged_anew() -> None:
    other = [{"name": "other"}, {"server": "dev.other"}, {"method": "prompts/list"}]
    changed = [item("hello", Leg.DEFINITIONS, **{"method": "tools/list", **change}) for change in other]
    assert await asked_for(DEFINITION, item("hello!", Leg.DEFINITIONS, method="tools/list"), *changed) == 5


async def test_cached_verdict_ages() -> None:
    assert await asked_for(DEFINITION, DEFINITION, later=CACHE_SECONDS - 1) == 1
    assert await asked_for(DEFINITION, DEFINITION, later=CACHE_SECONDS) == 2


async def test_cache_is_bounded_and_forgets_the_least_used() -> None:
    fill = [item(str(number), Leg.DEFINITIONS, method="tools/list") for number in range(CACHED)]
    assert await asked_for(DEFINITION, *fill[:-1], DEFINITION, fill[-1], DEFINITION) == CACHED + 1
    assert await asked_for(DEFINITION, *fill, DEFINITION) == CACHED + 2


async def test_cached_verdict_says_it_took_no_time() -> None:
    panel = Panel([Asked(ALLOW)], 5)
    await panel.judge(DEFINITION)
    assert (await panel.judge(DEFINITION)).verdicts[0].milliseconds == 0.0


# -- from the configuration ---------------------------------------------------------------------------------------------


def config(engines: dict[str, Any], **guard: Any) -> GuardConfig:
    lock = {"version": 1, "server": {"name": "s", "version": "1"}}
    return GuardConfig.model_validate(
        {
            "version": 1,
            "server": {"environment": "dev", "name": "github"},
            "listen": {"port": 9010},
            "path": "/mcp",
            "origin": {"url": "http://127.0.0.1:8080/mcp"},
            "identity": {"demo": {"principal": "person:ada"}},
            "limits": {},
            "guard": {"engines": engines, **guard},
            "audit": {"path": "/var/log/audit.jsonl"},
            "tool_lock_sha256": digest(lock),
            "tool_lock": lock,
        }
    )


def lakera_at(url: str) -> dict[str, Any]:
    return {"base_url": url, "project_id": "project-1", "api_key": {"env": "LAKERA"}}


def airs_at(url: str) -> dict[str, Any]:
    return {"base_url": url, "profile_name": "strict", "api_key": {"env": "AIRS"}}


async def test_panel_of_a_configuration_asks_every_vendor_it_names() -> None:
    with LakeraService() as lakera, AirsService() as airs:
        lakera.markers, settings = {}, {"lakera": lakera_at(lakera.url), "prisma_airs": airs_at(airs.url)}
        panel = build_panel(config(settings), {"LAKERA": KEY, "AIRS": KEY})
        assert panel.names == ("lakera", "prisma_airs")
        judgements = await panel.judge(item("hello")), await panel.judge(item(ATTACK))
        await panel.close()
        harmless, attack = judgements
    assert (harmless.outcome, attack.outcome) == (ALLOW, BLOCK)
    assert {verdict.engine for verdict in harmless.verdicts} == {"lakera", "prisma_airs"}


async def test_block_on_action_of_the_configuration_is_obeyed() -> None:
    with AirsService() as airs:
        airs.alert_only = True
        settings = {"prisma_airs": airs_at(airs.url) | {"block_on": "action"}}
        panel = build_panel(config(settings), {"AIRS": KEY})
        judgement = await panel.judge(item(ATTACK))
        await panel.close()
        assert judgement.outcome is ALLOW


async def test_legs_of_the_configuration_that_may_pass_are_heard_out() -> None:
    with LakeraService() as lakera, AirsService() as airs:
        settings = {"lakera": lakera_at(lakera.url), "prisma_airs": airs_at(airs.url)}
        panel = build_panel(config(settings, legs={"results": "flag"}), {"LAKERA": KEY, "AIRS": KEY})
        judgement = await panel.judge(item(ATTACK))
        await panel.close()
        assert len(judgement.verdicts) == 2


@pytest.mark.parametrize(("kind", "name"), [(LakeraService, "lakera"), (AirsService, "prisma_airs")])
@pytest.mark.parametrize(("policy", "outcome"), [("flag", NO_VERDICT), ("redact", NO_VERDICT), ("block", BLOCK)])
async def test_block_does_not_let_an_unheard_piece_pass_where_policy_lets_findings_pass(
    kind: type[EngineService], name: str, policy: str, outcome: Outcome
) -> None:
    with kind() as service:
        service.replies.append(Reply({}, 400))
        settings = {name: lakera_at(service.url) if name == "lakera" else airs_at(service.url)}
        panel = build_panel(config(settings, legs={"results": policy}), {"LAKERA": KEY, "AIRS": KEY})
        judgement = await panel.judge(item(f"{ATTACK} " * 1500))
        await panel.close()
        assert judgement.outcome is outcome


@pytest.mark.parametrize("environ", [{}, {"LAKERA": ""}, {"LAKERA": "with blank"}])
@pytest.mark.parametrize("beside", [{}, {"embedded": {}}])
def test_vendor_without_its_key_is_an_error_and_embedded_never_stands_in(
    environ: dict[str, str], beside: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="LAKERA"):
        build_panel(config({"lakera": lakera_at("https://api.lakera.ai"), **beside}), environ)


async def test_embedded_engine_of_the_configuration_answers_without_the_network() -> None:
    panel = build_panel(config({"embedded": {}}), {})
    assert panel.names == ("embedded",)
    judgement = await panel.judge(item("The weather is fine."))
    await panel.close()
    assert judgement.outcome is ALLOW


async def test_engine_that_cannot_be_closed_does_not_keep_the_others_open(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(Asked):
        async def close(self) -> None:
            raise OSError("x")

    other = Asked(ALLOW)
    await Panel([Stuck(ALLOW), other], 5).close()
    assert other.closed
    assert "could not be closed: OSError" in caplog.text


async def test_closed_lakera_engine_gives_no_verdict(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with LakeraService() as lakera:
        started = time.monotonic()
        engine = LakeraVerdictEngine(lakera.url, "project-1", KEY)
        await engine.close()
        assert (await Panel([engine], 90).judge(item("hello"))).outcome is NO_VERDICT
        assert time.monotonic() - started < 60
        assert not lakera.seen
