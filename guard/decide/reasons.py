"""Every decision and every reason of the audit log, the metrics and docs/reference/errors.md.

The texts that a caller sees are in `guard.decide.answers`: a caller never learns the reason, only an incident id.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from guard.inspect.verdict import Category


class Decision(StrEnum):
    """What happened to a message, or to a part of it."""

    ALLOW = "allow"
    FLAG = "flag"
    REDACT = "redact"
    BLOCK = "block"
    REFUSE = "refuse"
    ERROR = "error"


class _Explained(StrEnum):
    """A stable word, what it means, and the key of the stack file that decides, where there is one."""

    meaning: str
    key: str | None

    def __new__(cls, value: str, meaning: str, key: str | None = None) -> _Explained:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.key = key
        return member


class Reason(_Explained):
    """Why the guard decided as it did."""

    # The HTTP request, before anyone reads its body.
    NOT_HTTP = "not_http", "What arrived is no HTTP/1.1 request."
    HEAD_TOO_LARGE = "head_too_large", "The request has more headers, or larger ones, than are read."
    CHUNK_FRAMING = "chunk_framing", "The chunks of the body hold more beside its content than is read."
    TOO_SLOW = "too_slow", "The request's headers or its body did not arrive in time."
    UNREAD = "unread", "The client left an answer unread for so long that its connection was cut."
    TOO_MANY_CONNECTIONS = (
        "too_many_connections",
        "As many connections are open, or requests wait on one, as are served.",
    )
    TOO_MANY_STREAMS = "too_many_streams", "The principal has as many streams and requests open as are served at once."
    NO_SUCH_PATH = "no_such_path", "The address is not the path of the MCP endpoint."
    WEBSOCKET = "websocket", "The request asks for a protocol upgrade."
    QUERY = "query", "The address has a query."
    FOREIGN_HOST = "foreign_host", "`Host` is no public name of this server.", "hostname"
    FOREIGN_TARGET = "foreign_target", "The address of the request names another host than `Host` does."
    FOREIGN_ORIGIN = "foreign_origin", "`Origin` may not call this server.", "cors.origins"
    BAD_HEADER = "bad_header", "A header that decides something is not visible ASCII."
    DUPLICATE_HEADER = "duplicate_header", "A header that decides something is given twice."
    NO_SUCH_VERB = "no_such_verb", "The path does not have the verb, or the protocol version does not."
    DRAINING = "draining", "The guard is ending, or it ended the request as a new configuration closed the server."
    WORKER_LOST = "worker_lost", "The worker of this guard that has the session ended while it served the request."
    UNSHARED = (
        "unshared",
        "The other workers, or the guards at the same Redis, could not be told or asked what is known of the principal.",
    )
    BUNDLE_EXPIRED = "bundle_expired", "The guard's signed configuration is past its time."
    DISCONNECTED = "disconnected", "The client closed its connection before its body was complete."
    MEDIA_TYPE = "media_type", "The body is not JSON in UTF-8."
    CONTENT_ENCODING = "content_encoding", "The body is compressed."
    TOO_LARGE = "too_large", "The body is over the limit.", "limits.body_kilobytes"
    # Who it is from. A token's faults are `TokenFault`.
    NO_IDENTITY_CONFIGURED = "no_identity_configured", "The configuration names nobody who can vouch for a caller."
    KEYS_UNAVAILABLE = "keys_unavailable", "The issuer's keys cannot be fetched, so nobody can be verified."
    ISSUER_UNAVAILABLE = (
        "issuer_unavailable",
        "The issuer does not say what the token is, so nobody can be verified.",
        "oauth.issuer",
    )
    PRINCIPALS_DIFFER = (
        "principals_differ",
        "Access and the bearer token do not name the same caller: a person needs one verified address in both.",
    )
    INSUFFICIENT_SCOPE = "insufficient_scope", "The token lacks a scope.", "oauth.scopes"
    DENIED = "denied", "The principal is on the deny list."
    EXPIRED = "expired", "The token expired while the answer was awaited."
    # The message.
    MALFORMED = "malformed", "The body is no message or request with one meaning, or a member has the wrong type."
    UNKNOWN_VERSION = "unknown_version", "The protocol version is unknown."
    PROTOCOL = "protocol", "The headers, the envelope and the body do not say the same (2026-07-28)."
    BATCH = "batch", "The protocol version has no batches, or this batch may not hold these messages."
    BAD_SESSION = "bad_session", "The session id is missing, not visible ASCII, or given to `initialize`."
    UNKNOWN_SESSION = "unknown_session", "The session ended, or is another principal's."
    SESSION_REPLACED = (
        "session_replaced",
        "The principal began a session more than are kept (64), so its least recently used one ended, at the server too.",
    )
    SESSION_EXPIRED = (
        "session_expired",
        "The principal's session was not used for 24 hours and ended, at the server too with the principal's next request.",
    )
    FOREIGN_CURSOR = "foreign_cursor", "`Last-Event-ID` is of another session or principal, or from before a restart."
    FOREIGN_STATE = "foreign_state", "`requestState` was not given to this principal."
    UNEXPECTED_ANSWER = "unexpected_answer", "The message answers no request of the server in this session."
    UNKNOWN_METHOD = "unknown_method", "The guard does not carry the method from this side in this era."
    UNKNOWN_MEMBER = "unknown_member", "The parameters have a member that MCP does not know for this method."
    TASKS = "tasks", "The guard does not carry tasks."
    # A request to a model.
    UNKNOWN_PARAMETER = (
        "unknown_parameter",
        "The guard does not know a member of the request to a model.",
        "guard.extra_parameters",
    )
    UNSUPPORTED_PARAMETER = (
        "unsupported_parameter",
        "The provider would act or keep something by itself, or nobody could inspect what comes of it.",
    )
    TOO_MANY_TOKENS = (
        "too_many_tokens",
        "The request asks for more output tokens than the route allows of the model.",
        "models",
    )
    # What it asks for.
    NOT_GRANTED = (
        "not_granted",
        "No grant of the principal names the tool, prompt, resource or model, or the lock does not.",
        "grants",
    )
    NOT_IN_LOCK = "not_in_lock", "The tool is granted or asked for, and the tool lock does not have it.", "tool_lock"
    LOCK_MISMATCH = "lock_mismatch", "The definition that the server shows is not the approved one.", "tool_lock"
    UNENFORCEABLE = (
        "unenforceable",
        "The tool's pinned input schema cannot be enforced, so the tool is refused.",
        "tool_lock",
    )
    HEADER_MISMATCH = "header_mismatch", "An `Mcp-Param-*` header does not say what the argument says."
    ARGUMENTS = "arguments", "The arguments fit neither the pinned schema nor the grant.", "tool_lock"
    RATE_LIMITED = "rate_limited", "A limit of the principal, the tool, the server or the model route is reached."
    NO_GATEWAY_REMAINDER = "no_gateway_remainder", "Kong did not say what is left of the server's budget."
    # What the engines said; their findings' categories are reasons too.
    NO_VERDICT = "no_verdict", "No engine reached a verdict.", "guard.engines"
    UNREADABLE = "unreadable", "The message holds data that no engine can inspect.", "tool_lock"
    BLOCKED = "blocked", "An engine blocked the message without naming a finding."
    EXCEPTED = "excepted", "An engine found something, and exceptions of the stack file let it pass."
    CONTEXT_NOT_GRANTED = (
        "context_not_granted",
        "Sampling asks for more of the conversation than the stack file lets the server have.",
        "guard.questions.include_context",
    )
    URL_NOT_GRANTED = (
        "url_not_granted",
        "Elicitation sends the person to an address whose host the stack file does not name.",
        "guard.questions.url_hosts",
    )
    SECRET_QUESTION = (
        "secret_question",
        "A form asks for a password, a key, a card number or a code, which MCP forbids (2025-11-25, Elicitation).",
    )
    UNCLEAR_QUESTION = "unclear_question", "The server's question has no single meaning, or is of no known mode."
    TAINT = (
        "taint",
        "The principal was sent text that steers a model, and this call may send data out; or such a text stands in a "
        "conversation, and the model asks for a tool call.",
        "guard.taint.outbound_call",
    )
    TAINT_ASKED = "taint_asked", "The person is asked about such a call."
    TAINT_ANSWERED = "taint_answered", "The person answered."
    TAINT_CONFIRMED = "taint_confirmed", "The person allowed such a call."
    # The server's answer.
    PROGRESS_FLOOD = (
        "progress_flood",
        "The server reports progress faster than a stream passes on; the result still comes.",
    )
    SERVER_FLOOD = (
        "server_flood",
        "The server sends more notifications or questions than a stream passes on; the result still comes.",
    )
    NOT_SUBSCRIBED = "not_subscribed", "The server reports a change of a resource that the caller did not subscribe to."
    CACHED = "cached", "Answered from the cache."
    NO_UPSTREAM_TOKEN = (
        "no_upstream_token",
        "The authorization server gave no token by which the server would act as the caller.",
        "origin.token_exchange",
    )
    ORIGIN_UNAVAILABLE = (
        "origin_unavailable",
        "The server or the provider of a model does not answer, or the server's lists cannot be read.",
    )
    ORIGIN_BROKEN = "origin_broken", "The server answered with something that is no answer to the request."
    ORIGIN_MALFORMED = "origin_malformed", "The server's answer is no JSON-RPC message with one meaning."
    ORIGIN_WRONG_ID = "origin_wrong_id", "The server answered under another id than the request's."
    ORIGIN_REDIRECTS = "origin_redirects", "The server redirects to another address, which the guard does not follow."
    ORIGIN_ENCODING = "origin_encoding", "The server's answer is compressed in a way that cannot be decoded."
    ORIGIN_HEADER = "origin_header", "A header of the server's answer is larger than the guard passes on."
    ANSWER_CUT = (
        "answer_cut",
        "The answer of a model was not sent to its end: the client went away, or the guard ended the request.",
    )
    ID_IN_USE = "id_in_use", "Another request of the session with this id awaits its answer."
    TOO_MANY_SUBSCRIPTIONS = (
        "too_many_subscriptions",
        "The session is subscribed to as many resources as are kept (1,024).",
    )
    TOO_MANY_STATES = "too_many_states", "The server gave the principal more `requestState`s than are kept."
    RESULT_TOO_LARGE = "result_too_large", "The request was executed; the answer is withheld, as it is over 16 MiB."
    MEMORY_USED_UP = (
        "memory_used_up",
        "The messages that the guard holds take as much memory as they may (`guard run --memory`), so a request was not "
        "carried out, or its answer is withheld.",
    )
    RESULT_USED_UP = (
        "result_used_up",
        "The request was executed; the rest of the answer is withheld, as the caller's tokens are used up.",
        "limits.principal_tokens_per_minute",
    )


class TokenFault(_Explained):
    """What is wrong with a token. In the audit log its source stands before it: `access_expired`, `bearer_missing`."""

    MISSING = "missing", "There is no token."
    REPEATED = "repeated", "There is more than one token."
    TOO_LARGE = "too_large", "The token is longer than any real one."
    MALFORMED = (
        "malformed",
        "The token is no bearer token, or no JWT where one is due, or a claim has the wrong type.",
    )
    HEADER_REFUSED = (
        "header_refused",
        "Its header holds a key, an address of a key, or a parameter that changes how the token is read (`crit`).",
    )
    ALGORITHM_REFUSED = "algorithm_refused", "Its algorithm is not allowed."
    WRONG_TYPE = "wrong_type", "Its `typ`, or the type that its issuer names, is not an access token's."
    INACTIVE = "inactive", "Its issuer says that it is not active: it is over, withdrawn, or not of this issuer."
    NO_KEY_ID = "no_key_id", "It does not name its key."
    UNKNOWN_KEY = "unknown_key", "The issuer does not publish its key."
    BAD_SIGNATURE = "bad_signature", "Its signature is wrong."
    KEY_ID_IN_PAYLOAD = "key_id_in_payload", "Its payload names a key."
    WRONG_ISSUER = "wrong_issuer", "It is of another issuer."
    NOT_YET_VALID = "not_yet_valid", "Its time has not come."
    ISSUED_IN_FUTURE = "issued_in_future", "It was issued in the future."
    EXPIRED = "expired", "Its time is over."
    BAD_TIMES = "bad_times", "A time is missing, or is no number."
    UNKNOWN_HOSTNAME = "unknown_hostname", "No Access application stands before this name."
    WRONG_AUDIENCE = "wrong_audience", "It is for another application or server."
    WRONG_TOKEN_TYPE = "wrong_token_type", "It is a session of the organisation's, and no application's token."
    SENDER_CONSTRAINED = (
        "sender_constrained",
        "It proves nothing without its sender's key, which cannot be asked for.",
    )
    AMBIGUOUS = "ambiguous", "It could be a person's or an agent's, or names several."
    UNKNOWN_AGENT = "unknown_agent", "It is of an agent that the configuration does not name."


#: A reason with a part that varies. Only the functions below make one.
Composed = NewType("Composed", str)
AnyReason = Reason | Category | Composed


def token_reason(source: str, fault: TokenFault) -> Composed:
    """The reason for a fault of the token of one source, access or bearer."""
    return Composed(f"{source}_{fault}")


def withheld(definitions: int) -> Composed | None:
    """The reason that says how many definitions of a list were withheld; None if there were none."""
    return Composed(f"withheld_{definitions}") if definitions else None


def origin_status(status: int) -> Composed:
    """The reason that says with which HTTP status the server refused."""
    return Composed(f"origin_{status}")


def deciding_key(reason: AnyReason | None) -> str | None:
    """The key of the stack file that decides about a reason, `tool_lock` for the lock. Findings are decided by their leg."""
    return reason.key if isinstance(reason, Reason) else None
