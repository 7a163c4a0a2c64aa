"""Writes docs/reference/rules.md from the rules themselves: `python docs/generate_rules.py`.

--check compares only.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent

HEAD = """\
# Rules

Made from the rules themselves. `ringwall check` runs them over the offline plan of every stack; `up`, plain `pulumi up`
among them, refuses a plan that breaks one of severity error before it touches anything.

A rule that fails to run is an error itself. What a rule says about production holds where the environment's file says
`production: true`.

## Waivers

An exception stands in the stack file it is for, below `ringwall:server`, `ringwall:environment` or `ringwall:zone`:

```yaml
    waivers:
      - rule: gateway-buffering
        resource: "github-gateway-*"   # optional: a resource name, or a pattern; else the whole stack
        reason: The old client needs whole answers; decided by Ada on 2026-11-02.
        expires: "2027-02-01"          # last day, in UTC
```

A waiver holds through its last day in UTC, whatever the time zone of the machine: the one above ends on that day at
19:00 in New York, and on the day after it at 14:00 on Kiritimati. An exception of `guard.exceptions` ends in the same
way, by the guard's own clock.

The finding stays in every report, marked as waived with its reason. A waiver that has ended is an error
(`waiver-expired`), one that covers nothing, or only what another covers, a warning (`waiver-unused`). Rules marked
below as not to be waived guard the promise that nothing answers unprotected and no secret is readable; naming one is an
error (`waiver-refused`). An environment's waivers hold for its own plan, never for its servers'.

## Rules of your own

`ringwall-rules.py` beside Pulumi.yaml (or `--rules FILE`) holds functions over the plan:

```python
from plan.rules.rule import broken, rule


@rule(
    id="acme-server-tag",
    severity="error",
    reason="Billing finds our services by their tag.",
    remedy="add the tag",
)
def server_tag(subject):
    for service in subject.graph.by_type("kong:index/service:Service"):
        if "acme" not in service.inputs.get("tags", []):
            yield broken("has no tag acme", service, key=("hostname",))
```

`subject.graph` is the plan, `subject.production` whether the environment is in production; `subject.guard` and
`subject.host_bundle` are the documents that reach the host. The file runs with the rights of whoever runs `check` or `up`.
In a pull request give `--base REV`: rules and waivers are then the base revision's, so that a change does not bring along
the rules it is judged by.

"""


PACK = """\
## On the engine's own preview

The same set of rules is a Pulumi policy pack, own rules and waivers included. In a checkout it is
`policy_pack/ringwall-policy`; wherever Ringwall is installed, `ringwall engine addons` writes it:

```sh
ringwall engine addons ~/.ringwall
pulumi preview --policy-pack ~/.ringwall/ringwall-policy
```

It sees what a program declares beside Ringwall's own resources. The engine calls it at the end of a preview, which stops
the `up` that follows; with `--skip-preview` it speaks only when everything is made. `RINGWALL_PROJECT` names the folder
with the stack files where it is not the current one, `RINGWALL_PYTHON` another interpreter than the checkout's `.venv`.
Before the first deployment the guard's configuration is not known to the engine; what depends on it was judged on the
offline plan by the program itself.

"""


def rules_reference() -> str:
    """Every rule of Ringwall's own, sorted by id, each under a heading that is its anchor."""
    from plan.rules.catalog import BUILT_IN

    lines = [HEAD + PACK + "## All rules", ""]
    for rule in sorted(BUILT_IN, key=lambda rule: rule.id):
        elsewhere = f", {rule.outside_production} outside production" if rule.outside_production else ""
        waiver = "can be waived" if rule.waivable else "cannot be waived"
        lines += [
            f"### {rule.id}",
            "",
            f"{str(rule.severity).capitalize()}{elsewhere}; {waiver}.",
            "",
            _escaped(rule.reason),
            "",
            f"Remedy: {_escaped(rule.remedy)}.",
            "",
            f"Source: {_escaped(rule.source)}.",
            "",
        ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


def main(check: bool) -> int:
    file, text = DOCS / "reference" / "rules.md", rules_reference()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    print(f"{file.name}: {'out of date, run `python docs/generate_rules.py`' if check else 'written'}")
    if not check:
        file.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
