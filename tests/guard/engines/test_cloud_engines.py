"""Bedrock Guardrails, Model Armor, Azure AI Content Safety: the documented request, and each answer that is no verdict."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from guard.engines.services import make_engine
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem, Verdict
from model.engines import AzureContentSafetyEngine, BedrockEngine, Engines, ModelArmorEngine, VerdictService
from tests.support.cloud_engine_services import (
    AzureService,
    BedrockService,
    ModelArmorService,
    armor_filters,
    content_filter,
)
from tests.support.engine_services import ATTACK, KEY, EngineService, Reply, item
from tests.support.waiting import PATIENCE

ALLOW, BLOCK, NO_VERDICT = Outcome.ALLOW, Outcome.BLOCK, Outcome.NO_VERDICT
KINDS = pytest.mark.parametrize("kind", [BedrockService, ModelArmorService, AzureService])


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(KEY)
    file.chmod(0o600)
    return file


def settings_for(service: EngineService, token: Path, **changes: Any) -> VerdictService:
    if isinstance(service, BedrockService):
        values = {"guardrail": "abc123", "guardrail_version": "3", "api_key": {"env": "BEDROCK"}}
        return BedrockEngine.model_validate({"base_url": service.url, **values, **changes})
    if isinstance(service, ModelArmorService):
        values = {"template": "projects/p/locations/eu/templates/t", "token": {"file": str(token)}}
        return ModelArmorEngine.model_validate({"base_url": service.url, **values, **changes})
    return AzureContentSafetyEngine.model_validate({"base_url": service.url, "api_key": {"env": "AZURE"}, **changes})


async def judge(service: EngineService, token: Path, *items: ScanItem, **changes: Any) -> list[Verdict]:
    """One engine's verdicts on these items."""
    engine = make_engine(settings_for(service, token, **changes), KEY)
    try:
        return [await engine.scan(each, time.monotonic() + PATIENCE) for each in items]
    finally:
        await engine.close()


async def on(
    service: EngineService, token: Path, *answers: Any, leg: Leg = Leg.RESULTS, **changes: Any
) -> list[Verdict]:
    """The verdicts on one item by each of these answers."""
    service.replies.extend(Reply(answer) for answer in answers)
    return await judge(service, token, *[item("hello", leg)] * len(answers), **changes)


@KINDS
async def test_harmless_text_is_allowed_and_an_attack_blocked_on_every_leg(
    kind: type[EngineService], token: Path
) -> None:
    with kind() as service:
        legs = [item(text, leg) for leg in Leg for text in ("hello", ATTACK)]
        verdicts = await judge(service, token, *legs)
    assert [verdict.outcome for verdict in verdicts] == [ALLOW, BLOCK] * len(Leg), verdicts
    for leg, verdict in zip(Leg, verdicts[1::2], strict=True):
        [finding] = verdict.findings
        assert finding.category is (Category.TOOL_POISONING if leg is Leg.DEFINITIONS else Category.INJECTION)
        assert finding.untrusted


@KINDS
async def test_long_text_is_cut_so_that_no_piece_is_over_the_limit_and_no_cut_hides_a_phrase(
    kind: type[EngineService], token: Path
) -> None:
    with kind() as service:
        verdicts = await judge(service, token, item("𝄞" * 50_000), item("x" * 7_980 + ATTACK + "y" * 20_000))
        assert [verdict.outcome for verdict in verdicts] == [ALLOW, BLOCK]
        assert len(service.seen) > 2


@KINDS
async def test_wrong_key_is_no_verdict(kind: type[EngineService], token: Path) -> None:
    with kind() as service:
        token.write_text("another-token")
        engine = make_engine(settings_for(service, token), "another-key")
        verdict = await engine.scan(item("hello"), time.monotonic() + PATIENCE)
        await engine.close()
    assert (verdict.outcome, verdict.error) == (NO_VERDICT, "it answered 401")


@KINDS
async def test_an_empty_or_foreign_answer_is_no_verdict(kind: type[EngineService], token: Path) -> None:
    answers: list[Any] = [{}, [], None, "ok", {"flagged": False}, {"action": "allow"}, {"message": "Internal error"}]
    with kind() as service:
        for verdict, answer in zip(await on(service, token, *answers), answers, strict=True):
            assert verdict.outcome is NO_VERDICT, answer


