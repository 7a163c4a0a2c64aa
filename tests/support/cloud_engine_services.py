"""Stand-ins of Bedrock Guardrails, Model Armor and Azure AI Content Safety on loopback, written from their documentation.

They are strict about requests where the documents are silent: no member more, none missing, no text over the limit.
"""

from __future__ import annotations

from typing import Any

from tests.support.engine_services import ATTACK, KEY, EngineService, Reply


class BedrockService(EngineService):
    """ApplyGuardrail (Amazon Bedrock API reference). `markers` map words to a policy's list and the entry in it."""

    path = "/guardrail/abc123/version/3/apply"

    def __init__(self) -> None:
        super().__init__()
        self.markers[ATTACK] = "PROMPT_ATTACK"
        #: The guardrail reports and does not act.
        self.detect_only = False

    def authorized(self, headers: dict[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {KEY}"

    def text(self, body: Any) -> str:
        assert body.keys() == {"source", "content", "outputScope"}
        assert (body["source"], body["outputScope"]) == ("INPUT", "FULL")
        [block] = body["content"]
        assert block.keys() == {"text"}
        assert block["text"].keys() == {"text"}
        text = block["text"]["text"]
        assert 0 < len(text) <= 25_000
        return str(text)

    def good(self, request: Any = None, **changes: Any) -> dict[str, Any]:
        length = 5 if request is None else len(self.text(request))
        answer: dict[str, Any] = {
            "usage": {"topicPolicyUnits": 0, "contentPolicyUnits": 1, "wordPolicyUnits": 0},
            "action": "NONE",
            "actionReason": "No action.",
            "outputs": [],
            "assessments": [{"contentPolicy": {"filters": [content_filter("PROMPT_ATTACK", detected=False)]}}],
            "guardrailCoverage": {"textCharacters": {"guarded": length, "total": length}},
        }
        return answer | changes

    def verdict(self, body: Any) -> Reply:
        found = self._found(body)
        action = "NONE" if self.detect_only else "BLOCKED"
        rows = [content_filter(kind, action=action) for kind in found]
        answer = self.good(body)
        if rows:
            answer |= {"assessments": [{"contentPolicy": {"filters": rows}}]}
            answer |= {"action": "NONE" if self.detect_only else "GUARDRAIL_INTERVENED"}
        return Reply(answer)


def content_filter(kind: str, *, detected: bool = True, action: str = "NONE") -> dict[str, Any]:
    """An entry of `contentPolicy.filters`."""
    confidence = "HIGH" if detected else "NONE"
    return {"type": kind, "confidence": confidence, "filterStrength": "HIGH", "action": action, "detected": detected}


class ModelArmorService(EngineService):
    """sanitizeUserPrompt and sanitizeModelResponse (googleapis, modelarmor v1). `markers` map words to filters."""

    path = "/v1/projects/p/locations/eu/templates/t"

    def __init__(self) -> None:
        super().__init__()
        self.markers[ATTACK] = "pi_and_jailbreak"
        self.token = KEY

    def serves(self, path: str) -> bool:
        self.method = path.removeprefix(f"{self.path}:")
        return self.method in ("sanitizeUserPrompt", "sanitizeModelResponse")

    def authorized(self, headers: dict[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {self.token}"

    def text(self, body: Any) -> str:
        [(name, item)] = body.items()
        assert (
            name == {"sanitizeUserPrompt": "userPromptData", "sanitizeModelResponse": "modelResponseData"}[self.method]
        )
        assert item.keys() == {"text"}
        assert 0 < len(item["text"]) <= 10_000
        return str(item["text"])

    def good(self, request: Any = None, **changes: Any) -> dict[str, Any]:
        result = {
            "filterMatchState": "NO_MATCH_FOUND",
            "invocationResult": "SUCCESS",
            "filterResults": armor_filters(),
            "sanitizationMetadata": {},
        }
        return {"sanitizationResult": result | changes}

    def verdict(self, body: Any) -> Reply:
        found = self._found(body)
        if not found:
            return Reply(self.good())
        return Reply(self.good(filterMatchState="MATCH_FOUND", filterResults=armor_filters(*found)))


def armor_filters(*matching: str, **changes: Any) -> dict[str, Any]:
    """The results of all filters, some of which match."""

    def result(name: str, **more: Any) -> dict[str, Any]:
        state = "MATCH_FOUND" if name in matching else "NO_MATCH_FOUND"
        return {"executionState": "EXECUTION_SUCCESS", "matchState": state, **more}

    kinds = {"hate_speech": {"matchState": result("rai")["matchState"]}, "dangerous": {"matchState": "NO_MATCH_FOUND"}}
    return {
        "csam": {"csamFilterFilterResult": result("csam")},
        "malicious_uris": {"maliciousUriFilterResult": result("malicious_uris")},
        "rai": {"raiFilterResult": result("rai", raiFilterTypeResults=kinds)},
        "pi_and_jailbreak": {"piAndJailbreakFilterResult": result("pi_and_jailbreak")},
        "sdp": {"sdpFilterResult": {"inspectResult": result("sdp")}},
        **changes,
    }


class AzureService(EngineService):
    """text:shieldPrompt of 2024-09-01 (azure-rest-api-specs). A marker's value says whose analysis it is found in."""

    path = "/contentsafety/text:shieldPrompt?api-version=2024-09-01"

    def __init__(self) -> None:
        super().__init__()
        self.markers[ATTACK] = "attack"

    def authorized(self, headers: dict[str, str]) -> bool:
        return headers.get("ocp-apim-subscription-key") == KEY

    def text(self, body: Any) -> str:
        assert body.keys() == {"userPrompt", "documents"}
        assert len(body["userPrompt"]) <= 10_000
        assert len(body["documents"]) <= 5
        assert sum(map(len, body["documents"])) <= 10_000
        [text] = [part for part in (body["userPrompt"], *body["documents"]) if part]
        return str(text)

    def good(self, request: Any = None, **changes: Any) -> dict[str, Any]:
        answer = {"userPromptAnalysis": {"attackDetected": False}, "documentsAnalysis": [{"attackDetected": False}]}
        return answer | changes

    def verdict(self, body: Any) -> Reply:
        found = bool(self._found(body))
        if body["documents"]:
            return Reply(self.good(documentsAnalysis=[{"attackDetected": found}]))
        return Reply(self.good(userPromptAnalysis={"attackDetected": found}, documentsAnalysis=[]))
