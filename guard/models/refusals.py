"""Answers in the form of OpenAI's API errors, which every client of that API reads, each under an incident.

A status decides what clients do by themselves (openai-python, `_should_retry`): 408, 409, 429 and 5xx are repeated, unless
`x-should-retry` says otherwise. Kong's circuit breaker takes 502 and 503 for a failure of the guard itself
(`components.gateway.entities`), so a provider's failure is 500 or 504.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from guard.decide.answers import INCIDENT_HEADER
from guard.decide.limits import ReachedLimit
from guard.decide.reasons import AnyReason, Decision
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import ModelLeg
from guard.models.usage import ModelUsage

INVALID = "invalid_request_error"
SERVER = "server_error"
LIMIT = "rate_limit_error"


class ErrorCode(StrEnum):
    """The `code` of an error: its HTTP status, its `type`, what it means, and whether a client should repeat the request."""

    status: int
    type: str
    meaning: str
    repeats: bool

    def __new__(cls, value: str, status: int, type_: str, meaning: str, repeats: bool = True) -> ErrorCode:
        member = str.__new__(cls, value)
        member._value_ = value
        member.status, member.type, member.meaning, member.repeats = status, type_, meaning, repeats
        return member

    INVALID_REQUEST = (
        "invalid_request",
        400,
        INVALID,
        "The request is not HTTP or JSON with one meaning, or a member is wrong.",
    )
    UNKNOWN_PARAMETER = (
        "unknown_parameter",
        400,
        INVALID,
        "The guard does not know the member that `param` names. `guard.extra_parameters` lets it pass.",
    )
    UNSUPPORTED_PARAMETER = (
        "unsupported_parameter",
        400,
        INVALID,
        "What `param` asks for is not carried: the provider would act or keep something itself, or nobody could inspect it.",
    )
    CONTENT_FILTER = (
        "content_filter",
        400,
        INVALID,
        "The guard blocked the request or withheld the answer; the message says which.",
    )
    UNAUTHENTICATED = "unauthenticated", 401, "authentication_error", "Who sends the request could not be verified."
    PERMISSION_DENIED = (
        "permission_denied",
        403,
        "permission_error",
        "The sender is denied, its page may not call, or the guard's configuration closed the route.",
    )
    MODEL_NOT_FOUND = "model_not_found", 404, INVALID, "No grant of the sender names the model, or there is none."
    NOT_FOUND = "not_found", 404, INVALID, "The endpoint has no such path."
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, INVALID, "The path does not have the verb."
    TOO_LARGE = "request_too_large", 413, INVALID, "The body is over `limits.body_kilobytes`, or takes too much memory."
    MEDIA_TYPE = "unsupported_media_type", 415, INVALID, "The body is not uncompressed JSON in UTF-8."
    MISDIRECTED = "misdirected_request", 421, INVALID, "`Host` is no public name of the route."
    RATE_LIMITED = (
        "rate_limit_exceeded",
        429,
        LIMIT,
        "A limit or a budget is reached; the message names it, and `Retry-After` says when to come again.",
    )
    PROVIDER_LIMITED = "provider_rate_limited", 429, LIMIT, "The provider's own limit is reached."
    NO_VERDICT = "no_verdict", 500, SERVER, "No engine reached a verdict on the request, so it was not sent on."
    ANSWER_UNJUDGED = (
        "answer_without_verdict",
        500,
        SERVER,
        "No engine reached a verdict on the answer, which is withheld. The request was carried out, and is charged.",
        False,
    )
    PROVIDER_REFUSED = (
        "provider_refused",
        500,
        SERVER,
        "The provider or the gateway refused the operator's credential, model or address: only an operator can mend it.",
        False,
    )
    PROVIDER_FAILED = "provider_failed", 500, SERVER, "The provider failed, or its answer broke off."
    ANSWER_UNUSABLE = (
        "answer_unusable",
        500,
        SERVER,
        "The provider's answer is not of the OpenAI format, too large to pass on, or the guard has no memory for it now.",
        False,
    )
    PROVIDER_UNAVAILABLE = (
        "provider_unavailable",
        500,
        SERVER,
        "The model failed several times in a row, so for a moment it is not asked.",
    )
    PROVIDER_SLOW = "provider_timeout", 504, SERVER, "The provider was silent for longer than `timeouts.read`."
    GUARD_CLOSED = (
        "guard_closed",
        503,
        SERVER,
        "The guard ends, or cannot write its audit log, or cannot verify anybody.",
    )


@dataclass
class ModelRefusal(Exception):
    """A request that goes no further, or whose answer is withheld.

    `param` is the member of the request that is wrong. The rest is for the audit log: the key of the stack file that decided
    and what was wrong, where the reason does not say it; what was judged, on which leg; what was used; which limit was met.
    """

    code: ErrorCode
    message: str
    reason: AnyReason
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    decision: Decision = Decision.REFUSE
    key: str | None = None
    problem: str | None = None
    leg: ModelLeg | None = None
    inspected: Inspected | None = None
    usage: ModelUsage | None = None
    reached: ReachedLimit | None = None

    def body(self, incident: str) -> dict[str, Any]:
        """The error as OpenAI's API writes it, with the incident in its text and as a member of its own."""
        text = self.message if self.message.endswith(".") else f"{self.message}."
        error = {
            "message": text if incident in text else f"{text} Incident {incident}.",
            "type": self.code.type,
            "param": self.param,
            "code": self.code.value,
            "incident": incident,
        }
        return {"error": error}

    def answer_headers(self, incident: str) -> dict[str, str]:
        """The headers of an answer that is an error from its beginning."""
        repeats = {} if self.code.repeats or self.code.status < 500 else {"x-should-retry": "false"}
        return {**repeats, **self.headers, INCIDENT_HEADER: incident}


#: What a refusal by the rules for HTTP (`guard.http.http_rules`) is called here, by its status.
OF_STATUS = {
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.PERMISSION_DENIED,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.TOO_LARGE,
    415: ErrorCode.MEDIA_TYPE,
    421: ErrorCode.MISDIRECTED,
    429: ErrorCode.RATE_LIMITED,
    503: ErrorCode.GUARD_CLOSED,
}