BEDROCK: list[dict[str, Any]] = [
    {"action": "ALLOWED"},
    {"action": None},
    {"action": ["NONE"]},
    {"assessments": None},
    {"assessments": {}},
    {"assessments": ["none"]},
    {"assessments": [{"contentPolicy": []}]},
    {"assessments": [{"contentPolicy": {"filters": "none"}}]},
    {"assessments": [{"contentPolicy": {"filters": [content_filter("HATE") | {"action": "ALLOWED"}]}}]},
    {"assessments": [{"contentPolicy": {"filters": [content_filter("HATE") | {"detected": 0}]}}]},
    {"assessments": [{"contentPolicy": {"filters": [content_filter("HATE") | {"type": None}]}}]},
    {"usage": None},
    {"usage": {}},
    {"usage": {"contentPolicyUnits": 0, "wordPolicyUnits": 0}},
    {"usage": {"contentPolicyUnits": "1"}},
    {"guardrailCoverage": None},
    {"guardrailCoverage": {"textCharacters": None}},
    {"guardrailCoverage": {"textCharacters": {"guarded": 4, "total": 5}}},
    {"guardrailCoverage": {"textCharacters": {"guarded": 0, "total": 0}}},
    {"guardrailCoverage": {"textCharacters": {"guarded": "5", "total": "5"}}},
    {"guardrailCoverage": {"textCharacters": {"guarded": True, "total": True}}},
    {"error": "ThrottlingException"},
    {"Action": "GUARDRAIL_INTERVENED"},
]
ARMOR: list[dict[str, Any]] = [
    {"filterMatchState": None},
    {"filterMatchState": "FILTER_MATCH_STATE_UNSPECIFIED"},
    {"filterMatchState": 1},
    {"invocationResult": None},
    {"invocationResult": "PARTIAL"},
    {"invocationResult": "FAILURE"},
    {"filterResults": None},
    {"filterResults": {}},
    {"filterResults": []},
    {"filterResults": armor_filters(sdp={})},
    {"filterResults": armor_filters(sdp=[])},
    {"filterResults": armor_filters(csam={"csamFilterFilterResult": {"executionState": "EXECUTION_SKIPPED"}})},
    {"filterResults": armor_filters(csam={"csamFilterFilterResult": {"executionState": "EXECUTION_SUCCESS"}})},
    {"filterResults": armor_filters(new={"newResult": {"matchState": "NO_MATCH_FOUND"}})},
    {"sanitizationMetadata": {"errorCode": "13", "errorMessage": "x"}},
    {"sanitizationMetadata": "none"},
    {"error": {"code": 500}},
    {"FilterMatchState": "MATCH_FOUND"},
]
AZURE: list[dict[str, Any]] = [
    {"documentsAnalysis": None},
    {"documentsAnalysis": []},
    {"documentsAnalysis": {"attackDetected": False}},
    {"documentsAnalysis": [{"attackDetected": False}] * 2},
    {"documentsAnalysis": [{}]},
    {"documentsAnalysis": [{"attackDetected": "false"}]},
    {"documentsAnalysis": [{"attackDetected": 0}]},
    {"documentsAnalysis": [{"attackDetected": None}]},
    {"documentsAnalysis": [{"attackDetected": False, "AttackDetected": True}]},
    {"userPromptAnalysis": {}},
    {"userPromptAnalysis": {"attackDetected": "false"}},
    {"error": {"code": "InvalidRequestBody"}},
    {"DocumentsAnalysis": [{"attackDetected": True}]},
]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [(BedrockService, BEDROCK), (ModelArmorService, ARMOR), (AzureService, AZURE)],
    ids=["bedrock", "model_armor", "azure_content_safety"],
)
async def test_answer_that_is_not_quite_the_documented_clean_one_is_no_verdict(
    kind: type[EngineService], changes: list[dict[str, Any]], token: Path
) -> None:
    with kind() as service:
        answers = [service.good(**change) for change in changes]
        [clean, *verdicts] = await on(service, token, service.good(), *answers)
    assert clean.outcome is ALLOW, clean
    for verdict, change in zip(verdicts, changes, strict=True):
        assert (verdict.outcome, bool(verdict.error)) == (NO_VERDICT, True), change


async def test_bedrock_blocks_what_is_detected_only_unless_the_guardrails_action_decides(token: Path) -> None:
    with BedrockService() as service:
        service.detect_only = True
        [strict] = await judge(service, token, item(ATTACK))
        [lax] = await judge(service, token, item(ATTACK), block_on="action")
    assert strict.outcome is BLOCK
    assert strict.findings == (EngineFinding(Category.INJECTION, "PROMPT_ATTACK"),)
    assert lax.outcome is ALLOW
    assert lax.findings == (EngineFinding(Category.INJECTION, "PROMPT_ATTACK", advisory=True),)


async def test_bedrock_intervention_without_a_finding_blocks(token: Path) -> None:
    with BedrockService() as service:
        [verdict] = await on(service, token, service.good(action="GUARDRAIL_INTERVENED"))
    assert (verdict.outcome, verdict.findings) == (BLOCK, (EngineFinding(Category.POLICY, "flagged"),))


