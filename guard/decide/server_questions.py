"""Judges what a server asks of a client beyond text, which the engines read: context for its model, addresses for people.

A question comes as a request of the server's own (up to 2025-11-25), in `inputRequests` of a result (2026-07-28), or, for
addresses, in an error that says that they have to be visited first (-32042). All three are judged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guard.decide.reasons import Reason
from guard.engines.decoding import fold
from model.base import split_url
from model.defaults import Questions
from wire.jsonrpc import Answer, blurred

_SAMPLING, _ELICITATION = "sampling/createMessage", "elicitation/create"
_AUTHORITY = re.compile(r"[A-Za-z0-9.-]+(:443)?")
_CONTEXTS = ("none", "thisServer", "allServers")
_DECIDING = frozenset(("mode", "url", "includeContext", "requestedSchema"))
#: MCP 2025-11-25, "Elicitation": URLElicitationRequiredError.
_URL_REQUIRED = -32042
#: Members of a field whose value is chosen and not typed in.
_CHOSEN = frozenset(("enum", "const", "oneOf", "anyOf", "items"))
#: Characters of a label that are looked at, and its words.
_LONGEST_LABEL = 200
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
#: Names of secrets by which accounts and cards are opened; accents are gone (`fold`).
_SECRET_LABEL = re.compile(
    r"\b(?:pass ?(?:word|phrase|code|wd)s?|pwd|credentials?|api ?keys?|(?:access|auth|bearer|refresh|session|api) tokens?|"
    r"(?:access|secret|private|client|ssh) (?:keys?|secrets?)|^(?:secret|token)$|secret access|"
    r"pin (?:code|number)|^(?:your |enter |enter your )?pin$|cvv ?2?|cvc ?2?|card (?:number|no)|credit card|"
    r"otp|totp|(?:2 ?fa|mfa|one time|verification|security|authenticat\w+|backup|recovery|sms|login) codes?|"
    r"(?:seed|recovery|secret|mnemonic) phrase|mnemonic|ssn|social security(?: number)?|"
    r"passwort|kennwort|mot de passe|contrasena|senha|losenord|passord|adgangskode|wachtwoord|haslo|salasana|heslo|sifre)\b|"
    r"парол|密码|密碼|パスワード|비밀번호"
)


@dataclass(frozen=True, slots=True)
class QuestionFault:
    """Why a question goes no further; `problem` is for the audit log and holds no text of the server but a host."""

    reason: Reason
    problem: str


def fault_of(settings: Questions, method: str, params: Any) -> QuestionFault | None:
    """The fault of one question; None where it may be asked."""
    if method not in (_SAMPLING, _ELICITATION):
        return None
    if not isinstance(params, dict) or blurred(params, _DECIDING):
        return QuestionFault(Reason.UNCLEAR_QUESTION, "a member is missing, or a known one in another spelling")
    return _sampling(settings, params) if method == _SAMPLING else _elicitation(settings, params)


def fault_in_result(settings: Questions, result: Mapping[str, Any]) -> QuestionFault | None:
    """The fault of the first question in a result that may not be asked."""
    requests = result.get("inputRequests")
    if not isinstance(requests, dict):
        return None
    return next((fault for question in requests.values() if (fault := _fault(settings, question))), None)


def fault_in_error(settings: Questions, answer: Answer) -> QuestionFault | None:
    """The fault of the first address in an error answer that people may not be sent to."""
    if answer.error is None:
        return None
    data = answer.error.get("data")
    if isinstance(data, dict) and blurred(data, {"elicitations"}):
        return QuestionFault(Reason.UNCLEAR_QUESTION, "elicitations is in another spelling")
    listed = data.get("elicitations") if isinstance(data, dict) else None
    if listed is None and answer.error.get("code") != _URL_REQUIRED:
        return None
    if not isinstance(listed, list):
        return None
    faults = (fault_of(settings, _ELICITATION, params) for params in listed)
    return next((fault for fault in faults if fault is not None), None)


def _fault(settings: Questions, question: Any) -> QuestionFault | None:
    method = question.get("method") if isinstance(question, dict) else None
    if not isinstance(method, str) or blurred(question, {"method", "params"}):
        return QuestionFault(Reason.UNCLEAR_QUESTION, "a question in inputRequests names no method")
    return fault_of(settings, method, question.get("params"))


def _sampling(settings: Questions, params: Mapping[str, Any]) -> QuestionFault | None:
    context = params.get("includeContext")
    if context is None or context == "none":
        return None
    if context not in _CONTEXTS:
        return QuestionFault(Reason.UNCLEAR_QUESTION, "includeContext has no value that MCP knows")
    if _CONTEXTS.index(context) > _CONTEXTS.index(settings.include_context):
        return QuestionFault(Reason.CONTEXT_NOT_GRANTED, f"includeContext is {context}")
    return None


def _elicitation(settings: Questions, params: Mapping[str, Any]) -> QuestionFault | None:
    mode, url = params.get("mode"), params.get("url")
    if mode in (None, "form") and url is None:
        return _form(params.get("requestedSchema"))
    if mode != "url" or not isinstance(url, str):
        return QuestionFault(Reason.UNCLEAR_QUESTION, "the mode is neither form nor url, or does not fit the members")
    host = _host(url)
    if host is None:
        return QuestionFault(Reason.URL_NOT_GRANTED, "the address is no plain https URL")
    if host not in settings.url_hosts:
        return QuestionFault(Reason.URL_NOT_GRANTED, f"the address is at {host}")
    return None


def _form(schema: Any) -> QuestionFault | None:
    """The fault of a form: a field that is typed in, whose name or title says that a secret belongs there."""
    groups = [schema]
    while groups:
        group = groups.pop()
        if not isinstance(group, dict):
            continue
        if blurred(group, {"properties"}):
            return QuestionFault(Reason.UNCLEAR_QUESTION, "properties is in another spelling")
        fields = group.get("properties")
        for name, field in fields.items() if isinstance(fields, dict) else ():
            groups.append(field)  # no group in a group by the schema of MCP, which a client may not enforce
            typed = isinstance(field, dict) and field.get("type") != "boolean" and _CHOSEN.isdisjoint(field)
            labels = (name, field.get("title")) if typed else ()
            if any(isinstance(label, str) and _asks_for_secret(label) for label in labels):
                return QuestionFault(Reason.SECRET_QUESTION, "a field of the form is named as a secret")
    return None


def _asks_for_secret(label: str) -> bool:
    """Whether the name or title of a field is that of a secret: `password`, `apiKey`, `Card number`."""
    words = " ".join(_WORDS.findall(fold(label[:_LONGEST_LABEL]))).lower()
    return _SECRET_LABEL.search(words) is not None


def _host(url: str) -> str | None:
    """The host of an https URL that every reader takes apart alike, without a port of its own; None for any other."""
    try:
        parts = split_url(url.partition("#")[0])
    except ValueError:
        return None
    plain = parts.scheme == "https" and url.startswith("https://") and _AUTHORITY.fullmatch(parts.netloc)
    return parts.hostname if plain else None
