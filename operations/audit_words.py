"""Says in words what a record of the audit log says in codes."""

from __future__ import annotations

from typing import Any

from guard.decide.reasons import Reason, TokenFault
from guard.inspect.verdict import Category
from model.text import counted

_SOURCES = {"access": "Access token", "bearer": "Bearer token"}
_FINDINGS = {
    Category.INJECTION: "The text tries to steer a model.",
    Category.JAILBREAK: "The text tries to take a model's rules away.",
    Category.TOOL_POISONING: "The definition gives a model orders.",
    Category.SECRET: "The text holds a secret.",
    Category.PERSONAL_DATA: "The text holds personal data.",
    Category.MALICIOUS_URL: "The text holds an address that is known or looks to be malicious.",
    Category.TOXIC: "The text is abusive.",
    Category.MALICIOUS_CODE: "The text holds code that does harm.",
    Category.HIDDEN_TEXT: "The text holds characters that a reader does not see.",
    Category.POLICY: "The text breaks a policy of the engine's operator.",
}
_MEANINGS = {str(reason): reason.meaning for reason in Reason} | {str(name): text for name, text in _FINDINGS.items()}
_FAULTS = {str(fault): fault.meaning for fault in TokenFault}


def reason_words(reason: str) -> str:
    """What a reason means; empty for a decision's own word and for a reason of another version."""
    if reason in _MEANINGS:
        return _MEANINGS[reason]
    source, _, ending = reason.partition("_")
    if source in _SOURCES and ending in _FAULTS:
        return f"{_SOURCES[source]}: {_FAULTS[ending]}"
    if source == "withheld" and ending.isdecimal():
        return f"{counted(int(ending), 'definition')} of the list withheld."
    if source == "origin" and ending.isdecimal():
        return f"The server refused with HTTP {ending}."
    return ""


def usage_words(usage: dict[str, Any]) -> str:
    """What an answer of a model used: its tokens, whether they are the provider's figures, and what they cost."""
    tokens = f"used {counted(usage.get('input', 0), 'token')} in and {usage.get('output', 0)} out"
    estimated = ", estimated as the provider did not say" if usage.get("estimated") else ""
    cost = f", at {usage['cost']}" if usage.get("cost") else ""
    return f"{tokens}{estimated}{cost}"


def limit_words(limit: dict[str, Any]) -> str:
    """The limit that a request met: its key, its numbers, and when to come again."""
    parts = [f"limit {limit.get('limit')}"]
    if limit.get("most") is not None:
        parts.append(f"{limit['most']} allowed, {limit.get('used')} used")
    if limit.get("retryAfterSeconds") is not None:
        parts.append(f"again in {limit['retryAfterSeconds']} s")
    return ": ".join([parts[0], ", ".join(parts[1:])]) if parts[1:] else parts[0]