async def test_bedrocks_policies_map_to_our_categories_and_quoted_words_to_places(token: Path) -> None:
    row = {"action": "BLOCKED", "detected": True}
    assessment = {
        "topicPolicy": {"topics": [row | {"name": "Mergers", "type": "DENY"}]},
        "contentPolicy": {"filters": [content_filter("HATE", action="BLOCKED")]},
        "wordPolicy": {
            "customWords": [row | {"match": "hello"}],
            "managedWordLists": [row | {"match": "elsewhere", "type": "PROFANITY"}],
        },
        "sensitiveInformationPolicy": {
            "piiEntities": [
                row | {"match": "hello", "type": "EMAIL", "action": "ANONYMIZED"},
                row | {"match": "hello", "type": "AWS_SECRET_KEY"},
            ],
            "regexes": [row | {"name": "staff number", "match": "el", "regex": "e."}],
        },
    }
    with BedrockService() as service:
        answer = service.good(action="GUARDRAIL_INTERVENED", assessments=[assessment])
        [verdict] = await on(service, token, answer)
    assert [(f.category, f.rule, f.pointer, f.span) for f in verdict.findings] == [
        (Category.POLICY, "Mergers", "", None),
        (Category.TOXIC, "HATE", "", None),
        (Category.POLICY, "custom word", "/text", (0, 5)),
        (Category.TOXIC, "PROFANITY", "", None),
        (Category.PERSONAL_DATA, "EMAIL", "/text", (0, 5)),
        (Category.SECRET, "AWS_SECRET_KEY", "/text", (0, 5)),
        (Category.PERSONAL_DATA, "staff number", "/text", (1, 3)),
    ]


async def test_a_guardrails_arn_is_one_part_of_the_path(token: Path) -> None:
    arn = "arn:aws:bedrock:eu-central-1:123456789012:guardrail/abc123"
    with BedrockService() as service:
        await judge(service, token, item("hello"), guardrail=arn)
        [seen] = service.seen
    assert seen.path == f"/guardrail/{arn.replace(':', '%3A').replace('/', '%2F')}/version/3/apply"


async def test_model_armors_filter_that_matches_blocks_whatever_the_whole_says(token: Path) -> None:
    sdp = {"executionState": "EXECUTION_SUCCESS", "matchState": "MATCH_FOUND"}
    found = {"findings": [{"infoType": "GCP_API_KEY"}, {"infoType": "EMAIL_ADDRESS"}]}
    filters = armor_filters("rai", "malicious_uris", sdp={"sdpFilterResult": {"inspectResult": sdp | found}})
    with ModelArmorService() as service:
        [filtered, bare] = await on(
            service, token, service.good(filterResults=filters), service.good(filterMatchState="MATCH_FOUND")
        )
    assert filtered.outcome is BLOCK
    assert [(f.category, f.rule) for f in filtered.findings] == [
        (Category.MALICIOUS_URL, "malicious_uris"),
        (Category.TOXIC, "hate_speech"),
        (Category.SECRET, "GCP_API_KEY"),
        (Category.PERSONAL_DATA, "EMAIL_ADDRESS"),
    ]
    assert (bare.outcome, bare.findings) == (BLOCK, (EngineFinding(Category.POLICY, "flagged"),))


async def test_model_armors_token_is_read_again_for_every_request(token: Path) -> None:
    with ModelArmorService() as service:
        engine = make_engine(settings_for(service, token), KEY)
        outcomes = []
        for content in (KEY, "renewed-token", None):
            service.token = content or "renewed-token"
            token.unlink() if content is None else token.write_text(content)
            outcomes.append(await engine.scan(item("hello"), time.monotonic() + PATIENCE))
        await engine.close()
        assert len(service.seen) == 2
    assert [verdict.outcome for verdict in outcomes] == [ALLOW, ALLOW, NO_VERDICT]
    assert "cannot be opened" in str(outcomes[-1].error)


async def test_azure_asks_about_arguments_as_a_prompt_and_hears_both_analyses(token: Path) -> None:
    attack, clean = {"attackDetected": True}, {"attackDetected": False}
    with AzureService() as service:
        arguments = await on(
            service,
            token,
            {"userPromptAnalysis": clean, "documentsAnalysis": []},
            {"userPromptAnalysis": clean},
            {"documentsAnalysis": []},
            {"userPromptAnalysis": attack, "documentsAnalysis": []},
            leg=Leg.ARGUMENTS,
        )
        assert service.bodies[0] == {"userPrompt": "text: hello", "documents": []}
        results = await on(service, token, {"documentsAnalysis": [clean]}, service.good(userPromptAnalysis=attack))
        assert service.bodies[-1] == {"userPrompt": "", "documents": ["text: hello"]}
    assert [verdict.outcome for verdict in arguments] == [ALLOW, ALLOW, NO_VERDICT, BLOCK]
    assert [verdict.outcome for verdict in results] == [ALLOW, BLOCK]


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"model_armor": {"token": {"env": "TOKEN"}}}, "ends after an hour"),
        ({"model_armor": {"template": "t"}}, "String should match pattern"),
        ({"bedrock": {"guardrail": "../../x"}}, "String should match pattern"),
        ({"bedrock": {"guardrail_version": "latest"}}, "String should match pattern"),
        ({"azure_content_safety": {"base_url": "http://example.com"}}, "must be an https URL"),
    ],
)
def test_settings_that_cannot_work_are_refused(engine: dict[str, dict[str, Any]], words: str, token: Path) -> None:
    [(name, changes)] = engine.items()
    kinds = {"model_armor": ModelArmorService, "bedrock": BedrockService, "azure_content_safety": AzureService}
    with kinds[name]() as service:
        good = settings_for(service, token).dump()
    Engines.model_validate({name: good})
    with pytest.raises(ValueError, match=words):
        Engines.model_validate({name: good | changes})
