"""Writes docs/reasons.md from the guard's enumerations: `python docs/generate_reasons.py`, with --check to compare only."""

from __future__ import annotations

import sys
from pathlib import Path

from guard.decide.reasons import Decision, Reason, TokenFault
from guard.inspect.verdict import Category

DOCS = Path(__file__).parent

HEAD = """\
# Reasons

Made from the guard's own enumerations. Every record of the audit log has a `decision` and a `reason`; the metrics count
both, and `ringwall audit show --reason` filters by the second. What a caller is told is in [guard.md](guard.md): never the
reason, only an incident id and whether an operator can help.

A record's `key` is the key of the stack file that decided, or `tool_lock`. For a finding it is `guard.legs.LEG`, for one
that passed by an exception `guard.exceptions.N` (and `exceptions` holds the rules), for a limit that limit's own key.

A `decision` is {decisions}. `refuse` is the guard's own rules, `block` what was found in a text or could not be judged,
`error` a server that did not answer as it must. Where nothing is to be said the reason is the decision's own word.

| Reason | Meaning | Key |
|---|---|---|
"""

COMPOSED = """\
| `withheld_N` | So many definitions of a list were not shown. | |
| `origin_N` | The server refused with this HTTP status. | |

## Findings

A finding's category is a reason too: {categories}. What each means is in [detection.md](detection.md).

## Tokens

With `access_` before it for the token of Cloudflare Access, `bearer_` for an external issuer's:

| Fault | Meaning |
|---|---|
"""


def reasons_reference() -> str:
    """The whole page."""
    decisions = [f"`{decision}`" for decision in Decision]
    lines = [HEAD.format(decisions=", ".join(decisions[:-1]) + " or " + decisions[-1])]
    lines += [f"| `{reason}` | {reason.meaning} | {f'`{reason.key}`' if reason.key else ''} |\n" for reason in Reason]
    lines.append(COMPOSED.format(categories=", ".join(f"`{category}`" for category in Category)))
    lines += [f"| `{fault}` | {fault.meaning} |\n" for fault in TokenFault]
    return "".join(lines)


def main(check: bool) -> int:
    file, text = DOCS / "reasons.md", reasons_reference()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    print(f"{file.name}: {'out of date, run `python docs/generate_reasons.py`' if check else 'written'}")
    if not check:
        file.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
