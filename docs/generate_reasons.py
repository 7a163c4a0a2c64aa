"""Writes docs/reference/errors.md from the guard's enumerations, its codes and the exit codes of the commands:
`python docs/generate_reasons.py`, with --check to compare only."""

from __future__ import annotations

import sys
from pathlib import Path

from guard.decide import answers
from guard.decide.reasons import Decision, Reason, TokenFault
from guard.inspect.verdict import Category
from guard.models.refusals import ErrorCode
from model import errors

DOCS = Path(__file__).parent

HEAD = """\
# Errors, codes and reasons

Made from the code: exit codes, the guard's JSON-RPC codes, and the decisions and reasons of its audit log. To go from a
symptom to its cause, start at [troubleshooting](../operate/troubleshooting.md).

## Exit codes

| Code | Meaning |
|---|---|
| 0 | Done. |
"""

EXIT_CODES = {
    1: "Something failed, or you said no.",
    2: "A file or an option is wrong. Nothing was written.",
    3: "A plan breaks a rule, or a command that looks found something: drift, an open server, a broken audit log.",
    4: "No usable Pulumi engine or provider plugin.",
    5: "The engine ran and failed.",
    6: "A server, gateway or issuer did not answer.",
    130: "Interrupted by Ctrl-C.",
}

CODES = """\

With `--json` an error is one document with `problem`, `file`, `key` and `remedy`.

## The guard's JSON-RPC codes

The codes from -31001 to -31006 are the guard's own. JSON-RPC and MCP reserve -32768 to -32000, so no server uses ours by
accident. A blocked tool call is no JSON-RPC error: it is a tool result with `isError: true`, because a model reads that.
[The guard](../explain/guard.md#answers) says which HTTP status each one has.

| Code | Meaning |
|---|---|
"""

CODE_MEANINGS = {
    "PARSE_ERROR": "The body is not JSON.",
    "INVALID_REQUEST": "The body is not one JSON-RPC message with one meaning.",
    "METHOD_NOT_FOUND": "The guard does not carry this method.",
    "INVALID_PARAMS": "`Unknown tool` (or prompt, or resource): not granted, not in the tool lock, changed since it was "
    "approved, or withheld. Also a parameter of a wrong type.",
    "HEADER_MISMATCH": "Headers and body do not say the same (2026-07-28).",
    "UNSUPPORTED_VERSION": "The guard does not speak this protocol version; `data` lists those it speaks.",
    "REFUSED": "Blocked (prompts, resources, completions), or the caller is on the deny list.",
    "NO_VERDICT": "No engine reached a verdict. The call was not executed, or its result is withheld.",
    "LIMITED": "A limit; `data` names the key, what it allows, what is used, and the seconds to wait.",
    "ORIGIN_UNAVAILABLE": "The MCP server does not answer, or its answer cannot be passed on.",
    "UNAUTHENTICATED": "The caller could not be verified, a scope is missing, or the token expired meanwhile.",
    "WITHHELD": "The call **was executed** and its answer is withheld. Do not repeat it.",
}

MODEL_ERRORS = """\

## Errors of a model route

A model route answers in the form of OpenAI's API: `{"error": {"message", "type", "param", "code", "incident"}}`. In a stream
that has begun, the same stands in the last event. Kong's circuit breaker takes 502 and 503 for a failure of the guard
itself, so a provider's failure is 500 or 504. Clients of that API repeat 429 and 5xx by themselves; `x-should-retry: false`
tells them where that cannot help.

| Code | HTTP | Type | Meaning |
|---|---|---|---|
"""

REASONS = """\

## Decisions

Every record of the audit log has a `decision` and a `reason`. The metrics count both. `ringwall audit show --reason` filters
by the second. A caller never sees the reason, only a short text and an incident id.

| Decision | Meaning |
|---|---|
"""

DECISION_MEANINGS = {
    Decision.ALLOW: "It passed.",
    Decision.FLAG: "Something was found, and it passed: the leg says `flag`, or an exception covers it.",
    Decision.REDACT: "Secrets or personal data were removed, and the rest passed.",
    Decision.BLOCK: "Something was found in a text, or no engine could judge it.",
    Decision.REFUSE: "A rule of the guard's own: identity, grants, lock, limits, protocol.",
    Decision.ERROR: "The MCP server or the provider of a model did not answer as it must.",
}

TABLE = """\

## Reasons

A record's `key` is the key of the stack file that decided, or `tool_lock`. For a finding it is `guard.legs.LEG`. For a
finding that passed by an exception it is `guard.exceptions.N`, and `exceptions` holds the rules. For a limit it is that
limit's key.
Where there is nothing more to say, the reason repeats the decision.

| Reason | Meaning | Key |
|---|---|---|
"""

COMPOSED = """\
| `withheld_N` | So many definitions of a list were not shown. | |
| `origin_N` | The server refused with this HTTP status. | |

## Findings

A finding's category is a reason too: {categories}. [Detection rules](detection-rules.md) lists the rules of each;
[allow a blocked call](../howto/allow-a-blocked-call.md) says what to do about one that is wrong.

## Tokens

A fault of the token of Cloudflare Access has `access_` before it, a fault of an external issuer's token `bearer_`:

| Fault | Meaning |
|---|---|
"""


def reasons_reference() -> str:
    """The whole page."""
    lines = [HEAD, *(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items()), CODES]
    lines += [f"| {getattr(answers, name)} | {meaning} |\n" for name, meaning in CODE_MEANINGS.items()]
    lines += [
        MODEL_ERRORS,
        *(f"| `{code}` | {code.status} | `{code.type}` | {code.meaning} |\n" for code in ErrorCode),
    ]
    lines += [REASONS, *(f"| `{decision}` | {DECISION_MEANINGS[decision]} |\n" for decision in Decision), TABLE]
    lines += [f"| `{reason}` | {reason.meaning} | {f'`{reason.key}`' if reason.key else ''} |\n" for reason in Reason]
    lines.append(COMPOSED.format(categories=", ".join(f"`{category}`" for category in Category)))
    lines += [f"| `{fault}` | {fault.meaning} |\n" for fault in TokenFault]
    return "".join(lines)


def exit_codes() -> set[int]:
    """Every exit code that an error of ours has."""
    return {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}


def main(check: bool) -> int:
    file, text = DOCS / "reference" / "errors.md", reasons_reference()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    print(f"{file.name}: {'out of date, run `python docs/generate_reasons.py`' if check else 'written'}")
    if not check:
        file.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
